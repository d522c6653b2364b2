"""Intervals: against scipy, printed tables, and how often they cover what they should."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import simpson

from seqbench.intervals import mean_interval, median_interval, median_sequence, next_interval


def test_the_interval_is_students() -> None:
    values = pd.Series([0.90, 0.92, 0.97])
    expected = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
    assert mean_interval(values) == pytest.approx(expected)
    # 4.3027 is the 97.5 % point of Student's t with 2 degrees of freedom, from a printed table
    half = 4.3027 * values.std() / 3**0.5
    assert mean_interval(values)[1] - values.mean() == pytest.approx(half, rel=1e-4)
    half = 4.3027 * values.std() * (1 + 1 / 3) ** 0.5
    assert next_interval(values)[1] - values.mean() == pytest.approx(half, rel=1e-4)


def test_one_value_has_no_interval() -> None:
    assert all(map(pd.isna, mean_interval(pd.Series([0.9]))))


@pytest.mark.parametrize(
    ("values", "low", "high"),
    # ranks from a printed table of 95 % intervals of the median: 1 and 6 of 6, 2 and 9 of 10,
    # 6 and 15 of 20
    [(6, 1, 6), (10, 2, 9), (20, 6, 15)],
)
def test_the_medians_interval_has_the_tables_ranks(values: int, low: int, high: int) -> None:
    shuffled = np.random.default_rng(0).permutation(np.arange(1, values + 1))
    assert median_interval(shuffled) == (low, high)


def test_five_values_are_too_few_for_the_median() -> None:
    assert all(map(np.isnan, median_interval([1, 2, 3, 4, 5])))


@given(st.integers(6, 60))
def test_the_medians_interval_covers_often_enough_and_no_narrower_one_does(count: int) -> None:
    low, high = map(int, median_interval(range(1, count + 1)))
    assert low + high == count + 1
    # P(the median lies between the order statistics of ranks l and u) = P(l ≤ B < u), B binomial
    covers = stats.binom.cdf(high - 1, count, 0.5) - stats.binom.cdf(low - 1, count, 0.5)
    narrower = stats.binom.cdf(high - 2, count, 0.5) - stats.binom.cdf(low, count, 0.5)
    assert covers >= 0.95 > narrower


def by_integration(above: int, count: int) -> float:
    """Return what the bets of all stakes have won together, by Simpson's rule in the angle."""
    angles = np.linspace(0, np.pi / 2, 20_001)
    share = np.sin(angles) ** 2  # Beta(½, ½) is uniform in the angle
    won = (2 * share) ** above * (2 * (1 - share)) ** (count - above)
    return float(simpson(won, x=angles) / (np.pi / 2))


@pytest.mark.parametrize("error_rate", [0.2, 0.05, 0.01, 0.001])
@pytest.mark.parametrize("count", [1, 5, 9, 10, 13, 14, 30, 61])
def test_a_median_sequence_rules_out_what_a_bet_has_won_enough_against(
    count: int, error_rate: float
) -> None:
    wins = [above for above in range(count // 2) if by_integration(above, count) >= 1 / error_rate]
    low, high = median_sequence(np.arange(count)[::-1], error_rate)
    expected = (len(wins) - 1, count - len(wins)) if wins else (-np.inf, np.inf)
    assert (low, high) == expected


def test_a_median_sequence_says_nothing_below_the_numbers_of_its_docstring() -> None:
    for error_rate, least in ((0.01, 10), (0.001, 13)):
        assert median_sequence(np.zeros(least - 1), error_rate) == (-np.inf, np.inf)
        assert median_sequence(np.zeros(least), error_rate) == (0, 0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.floats(0.001, 0.3))
def test_a_median_sequence_follows_any_increasing_map(
    values: list[float], error_rate: float
) -> None:
    low, high = median_sequence(values, error_rate)
    mapped = median_sequence([3 * each + 1 for each in values], error_rate)
    assert mapped == pytest.approx((3 * low + 1, 3 * high + 1))
    wider = median_sequence(values, error_rate / 10)
    assert wider[0] <= low <= np.median(values) <= high <= wider[1]


def test_a_median_sequence_holds_the_median_at_every_count_at_once() -> None:
    """Skewed values of median 0, looked at after each one from the first to the hundredth."""
    stream, missed = np.random.default_rng(3), 0
    for _ in range(300):
        values = np.expm1(2 * stream.standard_normal(100))
        ends = [median_sequence(values[:count], 0.1) for count in range(1, 101)]
        missed += any(not low <= 0 <= high for low, high in ends)
    assert missed <= 0.1 * 300
