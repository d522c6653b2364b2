"""Verdicts of the gate: from pairs and seeds to slower, same, faster, and what is not known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqbench.gate.verdicts import Verdict, judge_score, judge_time

RATE = 0.01
ratios = st.lists(st.floats(0.5, 2.0), min_size=0, max_size=40)


def judge_ratios(values: list[float], margin: float = 0.05, error_rate: float = RATE) -> Verdict:
    return judge_time(
        [0.25] * len(values), [0.25 * each for each in values], margin, error_rate
    ).verdict


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (1.1, Verdict.SLOWER),
        (1.06, Verdict.SLOWER),
        (1.04, Verdict.SAME),
        (1.0, Verdict.SAME),
        (0.97, Verdict.SAME),
        (0.9, Verdict.FASTER),
    ],
)
def test_ratios_that_agree_decide_at_ten_pairs(ratio: float, verdict: Verdict) -> None:
    assert judge_ratios([ratio] * 9) == Verdict.INCONCLUSIVE
    assert judge_ratios([ratio] * 10) == verdict


def test_a_few_pairs_that_are_off_by_a_third_change_nothing() -> None:
    calm = [1.0 + 0.002 * number for number in range(-10, 11)]
    assert judge_ratios([*calm, 1.3, 1.33, 0.7]) == Verdict.SAME
    slow = [each * 1.1 for each in calm]
    assert judge_ratios([*slow, 1.45, 0.75, 0.8]) == Verdict.SLOWER


def test_the_change_is_told_with_its_interval_and_what_could_have_been_shown() -> None:
    pairs = [1.08, 1.09, 1.10, 1.11, 1.12] * 2
    found = judge_time([1.0] * 10, pairs, 0.05, RATE)
    assert found.change == pytest.approx(0.10)
    assert (found.low, found.high) == pytest.approx((0.08, 0.12))
    assert found.shown == pytest.approx(1.10 / 1.08 - 1)  # the wider of both sides
    assert found.count == 10


def test_nothing_measured_is_inconclusive_and_has_no_number() -> None:
    found = judge_time([], [], 0.05, RATE)
    assert found.verdict == Verdict.INCONCLUSIVE
    assert math.isnan(found.change)
    assert (found.low, found.high, found.shown) == (-math.inf, math.inf, math.inf)


@given(ratios)
def test_with_the_sides_exchanged_slower_becomes_faster(values: list[float]) -> None:
    other = {Verdict.SLOWER: Verdict.FASTER, Verdict.FASTER: Verdict.SLOWER}
    there = judge_time([1.0] * len(values), values, 0.05, 0.2)
    back = judge_time(values, [1.0] * len(values), 0.05, 0.2)
    assert back.verdict == other.get(there.verdict, there.verdict)
    if values:
        assert 1 + back.change == pytest.approx(1 / (1 + there.change))


@given(ratios, st.floats(0.001, 0.9))
def test_a_verdict_says_what_its_interval_says(values: list[float], margin: float) -> None:
    found = judge_time([1.0] * len(values), values, margin, 0.2)
    if found.verdict == Verdict.SLOWER:
        assert found.low > 0
    elif found.verdict == Verdict.FASTER:
        assert found.high < 0
    elif found.verdict == Verdict.SAME:
        assert found.high <= margin
        assert found.low >= 1 / (1 + margin) - 1
    else:
        assert found.low <= 0 <= found.high


def test_scores_are_judged_in_their_own_unit() -> None:
    worse = [-0.03, -0.031, -0.029, -0.04, -0.032] * 2
    assert judge_score(worse, 0.02, RATE).verdict == Verdict.WORSE
    assert judge_score([-each for each in worse], 0.02, RATE).verdict == Verdict.BETTER
    assert judge_score([each / 10 for each in worse], 0.02, RATE).verdict == Verdict.SAME
    assert judge_score(worse, 0.02, RATE).change == pytest.approx(-0.031, abs=0.001)


def test_trainings_that_come_to_nothing_count_as_worse_than_any() -> None:
    assert judge_score([-math.inf] * 10, 0.02, RATE).verdict == Verdict.WORSE
    some = [0.001, -0.001] * 5 + [-math.inf]
    assert judge_score(some, 0.02, RATE).verdict == Verdict.INCONCLUSIVE


def test_false_verdicts_are_as_rare_as_asked_though_one_looks_after_every_pair() -> None:
    """Half of all pairs are far off, as processes on a bad day: looks at 1 to 60 pairs."""
    stream = np.random.default_rng(5)
    wrong = 0
    for _ in range(400):
        noise = np.exp(stream.standard_t(2, size=60) * 0.05)
        verdicts = {judge_ratios(list(noise[:count]), error_rate=0.05) for count in range(7, 61)}
        wrong += bool(verdicts & {Verdict.SLOWER, Verdict.FASTER})
    assert wrong <= 0.05 * 400
