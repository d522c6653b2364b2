"""Which device a run goes to, and how many threads torch has on the CPU."""

import torch

from seqbench.errors import UsageError
from seqbench.training.accelerator import is_cuda_available, name_cuda_build


def resolve_device(name: str) -> str:
    """Return ``cpu`` or ``cuda`` for ``cpu``, ``cuda`` or ``auto`` (CUDA where there is one).

    Raises
    ------
    UsageError
        If the name is another one, or CUDA is requested where torch cannot use it.
    """
    if name == "auto":
        return "cuda" if is_cuda_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise UsageError(f"device must be auto, cpu or cuda, not {name!r}")
    if name == "cuda" and not is_cuda_available():
        built = name_cuda_build()
        why = f"no usable GPU for CUDA {built}" if built else "this torch is built without CUDA"
        raise UsageError(f"device cuda is not available: {why}; use --device cpu")
    return name


def default_threads() -> int:
    """Return the threads that torch takes inside one operator by default."""
    return torch.get_num_threads()


def explain_auto() -> str | None:
    """Describe the device of this machine that ``auto`` does not support, or return None."""
    if torch.backends.mps.is_available() and not is_cuda_available():
        return "device auto selects the CPU: the GPU of a Mac (MPS) is not supported"
    return None
