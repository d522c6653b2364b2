"""Intervals: against scipy, printed tables, and how often they cover what they should."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import simpson
from scipy.signal import lfilter

from seqbench.intervals import (
    LEAST_SAMPLES,
    mean_interval,
    median_interval,
    median_sequence,
    next_interval,
    rank,
    variance_inflation,
)


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


def test_equal_values_have_an_interval_as_wide_as_their_resolution_asks() -> None:
    """Rounding to steps of 0.01 has a standard deviation of 0.01 / √12."""
    half = 4.3027 * 0.01 / 12**0.5 / 3**0.5
    low, high = mean_interval([0.9, 0.9, 0.9], resolution=0.01)
    assert (low, high) == pytest.approx((0.9 - half, 0.9 + half), rel=1e-4)
    low, high = next_interval([0.9, 0.9, 0.9], resolution=0.01)
    assert high - low == pytest.approx(2 * half * 2, rel=1e-4)
    wide = mean_interval([0.8, 0.9, 1.0])
    assert mean_interval([0.8, 0.9, 1.0], resolution=0.01) == wide


NOISES = {
    "gauss": lambda stream, shape: stream.standard_normal(shape),
    "heavy-tailed": lambda stream, shape: stream.standard_t(3, shape),
    "skewed": lambda stream, shape: stream.exponential(size=shape),
}


def draw_series(noise: str, rho: float, number: int, count: int = 100) -> NDArray[np.float64]:
    """Return series of an AR(1) process of median 0 and standard deviation 1, one a row."""
    stream = np.random.default_rng(11)
    drawn = NOISES[noise](stream, (number + 50, count + 100))
    series = lfilter([1.0], [1.0, -rho], drawn, axis=1)[:, 100:]
    truth = np.median(series) if noise == "skewed" else 0.0  # of 155,000 values or more
    spread = {"gauss": 1.0, "heavy-tailed": 3**0.5, "skewed": 1.0}[noise] / (1 - rho**2) ** 0.5
    return np.asarray((series[:number] - truth) / spread)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.5])
def test_the_medians_interval_holds_for_serially_correlated_samples(noise: str, rho: float) -> None:
    series = draw_series(noise, rho, 1000)
    for count in (10, 20, 50, 100):
        ends = np.array([median_interval(row[:count]) for row in series])
        held = ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean()
        assert held >= 0.94, f"{count} samples: {held:.1%}"


def test_the_medians_interval_holds_what_its_docstring_says_at_a_correlation_of_four_fifths() -> (
    None
):
    series = draw_series("gauss", 0.8, 1000)
    for count, least, most in ((10, 0.76, 0.82), (20, 0.92, 0.96), (50, 0.95, 0.99)):
        ends = np.array([median_interval(row[:count]) for row in series])
        assert least <= ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean() <= most


def test_the_medians_interval_is_not_much_wider_than_needed_for_independent_samples() -> None:
    series = draw_series("gauss", 0.0, 300)
    widths = [high - low for low, high in map(median_interval, series)]
    # ranks 40 and 61 of 100, from a printed table of binomial 95 % intervals
    ordered = np.sort(series, axis=1)
    assert np.mean(widths) <= 1.15 * np.mean(ordered[:, 60] - ordered[:, 39])


def test_the_medians_interval_by_its_definition() -> None:
    values = draw_series("gauss", 0.5, 1, 40)[0]
    scores = stats.norm.ppf((stats.rankdata(values) - 0.375) / 40.25)
    rho = np.sum(scores[1:] * scores[:-1]) / np.sum(scores**2)
    rho += (1 + 3 * rho) / 40
    rho += np.sqrt((1 - rho**2) / 40)
    factor = 1 + 2 * sum(2 / np.pi * np.arcsin(rho**lag) for lag in range(1, 1000))
    reach = stats.t.ppf(0.975, 40 / factor - 1) * np.sqrt(40 * factor) / 2
    place = int(np.floor(20.5 - reach))
    assert 1 < place < 15
    assert median_interval(values) == (np.sort(values)[place - 1], np.sort(values)[40 - place])


def test_the_order_of_the_samples_counts() -> None:
    shuffled = np.random.default_rng(0).permutation(np.arange(50.0))
    low, high = median_interval(shuffled)
    assert median_interval(np.sort(shuffled)) == (0, 49), "a drift says little of its median"
    assert 10 < low < high < 39


def test_nine_samples_are_too_few_for_the_median_and_equal_ones_have_no_width() -> None:
    assert all(map(np.isnan, median_interval(range(LEAST_SAMPLES - 1))))
    assert median_interval([2.5] * LEAST_SAMPLES) == (2.5, 2.5)


@given(st.lists(st.integers(-1000, 1000), min_size=10, max_size=60))
def test_the_medians_interval_follows_any_increasing_map(values: list[int]) -> None:
    low, high = median_interval(values)
    assert low <= np.median(values) <= high
    assert median_interval([each**3 + each for each in values]) == (low**3 + low, high**3 + high)
    assert median_interval(values[::-1]) == (low, high)


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


@pytest.mark.parametrize("inflation", [1.5, 3.0])
def test_a_median_sequence_takes_correlated_values_for_as_many_fewer(inflation: float) -> None:
    """60 values of which 1.5 count as one rule out what 40 with as great a majority do."""
    count = 60
    fewer = round(count / inflation)
    won = [by_integration(above, fewer) for above in range(fewer // 2)]
    least = sum(each >= 100 for each in won)  # of the fewer
    low, high = median_sequence(np.arange(count), 0.01, inflation)
    assert (least - 1) * inflation <= low <= least * inflation
    assert low + high == count - 1
    narrow = median_sequence(np.arange(count), 0.01)
    assert low < narrow[0] < narrow[1] < high


def test_the_inflation_is_that_of_the_correlation_and_what_it_may_be_beyond() -> None:
    values = draw_series("gauss", 0.5, 1, 60)[0]
    scores = stats.norm.ppf((stats.rankdata(values) - 0.375) / 60.25)
    rho = np.sum(scores[1:] * scores[:-1]) / np.sum(scores**2)
    rho += (1 + 3 * rho) / 60
    rho += 2 * np.sqrt((1 - rho**2) / 60)
    expected = 1 + 2 * sum(2 / np.pi * np.arcsin(rho**lag) for lag in range(1, 1000))
    assert variance_inflation(values, 2.0) == pytest.approx(expected)
    assert variance_inflation([1.0, 2.0, 2.0, 1.0] * 15, 0.0) < variance_inflation(np.arange(60.0))


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


@given(arrays(float, array_shapes(max_dims=3, max_side=9), elements=st.integers(-3, 3).map(float)))
def test_ranks_are_those_of_scipy(values: NDArray[np.float64]) -> None:
    assert rank(values).tolist() == stats.rankdata(values, axis=-1).tolist()
