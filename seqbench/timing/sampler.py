"""Samples of one piece of work: how many calls, how many samples, and when it is enough."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from seqbench.intervals import LEAST_SAMPLES, median_interval
from seqbench.results.records import Load
from seqbench.timing.contention import LoadWatch
from seqbench.training.accelerator import accelerator_of
from seqbench.training.allocator import no_garbage_collection
from seqbench.training.clock import SampleClock

_LEAST_WARM_UP = 3
_SETTLED = 1.05  # the last calls are faster than those before by no more than this factor


@dataclass(frozen=True)
class Sampling:
    """How carefully to measure.

    Parameters
    ----------
    width
        Stop once the 95 % interval of the median is no wider than this share of it; it allows for
        the correlation of successive samples, and takes `LEAST_SAMPLES`.
    budget_s
        Maximum total time of samples, in seconds; warm-up may take as much again.
    least, most
        Never fewer, never more samples, unless ``least`` take three times the budget.
    singles
        As many samples where each is a single call: their 95th percentile takes 200, of which 10
        are expected beyond it.
    least_sample_s
        Work that is shorter is done several times for a sample, or it would include the cost of
        the clock.
    """

    width: float = 0.02
    budget_s: float = 1.0
    least: int = LEAST_SAMPLES
    most: int = 100
    singles: int = 200
    least_sample_s: float = 1e-3


@dataclass(frozen=True)
class Sample:
    """Seconds that some calls took together, and the CPU contention."""

    calls: int
    seconds: float
    load: Load


@dataclass(frozen=True)
class Sampler:
    """Takes samples with a clock and a watch on the machine.

    Parameters
    ----------
    clock
        Times the calls.
    sampling
        How carefully.
    watch
        Reports CPU contention.
    """

    clock: SampleClock
    sampling: Sampling
    watch: LoadWatch

    def sample(self, work: Callable[[], object], *, single: bool = False) -> list[Sample]:
        """Warm ``work`` up and time it until the interval is narrow or the budget is spent.

        Contended samples are kept, and flagged; the interval that decides is that of the others.

        Parameters
        ----------
        work
            What is timed.
        single
            Whether each sample is one call, whatever it takes: for percentiles of single calls.
        """
        with no_garbage_collection():
            duration = self.warm_up(work)
            calls = 1 if single else self._count_calls(duration)
            samples: list[Sample] = []
            spent = 0.0
            while not self._is_enough(samples, spent, single=single):
                samples.append(self.take(work, calls))
                spent += samples[-1].seconds
        return samples

    def _count_calls(self, duration: float) -> int:
        """Return the calls of a sample, given the seconds of one."""
        device = accelerator_of(self.clock.device)
        shortest = max(self.sampling.least_sample_s, device.least_sample_s)
        return max(device.least_calls, round(shortest / duration))

    def take(self, work: Callable[[], object], calls: int = 1) -> Sample:
        """Take one sample, unwarmed."""
        with self.watch.watching() as seen:
            seconds = self.clock.time(work, calls)
        return Sample(calls, seconds, seen[0])

    def warm_up(self, work: Callable[[], object]) -> float:
        """Call ``work`` until it gets no faster; return the seconds that a call then takes."""
        times: list[float] = []
        while sum(times) < self.sampling.budget_s:
            times.append(max(self.clock.time(work), 1e-9))
            earlier, last = times[:-_LEAST_WARM_UP], times[-_LEAST_WARM_UP:]
            if earlier and min(earlier) <= _SETTLED * min(last):
                break
        return median(times[-_LEAST_WARM_UP:])

    def _is_enough(self, samples: list[Sample], spent: float, *, single: bool) -> bool:
        if len(samples) < (self.sampling.singles if single else self.sampling.least):
            return spent >= 3 * self.sampling.budget_s and len(samples) > 0
        if single or len(samples) >= self.sampling.most or spent >= self.sampling.budget_s:
            return True
        calm = [each.seconds for each in samples if not each.load.contended]
        low, high = median_interval(calm) if calm else (0.0, float("inf"))
        return high - low <= self.sampling.width * median(calm) if calm else False
