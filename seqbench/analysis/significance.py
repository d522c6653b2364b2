"""Differences of means, with intervals that hold for a whole family of comparisons at once.

Numbers in, numbers out; no frames, no torch. The last axis is that of the seeds, and all that
stands before it is compared side by side. An interval and its p value are adjusted for the number
of comparisons (Z. Šidák, JASA 62, 1967) and always agree: the interval leaves 0 out if and
only if p < 1 − confidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from seqbench.intervals import CONFIDENCE, Numbers, measure_variance

SIGNIFICANCE = 1 - CONFIDENCE


def is_significant(p: Any) -> Any:
    """Return whether a p value, or each of a series, is small enough; NaN, not tested, is not."""
    return p < SIGNIFICANCE


@dataclass(frozen=True)
class Difference:
    """The difference of two means.

    Parameters
    ----------
    mean
        The difference.
    low, high
        Ends of its interval; NaN where there are too few values.
    p
        Adjusted p value of no difference; NaN where there are too few values.
    """

    mean: Numbers
    low: Numbers
    high: Numbers
    p: Numbers

    def as_row(self, mean: str) -> dict[str, float]:
        """Return a single comparison: its mean by the name given, ``low``, ``high`` and ``p``."""
        numbers = {mean: self.mean, "low": self.low, "high": self.high, "p": self.p}
        return {name: float(number) for name, number in numbers.items()}


def count_pairs(groups: int) -> int:
    """Return how many comparisons all pairs of some groups make."""
    return groups * (groups - 1) // 2


def compare_means(
    first: ArrayLike, second: ArrayLike, resolution: ArrayLike, comparisons: int = 1
) -> Difference:
    """Compare the means of independent groups: first minus second.

    With all pairs of some groups as the family of comparisons this is Tamhane's T2, which assumes
    neither equal variances nor equal numbers of seeds: Welch's t test, adjusted by Šidák's
    inequality. How often it errs is simulated by ``nox -s stats-trials``.

    Parameters
    ----------
    first, second
        Values, the seeds on the last axis: at least two of each, or all is NaN but the mean.
    resolution
        From `intervals.find_resolution`, over all groups of the family.
    comparisons
        How many the family has.

    Sources
    -------
    B. L. Welch, Biometrika 34, 1947; A. C. Tamhane, JASA 74, 1979.
    """
    one, other = _of_mean(first, resolution), _of_mean(second, resolution)
    variance = one.variance + other.variance
    with np.errstate(divide="ignore", invalid="ignore"):
        free = variance**2 / (one.variance**2 / one.free + other.variance**2 / other.free)
    return _judge(one.mean - other.mean, variance, free, comparisons)


def compare_pairs(
    differences: ArrayLike, resolution: ArrayLike, comparisons: int = 1
) -> Difference:
    """Compare the mean of paired differences with 0: Student's t test, adjusted and bounded.

    Parameters
    ----------
    differences
        One per pair, on the last axis; of fewer than two all is NaN but the mean.
    resolution, comparisons
        As in `compare_means`; the resolution is that of a single value.
    """
    found = _of_mean(differences, np.sqrt(2) * np.asarray(resolution, dtype=float))
    return _judge(found.mean, found.variance, np.asarray(found.free), comparisons)


class _Mean(NamedTuple):
    """A mean, the variance of it, and the degrees of freedom of that."""

    mean: Numbers
    variance: Numbers
    free: float


def _of_mean(values: ArrayLike, resolution: ArrayLike) -> _Mean:
    numbers = np.asarray(values, dtype=float)
    count = numbers.shape[-1]
    variance = measure_variance(numbers, resolution) / count
    return _Mean(np.asarray(numbers.mean(axis=-1)), variance, count - 1.0)


def _judge(mean: Numbers, variance: Numbers, free: Numbers, comparisons: int) -> Difference:
    error, free = np.sqrt(variance), np.where(variance == 0, 1.0, free)  # 0: there are only zeros
    half = stats.t.isf((1 - CONFIDENCE ** (1 / comparisons)) / 2, free) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(mean == 0, 0.0, np.abs(mean) / error)
    p = 2 * stats.t.sf(np.where(np.isnan(error), np.nan, distance), free)
    adjusted = 1 - (1 - np.minimum(p, 1.0)) ** comparisons
    return Difference(mean, mean - half, mean + half, adjusted)


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for their number (S. Holm, 1979), so that any error has the given rate."""
    adjusted = [np.nan] * len(p_values)
    running = 0.0
    known = sorted((p, place) for place, p in enumerate(p_values) if not np.isnan(p))
    for rank, (p, place) in enumerate(known):
        running = max(running, min(1.0, (len(known) - rank) * p))
        adjusted[place] = running
    return adjusted
