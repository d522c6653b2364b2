"""Memory between steps: freed memory is kept, and garbage collection is explicit."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEPT_BYTES = 2**28
_LARGEST_KEPT_BYTES = 2**25  # the largest that glibc takes


def keep_freed_memory() -> None:
    """Let the process keep what a training step frees, up to 256 MiB, for the next one.

    Left to itself glibc gives large tensors back to the system when they are freed; at the next
    step each page is requested again, which takes up to a tenth of the time of a step, and more or
    less of it as chance lays the tensors out.
    """
    with suppress(AttributeError, OSError, TypeError):  # not glibc: it keeps to its own rules
        malloc = ctypes.CDLL(None)
        malloc.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        malloc.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect garbage now, and then not until the end: Python's collector comes when it likes.

    Where it is off already, as within another such context, this does nothing.
    """
    if not gc.isenabled():
        yield
        return
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
