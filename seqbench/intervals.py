"""Intervals from a few numbers: of a mean, of one more value, of a median. No torch, no frames."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats would double what a worker takes to start

CONFIDENCE = 0.95
UNSTABLE_WIDTH = 0.1
"""A figure whose interval is wider than this share of it is called unstable."""

LEAST_SAMPLES = 10
"""Fewer samples of one run have no interval of their median: see `median_interval`."""

_MOST_CORRELATED = 0.95
_LAGS = 300  # 0.95 to this power is 2e-7


Numbers = NDArray[np.float64]

_NEGLIGIBLE = 1e-6
"""Values that are closer, relative to the greater one, differ by rounding only."""


def find_resolution(values: ArrayLike) -> Numbers:
    """Return the least step in which values are distinguished, along the last axis.

    An accuracy is a multiple of 1 / n, so a spread of 0 over seeds only means that the spread is
    less than about a step. The least distance between two values that differ by more than rounding
    is a multiple of that step, whatever the metric; of continuous values it is next to nothing.
    """
    ordered = np.sort(np.asarray(values, dtype=float), axis=-1)
    sizes, steps = np.abs(ordered), np.diff(ordered, axis=-1)
    apart = steps > _NEGLIGIBLE * np.maximum(sizes[..., 1:], sizes[..., :-1])
    least = np.where(apart, steps, np.inf).min(axis=-1, initial=np.inf)
    rounding = _NEGLIGIBLE * sizes.max(axis=-1, initial=0.0)
    return np.asarray(np.where(np.isfinite(least), least, rounding))


def measure_variance(values: ArrayLike, resolution: ArrayLike = 0.0) -> Numbers:
    """Return the variance of one value along the last axis; NaN for fewer than two values.

    It is taken for no less than that of rounding to the resolution, resolution² / 12 (W. F.
    Sheppard, 1898).
    """
    numbers = np.asarray(values, dtype=float)
    if numbers.shape[-1] < 2:
        return np.full(numbers.shape[:-1], np.nan)
    least = np.asarray(resolution, dtype=float) ** 2 / 12
    return np.asarray(np.maximum(numbers.var(axis=-1, ddof=1), least))


def half_width(
    values: ArrayLike, confidence: float = CONFIDENCE, resolution: ArrayLike = 0.0
) -> Numbers:
    """Return half the width of Student's t interval for the mean, along the last axis.

    NaN for fewer than two values. ``resolution`` as in `measure_variance`.
    """
    count = np.shape(values)[-1]
    error = np.sqrt(measure_variance(values, resolution) / count)
    quantile = special.stdtrit(count - 1, (1 + confidence) / 2) if count > 1 else np.nan
    return np.asarray(quantile * error)


def mean_interval(
    values: ArrayLike, confidence: float = CONFIDENCE, resolution: ArrayLike = 0.0
) -> tuple[float, float]:
    """Return the ends of Student's t interval for the mean; NaN for fewer than two values."""
    mean = float(np.asarray(values, dtype=float).mean())
    half = float(half_width(values, confidence, resolution))
    return mean - half, mean + half


def next_interval(
    values: ArrayLike, confidence: float = CONFIDENCE, resolution: ArrayLike = 0.0
) -> tuple[float, float]:
    """Return between what ends one more such value falls: Student's t prediction interval."""
    numbers = np.asarray(values, dtype=float)
    half = float(half_width(numbers, confidence, resolution)) * np.sqrt(len(numbers) + 1)
    return float(numbers.mean() - half), float(numbers.mean() + half)


def median_interval(values: ArrayLike) -> tuple[float, float]:
    """Return the ends of a 95 % interval for the median of serially correlated samples.

    The ends are order statistics, as of the binomial interval for independent values (e.g. Conover,
    Practical Nonparametric Statistics, 3.2), but as far apart as the long-run variance of the
    indicator 1{x < median} asks. For a Gaussian AR(1) process, however its values are transformed,
    its autocorrelation at lag k is 2 / π · arcsin ρᵏ. ρ is the lag-1 autocorrelation of the normal
    scores, corrected for its bias (1 + 3 ρ) / n (Kendall, 1954), plus one standard error, at least
    0; Student's t has the effective number of samples. Batch means of the indicator and medians of
    blocks were simulated too: they covered less often, or were half as wide again.

    Limits, by simulation of 10 to 100 samples of Gaussian, lognormal, t (3 degrees of freedom) and
    exponential noise: for ρ ≤ 0.5 it covers the median in 96 % to 99.9 %, and in 94 % to 99.9 %
    where sampling stops as soon as it is narrow. For ρ = 0.8 it covers in 76 % to 80 % at 10
    samples, 94 % at 20 and 97 % at 50; with stopping in 77 % to 97 %. Longer-range correlation than
    AR(1) is not covered: of white noise plus AR(1) noise of ρ = 0.9, half of the variance each, 77
    % at 100 samples, 71 % with stopping.

    Parameters
    ----------
    values
        Samples of one run, in the order in which they were taken.

    Returns
    -------
    tuple
        Low and high end; NaN for fewer than `LEAST_SAMPLES`.
    """
    numbers = np.asarray(values, dtype=float)
    count = len(numbers)
    if count < LEAST_SAMPLES:
        return np.nan, np.nan
    inflation = float(variance_inflation(numbers))
    quantile = special.stdtrit(max(count / inflation - 1, 1.0), (1 + CONFIDENCE) / 2)
    reach = quantile * np.sqrt(count * inflation) / 2
    rank = max(1, int((count + 1) / 2 - reach))
    ordered = np.sort(numbers)
    return float(ordered[rank - 1]), float(ordered[count - rank])


