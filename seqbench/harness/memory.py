"""Memory of one run: its peak above the level that it began at, and keeping what steps free."""

import ctypes
import gc
import re
from contextlib import suppress
from pathlib import Path

import psutil
import torch

_PEAK = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEPT_BYTES = 2**28
_LARGEST_KEPT_BYTES = 2**25  # the largest that glibc takes


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


def keep_freed_memory() -> None:
    """Let the process keep what a training step frees, up to 256 MiB, for the next one.

    Left to itself glibc gives large tensors back to the system when they are freed; at the next
    step each page has to be had anew, which takes up to a tenth of the time of a step, and more or
    less of it as chance lays the tensors out.
    """
    with suppress(AttributeError, OSError, TypeError):  # not glibc: it keeps to its own rules
        malloc = ctypes.CDLL(None)
        malloc.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        malloc.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


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
