"""Peak memory of one run: what it took above the level that it began at."""

import ctypes
import gc
import re
from contextlib import suppress
from pathlib import Path

import psutil
import torch

_PEAK = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


class PeakMemory:
    """Watches the most memory held at once from its creation on, above the level then.

    On CUDA it asks torch's allocator; on Linux the kernel, for the peak of the process's resident
    memory. Elsewhere no peak can be had for a single run, and `bytes` is None.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        gc.collect()
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            self._level = torch.cuda.memory_allocated()
            return
        _return_freed_memory()
        self._level = psutil.Process().memory_info().rss
        self._kernel_tells = _reset_peak()

    @property
    def bytes(self) -> int | None:
        """The peak above the level at the beginning, in bytes, or None where it is not known."""
        if self._device == "cuda":
            return torch.cuda.max_memory_allocated() - self._level
        if not self._kernel_tells:
            return None
        found = re.search(r"VmHWM:\s+(\d+) kB", _PEAK.read_text())
        return max(int(found[1]) * 1024 - self._level, 0) if found else None


def _return_freed_memory() -> None:
    """Give what earlier runs freed back to the system, or it would be missing from this one's."""
    # not glibc: the level is then a little high, the peak above it a little low
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset_peak() -> bool:
    """Let Linux count the process's peak afresh; tell whether it did."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True
