"""Memory that this process may still take: the bound for estimates before work begins."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_GROUPS = ("memory.max", "memory/memory.limit_in_bytes")
"""Files with the memory limit of a control group, of version 2 and of version 1."""

_SYSTEM = Path("/sys/fs/cgroup")


def read_free_memory(groups: Path = _SYSTEM) -> int:
    """Return how many bytes are free, or may be taken, whichever is less.

    Parameters
    ----------
    groups
        Folder of the control group's files: to be replaced in tests.
    """
    return min(psutil.virtual_memory().available, *_list_limits(groups))


def _list_limits(groups: Path) -> Iterator[int]:
    """Yield what the process's control group and its own limit of address space leave to it."""
    taken = psutil.Process().memory_info()
    yield sys.maxsize
    for name in _GROUPS:
        with suppress(OSError, ValueError):  # there is none, or it says "max"
            yield max(0, int((groups / name).read_text()) - taken.rss)
    with suppress(ImportError):  # Windows has no such limits
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            yield max(0, limit - taken.vms)


def format_memory(size: float) -> str:
    """Return a number of bytes in the unit that suits it: ``3.2 GB``."""
    size, unit = min(size, 1e30) / 1000, "kB"
    for greater in ("MB", "GB", "TB"):
        if size >= 1000:
            size, unit = size / 1000, greater
    return f"{size:.2g} {unit}" if size < 100 else f"{size:,.0f} {unit}"
