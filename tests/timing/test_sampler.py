"""Sampling under a clock that the test controls: known steps, outliers, a contended machine."""

import gc
from collections.abc import Iterator
from itertools import cycle, repeat

import numpy as np
import pytest
from scipy.signal import lfilter

from seqbench.intervals import median_interval
from seqbench.timing.contention import Counters, LoadWatch
from seqbench.timing.sampler import Sampler, Sampling
from seqbench.training.clock import SampleClock


class FakeMachine:
    """A machine on which each call of `work` takes the next of the given times.

    ``waiting`` gives, sample by sample, for how many seconds our threads wait for a core.
    """

    def __init__(self, times: Iterator[float], waiting: Iterator[float] | None = None) -> None:
        self.now_s = 0.0
        self.calls = 0
        self._times = times
        self._waiting = waiting or repeat(0.0)
        self._waited = 0.0
        self._readings = 0

    def work(self) -> None:
        self.calls += 1
        self.now_s += next(self._times)

    def read(self) -> Counters:
        self._readings += 1
        if self._readings % 2 == 0:  # the end of a sample
            self._waited += next(self._waiting)
        return Counters(self.now_s, 0.0, {}, {"1": self._waited})

    def sampler(self, sampling: Sampling) -> Sampler:
        clock = SampleClock("cpu", now=lambda: self.now_s)
        return Sampler(clock, sampling, LoadWatch(1, self.read))


def test_a_known_step_is_timed_to_the_digit() -> None:
    machine = FakeMachine(repeat(0.25))
    samples = machine.sampler(Sampling(budget_s=100.0, least=12)).sample(machine.work)
    assert [each.seconds for each in samples] == pytest.approx([0.25] * 12)
    assert {each.calls for each in samples} == {1}


def test_short_work_is_done_often_enough_for_the_clock() -> None:
    machine = FakeMachine(repeat(1e-5))
    samples = machine.sampler(Sampling(least=3, least_sample_s=1e-3)).sample(machine.work)
    assert {each.calls for each in samples} == {100}
    assert samples[0].seconds == pytest.approx(1e-3)
    alone = machine.sampler(Sampling(least=3)).sample(machine.work, single=True)
    assert {each.calls for each in alone} == {1}


def test_single_calls_are_as_many_as_a_95th_percentile_takes() -> None:
    """Equal times have a narrow interval at once, but say nothing of the slow calls."""
    machine = FakeMachine(repeat(1e-3))
    assert len(machine.sampler(Sampling()).sample(machine.work, single=True)) == 200
    slow = FakeMachine(repeat(0.1))
    assert len(slow.sampler(Sampling(budget_s=1.0)).sample(slow.work, single=True)) == 30


def test_warming_up_lasts_until_the_work_gets_no_faster() -> None:
    slow_start = [1.0, 0.5, 0.2, 0.11, 0.1, 0.1, 0.1]
    machine = FakeMachine(iter(slow_start + [0.1] * 50))
    samples = machine.sampler(Sampling(budget_s=10.0, least=5)).sample(machine.work)
    assert [each.seconds for each in samples] == pytest.approx([0.1] * len(samples))


def test_sampling_goes_on_until_the_interval_is_narrow() -> None:
    noisy = FakeMachine(cycle([0.9, 1.1, 1.0, 0.95, 1.05]))
    wide = noisy.sampler(Sampling(width=0.2, budget_s=1e6)).sample(noisy.work)
    noisy = FakeMachine(cycle([0.9, 1.1, 1.0, 0.95, 1.05]))
    narrow = noisy.sampler(Sampling(width=0.06, budget_s=1e6)).sample(noisy.work)
    assert len(wide) == 10, "narrow enough at once"
    assert 10 < len(narrow) < 100


@pytest.mark.parametrize(("rho", "noise"), [(0.0, 0.02), (0.5, 0.02)])
def test_the_interval_holds_where_sampling_stops_as_soon_as_it_is_narrow(
    rho: float, noise: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Series of AR(1) noise around 1 second, each sampled until its interval is 2 % wide."""
    monkeypatch.setattr(gc, "collect", lambda: 0)
    stream, held, stopped = np.random.default_rng(5), 0, 0
    for _ in range(200):
        drawn = stream.standard_normal(250) * noise * (1 - rho**2) ** 0.5
        series = 1.0 + lfilter([1.0], [1.0, -rho], drawn)[100:]
        machine = FakeMachine(iter(series))
        taken = machine.sampler(Sampling(width=0.02, budget_s=1e6)).sample(machine.work)
        low, high = median_interval([each.seconds for each in taken])
        held += low <= 1.0 <= high
        stopped += len(taken) < 100
    assert held >= 0.94 * 200
    assert stopped >= 0.2 * 200, "the rule that stops is what is tested"


def test_the_budget_ends_what_never_gets_narrow() -> None:
    machine = FakeMachine(cycle([1.0, 2.0]))
    samples = machine.sampler(Sampling(width=1e-6, budget_s=40.0)).sample(machine.work)
    assert sum(each.seconds for each in samples) == pytest.approx(40.0, abs=2.0)


def test_very_slow_work_is_not_repeated_for_ever() -> None:
    machine = FakeMachine(repeat(60.0))
    samples = machine.sampler(Sampling(budget_s=1.0, least=10)).sample(machine.work)
    assert len(samples) == 1


def test_an_outlier_is_kept_and_moves_nothing_but_itself() -> None:
    machine = FakeMachine(iter([0.1] * 8 + [5.0] + [0.1] * 500))
    samples = machine.sampler(Sampling(budget_s=100.0, least=12)).sample(machine.work)
    seconds = sorted(each.seconds for each in samples)
    assert seconds[-1] == pytest.approx(5.0)
    assert seconds[:-1] == pytest.approx([0.1] * (len(seconds) - 1))
    assert len(seconds) < 100, "and the interval is narrow in spite of it"


def test_a_contended_machine_is_flagged_sample_by_sample() -> None:
    waiting = iter([0.0, 0.06, 0.0, 0.04] + [0.0] * 500)  # of one second each
    machine = FakeMachine(repeat(1.0), waiting)
    samples = machine.sampler(Sampling(budget_s=1e6, least=10)).sample(machine.work)
    assert [each.load.contended for each in samples[:5]] == [False, True, False, False, False]
    assert samples[1].load.waiting_s == pytest.approx(0.06)


def test_samples_under_contention_do_not_make_it_precise() -> None:
    always = FakeMachine(repeat(1.0), repeat(0.5))
    samples = always.sampler(Sampling(budget_s=30.0)).sample(always.work)
    assert len(samples) == 30, "equal times, but all contended: only the budget ends it"


@pytest.mark.parametrize("before", [True, False])
def test_no_garbage_is_collected_while_the_clock_runs(before: bool) -> None:
    seen: list[bool] = []
    machine = FakeMachine(repeat(1.0))

    def work() -> None:
        seen.append(gc.isenabled())
        machine.work()

    was = gc.isenabled()
    (gc.enable if before else gc.disable)()
    try:
        machine.sampler(Sampling(least=3, budget_s=10.0)).sample(work)
        assert gc.isenabled() is before
    finally:
        (gc.enable if was else gc.disable)()
    assert seen
    assert not any(seen)
