"""What a result depended on besides its settings: machine, software, threads and code.

No host name, user name or path is recorded.
"""

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil
import torch

import seqbench
from seqbench.errors import UsageError
from seqbench.git import run_git
from seqbench.harness.control_group import read_cpu_quota
from seqbench.harness.packages import list_versions
from seqbench.results.environments import digest_environment
from seqbench.timing.contention import list_usable_cores
from seqbench.training.accelerator import accelerator_of, is_cuda_available, name_cuda_build

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OMP_DYNAMIC",
    "KMP_BLOCKTIME",
    "MKL_NUM_THREADS",
    "MKL_DYNAMIC",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "ONEDNN_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "NVIDIA_TF32_OVERRIDE",
    "PYTORCH_JIT",
)
"""What libraries read from outside that may change how fast or how they round."""

COMMIT_VARIABLE = "SEQBENCH_COMMIT"
_LEFT_BEHIND = ("results/", "reports/")
_NO_GIT = ("git is not installed", "not a git repository")
"""Faults that only mean that there is no commit to record."""


def describe_environment() -> dict[str, Any]:
    """Return the environment, ready for JSON.

    ``environment_id`` is a digest of what decides of it, see `environments.DECISIVE`. The code is
    not in it: each row has the version of the code that it was run with, and the commit.
    """
    recorded = {"machine": _machine(), "software": _software(), "threads": _threads()}
    return {"environment_id": digest_environment(recorded), **recorded, "code": _code()}


def _machine() -> dict[str, Any]:
    usable = sorted(list_usable_cores())
    cores = psutil.cpu_count()
    return {
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "physical_cores": psutil.cpu_count(logical=False),
        "logical_cores": cores,
        "usable_cores": len(usable),
        "affinity": usable if len(usable) != cores else None,  # None: all
        "cpu_quota": read_cpu_quota(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": _gpus(),
    }


def _cpu_model() -> str:
    """Name the processor: Linux has it in /proc/cpuinfo, where `platform` does not look."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor()


def _gpus() -> list[dict[str, Any]]:
    if not is_cuda_available():
        return []
    driver = _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    version = driver.splitlines()[0] if driver else None
    return [each | {"driver": version} for each in accelerator_of("cuda").describe()]


def _software() -> dict[str, Any]:
    blas = re.search(r"BLAS_INFO=(\w+)", torch.__config__.show())
    return {
        "os": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "torch": {
            "version": torch.__version__,
            "commit": torch.version.git_version,
            "cuda": name_cuda_build(),
            "cudnn": torch.backends.cudnn.version() if is_cuda_available() else None,
            "blas": blas[1] if blas else None,
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        },
        "packages": list_versions(),
    }


def _threads() -> dict[str, Any]:
    return {
        "inter_operator": torch.get_num_interop_threads(),
        "variables": {name: os.environ.get(name) for name in _VARIABLES},
        "flags": {
            "default_dtype": str(torch.get_default_dtype()),
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "onednn": torch.backends.mkldnn.enabled,
        },
    }


def _code() -> dict[str, Any]:
    """Name the version, and the git commit if this very file is tracked in a git checkout.

    ``dirty`` states whether tracked or new files differed from that commit, the results and reports
    that runs leave behind not counted. ``fault`` is git's error message where it fails. A copy
    without git has the commit that `COMMIT_VARIABLE` names.
    """
    folder = Path(seqbench.__file__).parent
    commit = dirty = fault = None
    try:
        if _ask_git(folder, "ls-files", "__init__.py"):
            commit = _ask_git(folder, "rev-parse", "HEAD")
            listed = _ask_git(folder, "status", "--porcelain", "-z", "--no-renames").split("\0")
            changed = [entry[3:] for entry in listed if entry]
            dirty = not all(path.startswith(_LEFT_BEHIND) for path in changed)
    except UsageError as error:
        if not any(words in str(error) for words in _NO_GIT):
            message = str(error).partition(" failed: ")[2].partition("\n")[0]
            fault = re.sub("'[^']*'", "…", message)  # no path is recorded
    named = os.environ.get(COMMIT_VARIABLE, "")
    if commit is None and fault is None and re.fullmatch("[0-9a-f]{7,64}", named):
        commit = named
    return {"version": seqbench.__version__, "commit": commit, "dirty": dirty, "fault": fault}


def _ask_git(folder: Path, *words: str) -> str:
    return run_git(folder, *words).decode("utf-8", "replace").rstrip("\n")


def _output(*command: str) -> str | None:
    """Return what a command prints, or None if it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip()
