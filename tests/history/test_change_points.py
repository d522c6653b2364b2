"""Change points: rare where there is none, found where there is one, and the same in any unit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqbench.history.change_points import LEAST_POINTS, find_changes
from seqbench.history.segmentation import (
    correlate,
    cut,
    decorrelate,
    fit_levels,
    penalise,
    score_cuts,
    standardise,
)

Series = NDArray[np.float64]


def draw_noise(count: int, points: int, rho: float, seed: int = 0) -> Series:
    """Return AR(1) noise of variance 1, a series a row."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal((count, points))
    for each in range(1, points):
        noise[:, each] = rho * noise[:, each - 1] + np.sqrt(1 - rho**2) * noise[:, each]
    return noise


@pytest.mark.parametrize("points", [12, 30])
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.8])
def test_noise_without_change_seldom_has_one(rho: float, points: int) -> None:
    found = [bool(find_changes(series).changes) for series in draw_noise(100, points, rho)]
    assert np.mean(found) <= 0.08  # 0.05 is aimed at; 0.022 is the error of 100 series


def test_taken_for_independent_the_same_noise_changes_mostly() -> None:
    naive = 0
    for series in standardise(draw_noise(50, 60, 0.6)):
        places = cut(series[None], 3)
        squares = [fit_levels(series[None], each, 0.0)[2][0] for each in places]
        gains = [
            30 * np.log(squares[0] / left) - penalise(each, 60)[0]
            for each, left in zip(places, squares, strict=True)
        ]
        naive += max(gains[1:]) > 0
    assert naive > 30


@pytest.mark.parametrize("points", [16, 30])
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.8])
def test_a_step_of_five_sigma_is_found_where_it_is(rho: float, points: int) -> None:
    near = 0
    for series in draw_noise(30, points, rho, seed=1):
        at = points // 2
        series[at:] += 5
        near += any(abs(change.place - at) <= 2 for change in find_changes(series).changes)
    assert near >= 24


def test_a_change_is_described_by_its_levels_and_bounds() -> None:
    series = draw_noise(1, 40, 0.3)[0]
    series[25:] -= 6
    (change,) = find_changes(series).changes
    assert change.earliest <= change.place <= change.latest
    assert change.earliest <= 25 <= change.latest
    assert change.low < -6 < change.high < 0
    assert change.after - change.before == pytest.approx(change.step)
    assert change.before == pytest.approx(series[:25].mean(), abs=0.3)
    assert change.p < 0.001


def test_two_changes_are_two() -> None:
    series = draw_noise(1, 40, 0.3, seed=3)[0]
    series[12:26] += 6
    assert [change.place for change in find_changes(series).changes] == [12, 26]


def test_fewer_points_than_it_takes_show_nothing() -> None:
    steps = np.repeat([0.0, 9.0], [6, LEAST_POINTS - 7])
    trend = find_changes(steps)
    assert (trend.points, trend.changes) == (LEAST_POINTS - 1, ())
    assert np.isnan(trend.p)
    assert find_changes([]).points == 0


def test_values_that_repeat_to_the_last_bit_change_once() -> None:
    (change,) = find_changes(np.repeat([0.925, 0.9278], [10, 9])).changes
    assert (change.place, change.earliest, change.latest) == (10, 10, 10)
    assert (change.before, change.after) == pytest.approx((0.925, 0.9278))


def test_a_constant_series_has_no_change() -> None:
    assert find_changes(np.full(20, 0.1 + 0.2)).changes == ()


@pytest.mark.parametrize("outliers", [[7], [7, 8], [3, 18]])
def test_outliers_are_not_a_level(outliers: list[int]) -> None:
    series = draw_noise(1, 24, 0.0, seed=5)[0]
    series[outliers] += 12
    assert find_changes(series).changes == ()


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="omit points without a value"):
        find_changes([np.nan] * 12)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    points=st.sampled_from([12, 20, 30]),
    shift=st.floats(-1e3, 1e3),
    scale=st.floats(1e-3, 1e3),
    step=st.floats(0, 8),
)
def test_neither_unit_nor_offset_moves_a_change(
    seed: int, points: int, shift: float, scale: float, step: float
) -> None:
    series = draw_noise(1, points, 0.5, seed=seed)[0]
    series[points // 2 :] += step
    one, other = find_changes(series), find_changes(shift + scale * series)
    assert [each.place for each in one.changes] == [each.place for each in other.changes]
    assert one.rho == other.rho
    assert one.p == pytest.approx(other.p, rel=1e-3)
    for each, twin in zip(one.changes, other.changes, strict=True):
        assert twin.step == pytest.approx(scale * each.step, rel=1e-6)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), cuts=st.integers(1, 3))
def test_cuts_leave_the_least_squares(seed: int, cuts: int) -> None:
    series = draw_noise(1, 12, 0.0, seed=seed)
    ways = [(a, b, c) for a in range(3, 10) for b in range(a + 3, 10) for c in range(b + 3, 10)]
    if cuts < 3:
        ways = [(a, b) for a in range(3, 10) for b in range(a + 3, 10)]  # type: ignore[misc]
    if cuts < 2:
        ways = [(a,) for a in range(3, 10)]  # type: ignore[misc]

    def left(places: tuple[int, ...]) -> float:
        parts = np.split(series[0], places)
        return float(sum(((part - part.mean()) ** 2).sum() for part in parts))

    found = tuple(cut(series, cuts)[cuts][0])
    assert left(found) == pytest.approx(min(map(left, ways)))


def test_least_squares_are_those_of_the_decorrelated_model() -> None:
    series = draw_noise(1, 20, 0.5, seed=2)
    rho, place = 0.4, 8
    covariance = rho ** np.abs(np.subtract.outer(np.arange(20), np.arange(20))) / (1 - rho**2)
    columns = np.stack([np.ones(20), np.arange(20) >= place], axis=1).astype(float)
    weights = np.linalg.inv(covariance)
    expected = np.linalg.solve(columns.T @ weights @ columns, columns.T @ weights @ series[0])
    coefficients, inverse, squares = fit_levels(series, np.array([[place]]), rho)
    residual = series[0] - columns @ expected
    assert coefficients[0] == pytest.approx(expected)
    assert squares[0] == pytest.approx(residual @ weights @ residual)
    assert inverse[0] == pytest.approx(np.linalg.inv(columns.T @ weights @ columns))


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_noise_that_is_made_is_taken_apart_again(rho: float) -> None:
    shocks = np.random.default_rng(4).standard_normal((3, 20))
    noise = correlate(shocks, rho)
    assert decorrelate(noise, rho) == pytest.approx(np.sqrt(1 - rho**2) * shocks)


def test_many_series_at_once_are_each_one_alone() -> None:
    series = standardise(draw_noise(5, 24, 0.5))
    scores, places = score_cuts(series, 2)
    for each in range(5):
        alone, cuts = score_cuts(series[each : each + 1], 2)
        assert scores[each] == pytest.approx(alone[0])
        assert places[2][each].tolist() == cuts[2][0].tolist()
