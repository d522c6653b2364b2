"""Intervals from a few numbers: of a mean, of one more value, of a median. No torch, no frames."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
UNSTABLE_WIDTH = 0.1
"""A figure whose interval is wider than this share of it is called unstable."""


def mean_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the ends of Student's t interval for the mean; NaN for fewer than two values."""
    numbers = np.asarray(values, dtype=float)
    half = _half_width(numbers, confidence) * np.sqrt(1 / len(numbers))
    return float(numbers.mean() - half), float(numbers.mean() + half)


def next_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return between what ends one more such value falls: Student's t prediction interval."""
    numbers = np.asarray(values, dtype=float)
    half = _half_width(numbers, confidence) * np.sqrt(1 + 1 / len(numbers))
    return float(numbers.mean() - half), float(numbers.mean() + half)


def _half_width(numbers: NDArray[np.float64], confidence: float) -> float:
    if len(numbers) < 2:
        return np.nan
    return float(stats.t.ppf((1 + confidence) / 2, len(numbers) - 1) * numbers.std(ddof=1))


def median_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the ends of an interval for the median that asks nothing of the distribution.

    Its ends are two of the values, as far from either end of their order as a binomial of one half
    allows (e.g. Conover, Practical Nonparametric Statistics, 3.2). It covers the median of
    independent values at least as often as ``confidence``; NaN for fewer values than that takes,
    which is 6 at 95 %.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    below = int(stats.binom.ppf((1 - confidence) / 2, len(ordered), 0.5))
    if below == 0:
        return np.nan, np.nan
    return float(ordered[below - 1]), float(ordered[len(ordered) - below])
