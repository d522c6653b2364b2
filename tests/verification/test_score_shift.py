"""Equivalence and difference of mean scores, against scipy's own tests and the noncentral t."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from seqbench.verification.outcome import Outcome, ScoreCheck
from seqbench.verification.score_shift import POWER, ScoreShift

SHIFTS = st.lists(st.floats(-1, 1), min_size=2, max_size=8)


def judge(shift: ScoreShift) -> Outcome:
    return ScoreCheck("a", [], shift).outcome


@given(SHIFTS, st.floats(0.01, 1))
def test_equivalent_is_what_two_one_sided_t_tests_say(shifts: list[float], margin: float) -> None:
    assume(np.std(shifts) > 1e-6)
    above = stats.ttest_1samp(shifts, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(shifts, margin, alternative="less").pvalue
    assume(abs(max(above, below) - 0.05) > 1e-9)
    assert ScoreShift(tuple(shifts), margin, 0.0).equivalent == (max(above, below) < 0.05)


@given(SHIFTS, st.floats(0.01, 1), st.integers(1, 9))
def test_different_is_beyond_the_margin_at_1_percent_of_all_groups(
    shifts: list[float], margin: float, groups: int
) -> None:
    assume(np.std(shifts) > 1e-6)
    above = stats.ttest_1samp(shifts, margin, alternative="greater").pvalue
    below = stats.ttest_1samp(shifts, -margin, alternative="less").pvalue
    p = 1 - (1 - min(2 * min(above, below), 1)) ** groups
    assume(abs(p - 0.01) > 1e-9)
    assert ScoreShift(tuple(shifts), margin, 0.0, groups).different == (p < 0.01)


@given(SHIFTS, st.floats(0, 1), st.floats(1e-6, 1), st.floats(0.01, 0.5), st.floats(0, 0.1))
def test_the_outcome_never_improves_when_the_shift_grows(
    spread: list[float], shift: float, more: float, margin: float, resolution: float
) -> None:
    centred = np.array(spread) - np.mean(spread)
    near, far = (
        ScoreShift(tuple(centred + mean), margin, resolution) for mean in (shift, shift + more)
    )
    assert judge(near) <= judge(far)


def test_the_four_outcomes_by_hand() -> None:
    # t(0.95, 2) = 2.920, t(0.995, 2) = 9.925; spread 1, so half widths 1.686 and 5.730
    shifts = np.array([-1.0, 0.0, 1.0])
    for mean, margin, outcome in (
        (0.0, 1.69, Outcome.EQUIVALENT),
        (0.0, 1.68, Outcome.UNDECIDED),
        (7.42, 1.68, Outcome.DIFFERENT),
        (7.40, 1.68, Outcome.UNDECIDED),
        (-7.42, 1.68, Outcome.DIFFERENT),
    ):
        assert judge(ScoreShift(tuple(shifts + mean), margin, 0.0)) == outcome
    # of five groups, t(1 - 0.001004, 2) = 22.28: half width 12.86
    for mean, outcome in ((14.6, Outcome.DIFFERENT), (14.5, Outcome.UNDECIDED)):
        assert judge(ScoreShift(tuple(shifts + mean), 1.68, 0.0, comparisons=5)) == outcome


def test_one_seed_cannot_tell() -> None:
    for shift in (0.0, 0.5):
        one = ScoreShift((shift,), 0.01, 0.0)
        assert judge(one) == Outcome.UNDECIDED
        assert one.seeds_needed is None


def test_shifts_without_spread_have_that_of_two_scores_rounded_to_a_step() -> None:
    step = 1 / 360
    assert ScoreShift((0.0, 0.0), 0.017, step).spread == pytest.approx(step / math.sqrt(6))
    # t(0.95, 1) = 6.314: half width 6.314 · step / √12 = 1.823 steps
    for margin, outcome in ((1.81, Outcome.UNDECIDED), (1.83, Outcome.EQUIVALENT)):
        assert judge(ScoreShift((0.0, 0.0), margin * step, step)) == outcome
    # t(0.995, 1) = 63.66: half width 18.38 steps
    for shift, outcome in ((24, Outcome.UNDECIDED), (25, Outcome.DIFFERENT)):
        assert judge(ScoreShift((shift * step,) * 2, 6 * step, step)) == outcome
    assert judge(ScoreShift((step,) * 5, 6 * step, step)) == Outcome.EQUIVALENT


@pytest.mark.parametrize(
    ("found", "shift", "margin"), [(0.0, 0.0, 1.0), (0.4, 0.0, 0.5), (1.0, 1.0, 0.4), (9.0, 9.0, 5)]
)
def test_the_seeds_asked_for_decide_with_the_power_stated(
    found: float, shift: float, margin: float
) -> None:
    spread = 1.0
    first = ScoreShift(tuple(found + spread * np.array([-1.0, 0.0, 1.0])), margin, 0.0)
    needed = first.seeds_needed
    assert needed is not None
    assert find_power(shift, spread, margin, needed) > POWER - 0.05
    assert needed == 4 or find_power(shift, spread, margin, needed - 1) < POWER + 0.05


def find_power(shift: float, spread: float, margin: float, seeds: int) -> float:
    """Return how often this many seeds decide, by the noncentral t distribution."""
    scale = spread / math.sqrt(seeds)
    low, high = ((shift + sign * margin) / scale for sign in (1, -1))
    if shift > margin:
        return float(stats.nct.sf(stats.t.isf(0.005, seeds - 1), seeds - 1, high))
    critical = stats.t.isf(0.05, seeds - 1)
    above = stats.nct.sf(critical, seeds - 1, low)
    below = stats.nct.cdf(-critical, seeds - 1, high)
    return float(above + below - 1)  # at least, and nearly: both hardly ever fail at once
