"""Intervals: against scipy, printed tables, and how often they cover what they should."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from seqbench.intervals import mean_interval, median_interval, next_interval


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
