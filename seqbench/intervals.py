"""Intervals from a few numbers: of a mean, of one more value, of a median. No torch, no frames."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

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


def median_sequence(values: ArrayLike, error_rate: float) -> tuple[float, float]:
    """Return the ends of an interval for the median that may be looked at after every new value.

    If each value is as likely above the median as below it, whatever came before, then with
    probability 1 − ``error_rate`` the interval holds it at *every* number of values at once: adding
    values until something is decided costs no more errors. Nothing else is asked of the
    distribution. It leaves out each candidate that a bet on the side on which the next value falls
    would have won 1 / ``error_rate`` against, with Krichevsky and Trofimov's mixture of stakes.
    Infinite until there are enough values: 10 at an error rate of 1 %, 13 at 0.1 %.

    Source: Darling and Robbins, Confidence sequences for mean, variance, and median (PNAS 58,
    1967); Howard and Ramdas, Sequential estimation of quantiles (Bernoulli 28, 2022).
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    above = np.arange(len(ordered) // 2 + 1)
    wealth = len(ordered) * np.log(2) + (
        special.betaln(above + 0.5, len(ordered) - above + 0.5) - special.betaln(0.5, 0.5)
    )
    ruled_out = int((wealth >= -np.log(error_rate)).sum())
    if ruled_out == 0:
        return -np.inf, np.inf
    return float(ordered[ruled_out - 1]), float(ordered[len(ordered) - ruled_out])
