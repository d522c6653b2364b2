"""Peaks of memory in the process that asks: by torch's allocators, or by the system.

The agent imports this file, in an environment that may have no seqbench, so it imports only the
standard library.
"""

import ctypes
import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

RESIDENT = "resident memory"
"""How a peak of memory is read where torch's allocators give none."""

ALLOCATED = "torch's allocators"


def measure_peak(do: Callable[[], object]) -> tuple[str, int] | None:
    """Return how much memory is needed at the peak while something is done.

    Returns
    -------
    tuple
        How that was counted, and bytes beyond what the process had before: those of torch's
        allocators if they are used, else resident memory but that of mapped files, which counts
        right only in a process that has done nothing else. None if neither is known.
    """
    measure_torch_peak(lambda: None)  # the profiler's own memory
    gc.collect()
    gc.disable()
    before = read_resident()
    counted = measure_torch_peak(do)
    after = read_resident()
    gc.enable()
    if counted:
        return ALLOCATED, counted
    if before is None or after is None:
        return None
    files = after["RssFile"] - before["RssFile"]  # code that was run for the first time
    return RESIDENT, max(0, after["VmHWM"] - before["VmRSS"] - files)


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
        lines = Path("/proc/self/status").read_text(errors="replace").splitlines()
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    wanted = ("VmRSS", "VmHWM", "RssFile")
    if not all(name in fields for name in wanted):
        return None
    return {name: 1024 * int(fields[name].split()[0]) for name in wanted}


def measure_torch_peak(do: Callable[[], object]) -> int:
    """Return the peak of bytes in torch's allocators while something is done.

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