def variance_inflation(values: ArrayLike, standard_errors: float = 1.0) -> NDArray[np.float64]:
    """Return how many serially correlated values are equivalent to one independent value.

    Parameters
    ----------
    values
        Series along the last axis, in the order in which they were taken.
    standard_errors
        How many are added to the estimated correlation; see `median_interval`.

    Returns
    -------
    ndarray
        1 or more for each series, by the estimate that `median_interval` describes.
    """
    correlation = _bound_correlation(np.asarray(values, dtype=float), standard_errors)
    powers = correlation[..., np.newaxis] ** np.arange(1, _LAGS)
    # the long-run variance of the indicator over that of independent values, ¼
    return np.asarray(1 + 4 / np.pi * np.arcsin(powers).sum(axis=-1))


def _bound_correlation(numbers: NDArray[np.float64], standard_errors: float) -> NDArray[np.float64]:
    """Return a lag-1 autocorrelation of the normal scores that the true one seldom exceeds."""
    count = numbers.shape[-1]
    scores = special.ndtri((rank(numbers) - 0.375) / (count + 0.25))  # Blom
    power = (scores**2).sum(axis=-1)
    lagged = (scores[..., 1:] * scores[..., :-1]).sum(axis=-1)
    found = lagged / np.where(power > 0, power, 1)  # 0: all values are equal
    found += (1 + 3 * found) / count
    bound = found + standard_errors * np.sqrt(np.maximum(1 - found**2, 0) / count)
    return np.asarray(np.clip(bound, 0.0, _MOST_CORRELATED))


def rank(values: Numbers) -> Numbers:
    """Return the rank of each value along the last axis, from 1; equal ones share their mean."""
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    places = np.broadcast_to(np.arange(values.shape[-1]), values.shape)
    steps = ordered[..., 1:] != ordered[..., :-1]
    edge = np.ones((*values.shape[:-1], 1), dtype=bool)
    begins, ends = np.concatenate([edge, steps], axis=-1), np.concatenate([steps, edge], axis=-1)
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=-1)
    later = np.where(ends, places, values.shape[-1])[..., ::-1]
    last = np.minimum.accumulate(later, axis=-1)[..., ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=-1)
    return ranks


def median_sequence(
    values: ArrayLike, error_rate: float, inflation: float = 1.0
) -> tuple[float, float]:
    """Return the ends of an interval for the median that is valid after every new value.

    If each value is as likely above the median as below it, whatever came before, then with
    probability 1 − ``error_rate`` the interval holds it at *every* number of values at once: adding
    values until something is decided costs no more errors. Nothing else is assumed of the
    distribution. It leaves out each candidate that a bet on the side on which the next value falls
    would have won 1 / ``error_rate`` against, with Krichevsky and Trofimov's mixture of stakes.
    Infinite until there are enough values: 10 at an error rate of 1 %, 13 at 0.1 %.

    Source: Darling and Robbins, Confidence sequences for mean, variance, and median (PNAS 58,
    1967); Howard and Ramdas, Sequential estimation of quantiles (Bernoulli 28, 2022).

    Parameters
    ----------
    values
        In any order.
    error_rate
        Probability that the interval ever leaves the median out.
    inflation
        This number of values counts as one, as of `variance_inflation`: it only widens the
        interval.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    ruled_out = int(count_ruled_out(len(ordered), error_rate, inflation))
    if ruled_out == 0:
        return -np.inf, np.inf
    return float(ordered[ruled_out - 1]), float(ordered[len(ordered) - ruled_out])


def count_ruled_out(count: int, error_rate: float, inflation: ArrayLike = 1.0) -> NDArray[np.int64]:
    """Return how many order statistics a `median_sequence` leaves out at either end, and one more.

    0 where the interval is infinite; for each of several inflations, if there are several.
    """
    each = np.asarray(inflation, dtype=float)[..., np.newaxis]
    above, total = np.arange(count // 2 + 1) / each, count / each
    wealth = total * np.log(2) + (
        special.betaln(above + 0.5, total - above + 0.5) - special.betaln(0.5, 0.5)
    )
    return np.asarray((wealth >= -np.log(error_rate)).sum(axis=-1))
