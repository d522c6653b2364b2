"""One side of a gate: a process that has one version of the code and does what it is told.

It is run as a script by the Python of that version's environment, so it imports nothing but the
standard library and the benchmark file, and takes the folder of that version as its first place
to import from.
"""

import ctypes
import gc
import importlib.util
import os
import sys
import time
import tomllib
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

RESIDENT = "resident memory"
"""How a peak of memory is read where torch's allocators give none."""

_TORCH = "torch's allocators"
_MEMORY_CALLS = 2  # what a first call allocates and keeps counts in the peak of the second
_WARM_UP_CALLS = 3
_WARM_UP_S = 0.05


class Agent:
    """The benchmarks of one version, ready to be timed.

    Parameters
    ----------
    root
        Folder of the version.
    file
        Its benchmark file.
    """

    def __init__(self, root: Path, file: Path) -> None:
        self.root = root
        found = importlib.util.spec_from_file_location("gate_benchmarks", file)
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules["gate_benchmarks"] = module
        found.loader.exec_module(module)
        check_origin(root)
        self.benchmarks = {each.name: each for each in module.BENCHMARKS}
        if len(self.benchmarks) < len(module.BENCHMARKS):
            raise ValueError(f"two of BENCHMARKS in {file} have the same name")
        self.works: dict[str, Callable[[], object]] = {}

    def describe(self) -> list[dict[str, Any]]:
        """Return what is declared of each benchmark, in words and numbers."""
        return [
            {
                "name": each.name,
                "settings": dict(each.settings),
                "work": _locate(each.make_work),
                "train": None if each.train is None else _locate(each.train),
                "margin": each.margin,
                "memory_margin": getattr(each, "memory_margin", None),  # older versions have none
                "score_margin": each.score_margin,
                "metric": each.metric,
                "higher_is_better": each.higher_is_better,
                "error_rate": each.error_rate,
            }
            for each in self.benchmarks.values()
        ]

    def prepare(self, name: str) -> float:
        """Make a benchmark's work and warm it up; return the seconds that a call then takes."""
        benchmark = self.benchmarks[name]
        self.works[name] = benchmark.make_work(**benchmark.settings)
        check_origin(self.root)
        times: list[float] = []
        while len(times) < _WARM_UP_CALLS or sum(times) < _WARM_UP_S:
            times.append(self.time(name, 1))
        return min(times)

    def time(self, name: str, calls: int) -> float:
        """Return the seconds that some calls of a benchmark's work take together."""
        work = self.works[name]
        start = time.perf_counter()
        for _ in range(calls):
            work()
        return time.perf_counter() - start

    def measure_memory(self, name: str) -> tuple[str, int] | None:
        """Return how much memory a benchmark's work needs at its peak, made and called.

        Returns
        -------
        tuple
            How that was counted, and bytes beyond what the process had before: those of torch's
            allocators if the work uses them, else resident memory but that of mapped files, which
            counts right only in a process that has done nothing else. None if neither is known.
        """
        benchmark = self.benchmarks[name]

        def do() -> None:
            work = benchmark.make_work(**benchmark.settings)
            for _ in range(_MEMORY_CALLS):
                work()

        measure_torch_peak(lambda: None)  # the profiler's own memory
        gc.collect()
        gc.disable()
        before = read_resident()
        counted = measure_torch_peak(do)
        after = read_resident()
        gc.enable()
        if counted:
            return _TORCH, counted
        if before is None or after is None:
            return None
        files = after["RssFile"] - before["RssFile"]  # code that was run for the first time
        return RESIDENT, max(0, after["VmHWM"] - before["VmRSS"] - files)

    def settle(self, core: int | None) -> None:
        """Collect garbage for the last time; go to a core, with all threads there are."""
        gc.collect()
        gc.disable()
        if core is None:
            return
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # one that has just ended
                os.sched_setaffinity(int(thread.name), {core})

    def train(self, name: str, seed: int) -> tuple[float, tuple[float, ...]]:
        """Train a benchmark with a seed; return its score and its trace."""
        benchmark = self.benchmarks[name]
        trained = benchmark.train(seed=seed, **benchmark.settings)
        return float(trained.score), tuple(map(float, trained.trace))


def read_resident() -> dict[str, int] | None:
    """Return bytes of resident memory, and begin a new peak; None where the system has no such.

    Returns
    -------
    dict
        ``VmRSS``, its peak ``VmHWM`` and its part in mapped files ``RssFile``: see proc(5).
    """
    with suppress(AttributeError, OSError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)  # what was freed is not used again without being counted
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines)
    wanted = ("VmRSS", "VmHWM", "RssFile")
    if not all(name in fields for name in wanted):
        return None
    return {name: 1024 * int(fields[name].split()[0]) for name in wanted}


