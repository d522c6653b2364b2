"""The clock of the harness: it waits for the device before it starts and before it stops."""

import time
from collections.abc import Callable
from types import TracebackType

import torch


def synchronize(device: str) -> None:
    """Wait until the device has finished all work that was queued on it."""
    if device == "cuda":
        torch.cuda.synchronize()


class Stopwatch:
    """Measures the wall-clock seconds of a ``with`` block, all its device work included.

    CUDA kernels run after the call that queued them has returned; a clock that does not wait for
    them measures the queueing. ``seconds`` holds the time once the block is left.

    Parameters
    ----------
    device
        ``cpu`` or ``cuda``.
    now, wait
        The clock, in seconds, and what waits for the device: to be replaced in tests.
    """

    def __init__(
        self,
        device: str,
        *,
        now: Callable[[], float] = time.perf_counter,
        wait: Callable[[str], None] = synchronize,
    ) -> None:
        self._device = device
        self._now = now
        self._wait = wait
        self.seconds = 0.0

    def __enter__(self) -> "Stopwatch":
        self._wait(self._device)
        self._start = self._now()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._wait(self._device)
        self.seconds = self._now() - self._start
