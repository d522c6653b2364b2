"""Differences of means: against scipy's and statsmodels' ways, and by what they must not do."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from seqbench.analysis.significance import adjust_holm, compare_means, compare_pairs, count_pairs
from seqbench.intervals import find_resolution

Scores = list[float]
scores = st.lists(st.integers(0, 1000).map(lambda count: count / 1000), min_size=2, max_size=6)


@pytest.mark.parametrize("comparisons", [1, 15, 66])
@pytest.mark.parametrize("sizes", [(3, 3), (5, 5), (2, 7), (10, 3)])
def test_one_comparison_is_welchs_and_many_are_adjusted_by_sidak(
    comparisons: int, sizes: tuple[int, int]
) -> None:
    random = np.random.default_rng(sum(sizes) + comparisons)
    first, second = random.normal(0.9, 0.01, sizes[0]), random.normal(0.88, 0.03, sizes[1])
    found = compare_means(first, second, 0.0, comparisons)
    expected = scipy_stats.ttest_ind(first, second, equal_var=False)
    interval = expected.confidence_interval(0.95 ** (1 / comparisons))
    assert float(found.mean) == pytest.approx(first.mean() - second.mean())
    assert float(found.p) == pytest.approx(1 - (1 - expected.pvalue) ** comparisons)
    assert (float(found.low), float(found.high)) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("comparisons", [1, 6])
def test_pairs_are_compared_by_students_t(comparisons: int) -> None:
    differences = np.random.default_rng(0).normal(0.01, 0.02, 5)
    found = compare_pairs(differences, 0.0, comparisons)
    expected = scipy_stats.ttest_1samp(differences, 0.0)
    interval = expected.confidence_interval(0.95 ** (1 / comparisons))
    assert float(found.p) == pytest.approx(1 - (1 - expected.pvalue) ** comparisons)
    assert (float(found.low), float(found.high)) == pytest.approx((interval.low, interval.high))


@given(scores, scores, st.integers(1, 66))
def test_interval_and_p_always_say_the_same(one: Scores, other: Scores, comparisons: int) -> None:
    found = compare_means(one, other, find_resolution([*one, *other]), comparisons)
    assert 0 <= found.p <= 1
    assume(abs(found.p - 0.05) > 1e-9)
    assert (found.low > 0 or found.high < 0) == (found.p < 0.05)


@given(scores, scores, st.integers(1, 66))
def test_turning_a_comparison_round_changes_its_sign_alone(
    one: Scores, other: Scores, comparisons: int
) -> None:
    resolution = find_resolution([*one, *other])
    found = compare_means(one, other, resolution, comparisons)
    turned = compare_means(other, one, resolution, comparisons)
    assert turned.p == pytest.approx(found.p)
    assert (-turned.high, -turned.low) == pytest.approx((found.low, found.high))


@pytest.mark.parametrize("rounding", [0.0, 1e-16, 3e-16])
def test_what_differs_by_rounding_alone_is_no_difference(rounding: float) -> None:
    one = [0.9, 0.9 + rounding, 0.9 + 2 * rounding]
    other = [0.9 + 4 * rounding, 0.9 + 3 * rounding, 0.9 + 4 * rounding]
    assert compare_means(one, other, find_resolution([*one, *other])).p > 0.9
    assert compare_pairs(np.subtract(one, other), find_resolution([*one, *other])).p > 0.9


def test_equal_scores_of_all_seeds_are_no_proof() -> None:
    """Two seeds each, one test example apart: no spread, but no certainty."""
    one, other = [0.90, 0.90], [0.91, 0.91]
    resolution = find_resolution([*one, *other])
    assert resolution == pytest.approx(0.01)
    found = compare_means(one, other, resolution, count_pairs(6))
    assert found.p > 0.05
    assert found.low < 0 < found.high


@given(
    st.lists(st.integers(0, 360), min_size=2, max_size=30),
    st.integers(2, 500),
)
def test_the_resolution_of_shares_is_a_multiple_of_their_step(counts: list[int], n: int) -> None:
    assume(len(set(counts)) > 1)
    steps = find_resolution(np.array(counts) / n) * n
    assert steps == pytest.approx(np.diff(sorted(set(counts))).min())


def test_one_value_gives_no_interval() -> None:
    for found in (compare_means([0.9], [0.8, 0.7], 0.01), compare_pairs([0.1], 0.01)):
        assert float(found.mean) > 0
        assert np.isnan([found.low, found.high, found.p]).all()


def test_many_at_once_are_each_for_itself() -> None:
    random = np.random.default_rng(1)
    one, other = random.normal(size=(4, 3, 5)), random.normal(size=(4, 3, 6))
    found = compare_means(one, other, 0.0, 3)
    for place in np.ndindex(4, 3):
        alone = compare_means(one[place], other[place], 0.0, 3)
        assert float(found.p[place]) == pytest.approx(float(alone.p))
        assert float(found.low[place]) == pytest.approx(float(alone.low))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_plain_p_and_bonferronis(p_values: list[float]) -> None:
    adjusted = adjust_holm(p_values)
    assert all(
        p <= a <= min(1, len(p_values) * p) + 1e-12 for p, a in zip(p_values, adjusted, strict=True)
    )
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)
    assert adjusted[order[0]] == pytest.approx(min(1, len(p_values) * min(p_values)))


def test_holm_by_its_definition() -> None:
    assert adjust_holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
