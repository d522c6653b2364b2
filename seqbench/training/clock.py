"""The clocks of the harness: a stopwatch for epochs, and one for single samples.

Both wait for the device before they stop: on CUDA a call returns before its work is done.
"""

import time
from collections.abc import Callable
from types import TracebackType

from seqbench.training.accelerator import Event, accelerator_of


def synchronize(device: str) -> None:
    """Wait until the device has finished all work that was queued on it."""
    accelerator_of(device).synchronize()


class Stopwatch:
    """Measures the wall-clock seconds of a ``with`` block, all its device work included.

    CUDA kernels run after the call that queued them has returned; a clock that does not wait for
    them measures the queueing. ``seconds`` holds the time once the block is left; entered again,
    the watch goes on from there.

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
        self.seconds += self._now() - self._start


class SampleClock:
    """Times a number of calls as one sample.

    On CUDA two events in the queue mark begin and end, and the only wait is for the second, so
    that the sample holds no more than the device's own work and gaps. On the CPU it is the wall
    clock.

    Parameters
    ----------
    device
        ``cpu`` or ``cuda``.
    now, make_event
        The wall clock, in seconds, and what makes an event that can be timed, its differences in
        milliseconds: to be replaced in tests.
    """

    def __init__(
        self,
        device: str,
        *,
        now: Callable[[], float] = time.perf_counter,
        make_event: Callable[[], Event] | None = None,
    ) -> None:
        self.device = device
        self.now = now
        accelerator = accelerator_of(device)
        self._make_event = (make_event or accelerator.make_event) if accelerator.queues else None

    def time(self, work: Callable[[], object], calls: int = 1) -> float:
        """Return the seconds that ``calls`` calls of ``work`` take together."""
        if self._make_event is None:
            start = self.now()
            for _ in range(calls):
                work()
            return self.now() - start
        begin, end = self._make_event(), self._make_event()
        begin.record()
        for _ in range(calls):
            work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1000