def measure_torch_peak(do: Callable[[], object]) -> int:
    """Return the most bytes that torch's allocators come to hold while something is done.

    On the CPU they are counted by torch's profiler, which sees the calling thread; on CUDA by the
    allocator itself, and then they alone count. 0 where torch was not imported before.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None:
        do()
        return 0
    held = 0
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=cpu, profile_memory=True) as profiler:
        do()
    on_cuda = torch.cuda.max_memory_allocated() - held if torch.cuda.is_initialized() else 0
    return on_cuda or _find_peak(profiler.profiler.kineto_results.experimental_event_tree())


def _find_peak(tree: list[Any]) -> int:
    """Return the greatest sum of what is allocated at once in a tree of the profiler's events."""
    waiting, changes = list(tree), []
    while waiting:
        event = waiting.pop()
        waiting.extend(event.children)
        if event.name == "[memory]":
            changes.append((event.start_time_ns, event.typed[1]))
    sizes: dict[int, int] = {}
    level = peak = 0
    for _, change in sorted(changes, key=lambda each: each[0]):
        if change.alloc_size > 0:
            sizes[change.ptr] = change.alloc_size
            level += change.alloc_size
            peak = max(peak, level)
        else:
            level -= sizes.pop(change.ptr, 0)
    return peak


def list_import_folders(root: Path) -> list[Path]:
    """Return the folders of a version that its packages lie in: the usual ones, and as declared.

    ``pyproject.toml`` may name them for setuptools, poetry, hatch, pdm and maturin.
    """
    declared: list[str] = []
    with suppress(OSError, ValueError):
        tools = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
        for table, key in _DECLARED_IN:
            found: Any = tools
            for part in table:
                found = found.get(part, {}) if isinstance(found, dict) else {}
            declared += _read_folders(found.get(key) if isinstance(found, dict) else None)
    folders = [root / each for each in [*declared, "", "src", "python", "lib"]]
    return [each for each in dict.fromkeys(folders) if each.is_dir()]


_DECLARED_IN = (
    (("setuptools", "packages", "find"), "where"),
    (("setuptools",), "package-dir"),
    (("poetry",), "packages"),
    (("hatch", "build", "targets", "wheel"), "packages"),
    (("pdm", "build"), "package-dir"),
    (("maturin",), "python-source"),
)


def _read_folders(told: Any) -> list[str]:
    """Return the folders that an entry of ``pyproject.toml`` names."""
    if isinstance(told, str):
        return [told]
    if isinstance(told, dict):  # setuptools: package → folder
        return [str(each) for name, each in told.items() if name == ""]
    if not isinstance(told, list):
        return []
    named = [each.get("from", "") if isinstance(each, dict) else str(each) for each in told]
    return [str(Path(each).parent) if "/" in each else each for each in named]


def check_origin(root: Path) -> None:
    """Raise if code was imported that is neither this version's nor installed.

    A package that is installed in development mode comes from the working copy, whichever version
    is asked for. What the version has itself has to come from there even if it is installed too.
    """
    folders, whole = list_import_folders(root), root.resolve()
    own: dict[str, bool] = {}
    for name, module in list(sys.modules.items()):
        origin, package = getattr(module, "__file__", None), name.partition(".")[0]
        if not origin or package in ("__main__", "__mp_main__"):
            continue
        place = Path(origin).resolve()
        if place.is_relative_to(whole):
            continue
        if package not in own:
            places = [path for each in folders for path in (each / package, each / f"{package}.py")]
            own[package] = any(each.exists() for each in places)
        if own[package] or not (package == "seqbench" or _is_installed(place)):
            raise ImportError(f"{package} comes from {origin}, not from the version in {root}")


def _is_installed(place: Path) -> bool:
    """Tell whether a file is of the standard library or of an installed package."""
    parts = set(place.parts)
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    inside = any(place.is_relative_to(Path(each).resolve()) for each in prefixes)
    return inside or bool(parts & {"site-packages", "dist-packages"})


def _locate(function: Callable[..., Any]) -> tuple[str, str]:
    """Return the file and the name of a function, or of the class of what can be called."""
    named: Any = function if hasattr(function, "__qualname__") else type(function)
    return getattr(sys.modules[named.__module__], "__file__", None) or "", named.__qualname__


def main() -> None:
    """Answer the gate until it hangs up."""
    root, file, descriptor = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    elsewhere = [each for each in sys.path if each != str(Path(__file__).parent)]
    sys.path[:] = [*map(str, list_import_folders(root)), *elsewhere]
    connection = Connection(descriptor)
    agent: Agent | None = None
    while True:
        try:
            question, *arguments = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        try:
            if question == "load":
                agent = Agent(root, file)
                answer = None
            else:
                answer = getattr(agent, question)(*arguments)
        except Exception:
            connection.send(("failed", traceback.format_exc()))
        else:
            connection.send(("done", answer))


if __name__ == "__main__":
    main()
