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
def test_ratios_that_agree_decide_at_24_pairs(ratio: float, verdict: Verdict) -> None:
    """10 are enough where none is correlated, and of 24 equal ones that cannot be known."""
    assert judge_ratios([ratio] * 23) == Verdict.INCONCLUSIVE
    assert judge_ratios([ratio] * 24) == verdict


def test_a_few_pairs_that_are_off_by_a_third_change_nothing() -> None:
    calm = [1.0 + 0.002 * (7 * number % 21 - 10) for number in range(42)]
    assert judge_ratios([*calm, 1.3, 1.33, 0.7]) == Verdict.SAME
    slow = [each * 1.1 for each in calm]
    assert judge_ratios([*slow, 1.45, 0.75, 0.8]) == Verdict.SLOWER


def test_the_change_is_told_with_its_interval_and_what_could_have_been_shown() -> None:
    pairs = [1.08, 1.12, 1.09, 1.11, 1.10] * 2
    found = judge_time([1.0] * 10, pairs, 0.05, 0.1)
    assert found.change == pytest.approx(0.10)
    assert (found.low, found.high) == pytest.approx((0.08, 1.12 / 1.0 - 1))
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


def draw_ar1(stream: np.random.Generator, rho: float, count: int) -> list[float]:
    """Return ratios whose logs are a stationary AR(1) process, from its recursion."""
    values = [stream.standard_normal()]
    for shock in stream.standard_normal(count - 1):
        values.append(rho * values[-1] + math.sqrt(1 - rho**2) * shock)
    return [math.exp(0.015 * each) for each in values]


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
def test_ratios_that_stick_together_are_not_taken_for_a_change(rho: float) -> None:
    """Looks at 10 to 60 pairs; without allowance for it 20 % and 85 % of runs are wrong."""
    stream = np.random.default_rng(7)
    wrong = 0
    for _ in range(150):
        noise = draw_ar1(stream, rho, 60)
        verdicts = {judge_ratios(noise[:count], error_rate=0.001) for count in range(10, 61, 2)}
        wrong += bool(verdicts & {Verdict.SLOWER, Verdict.FASTER})
    assert wrong <= 1


def test_correlated_pairs_count_as_fewer_and_are_left_inconclusive() -> None:
    drift = [1.05 + 0.001 * number for number in range(40)]
    shuffled = list(np.random.default_rng(1).permutation(drift))
    still, mixed = (judge_time([1.0] * 40, each, 0.05, RATE) for each in (drift, shuffled))
    assert (still.verdict, mixed.verdict) == (Verdict.INCONCLUSIVE, Verdict.SLOWER)
    assert still.independent < 5 < 15 < mixed.independent < 40 == still.count


@pytest.mark.parametrize("kind", ["drift", "steps", "AR(1) 0.9", "Cauchy"])
def test_machine_noise_of_any_kind_is_the_same_for_both_where_the_order_is_drawn(kind: str) -> None:
    """The second place takes longer by what the machine does; who has it is tossed for."""
    stream = np.random.default_rng(9)
    wrong = 0
    for _ in range(100):
        place = {
            "drift": np.linspace(0, 0.2, 60),
            "steps": np.where(np.arange(60) < stream.integers(60), 0.1, -0.05),
            "AR(1) 0.9": np.log(draw_ar1(stream, 0.9, 60)) + 0.03,
            "Cauchy": np.clip(0.02 * stream.standard_cauchy(60), -1, 1) + 0.01,
        }[kind]
        ratios = list(np.exp(place * stream.choice((-1, 1), 60)))
        verdicts = {judge_ratios(ratios[:count], error_rate=0.01) for count in range(10, 61, 2)}
        wrong += bool(verdicts & {Verdict.SLOWER, Verdict.FASTER})
    assert wrong <= 3
