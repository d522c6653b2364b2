"""Change points in the level of a series whose noise is autocorrelated.

Times that one machine takes repeatedly drift together: a method that takes them for independent
sees a change in each drift. Here the noise is an AR(1) process whose ρ is fitted along with the
levels (`segmentation`); the number of changes is what the modified BIC prefers; and a change is
called one only if it gains more than noise without any change gains in 95 of 100 cases (`chance`).

AR1seg, from which the search comes, fixes ρ beforehand, by medians of differences at lags 1 and 2,
and leaves the rest to the modified BIC. In short series that estimate scatters too widely: a third
of those without change get one where ρ is 0.8.

How often a change is found where there is none, and where there is one, how often its interval
holds, and what noise of other kinds does is measured by ``benchmarks/history_trials.py``; what was
counted is in ``reports/history-trials``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from seqbench.history.chance import count_changes, judge_gain
from seqbench.history.segmentation import (
    RHOS,
    Numbers,
    Places,
    fit_levels,
    penalise,
    profile_rho,
    score_cuts,
    standardise,
    weigh_cuts,
)
from seqbench.intervals import CONFIDENCE

LEAST_POINTS = 12
"""Minimum number of points for a test: with 8, four of ten steps of 5 σ are missed."""

MOST_CHANGES = 8
"""Maximum number of changes in a long series; a short one allows fewer."""

_ERROR = 1 - CONFIDENCE
_NEARBY = 2.0
"""Log-likelihood that a place, or ρ, may fall short of the best one and still be possible."""
_FARTHEST = 50  # points from the best place; a bound on memory


@dataclass(frozen=True)
class Change:
    """One change of the level.

    Parameters
    ----------
    place
        The first point of the new level, counted from 0.
    earliest, latest
        Between what places it may as well have been.
    before, after
        The levels, in the unit of the series.
    step, low, high
        ``after`` − ``before``, and the ends of its 95 % interval, given the place, for the ρ among
        the likely ones that makes it widest.
    p
        How often a series without change gains as much as this change does over its absence.
    """

    place: int
    earliest: int
    latest: int
    before: float
    after: float
    step: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Trend:
    """What a series shows.

    Parameters
    ----------
    points
        How many there are.
    rho
        Autocorrelation of the noise at lag 1, between 0 and 0.9; NaN where nothing was fitted.
    sigma
        Standard deviation of the noise about its level, in the unit of the series.
    p
        How often a series without change gains as much from its best cuts as this one; NaN with
        fewer than `LEAST_POINTS`.
    changes
        Those that hold, in order; none if ``p`` is 0.05 or more.
    """

    points: int
    rho: float
    sigma: float
    p: float
    changes: tuple[Change, ...]


def find_changes(values: ArrayLike) -> Trend:
    """Find where the level of a series changes.

    Parameters
    ----------
    values
        The series, in order, equally spaced; logarithms for what changes by factors, as times do.

    Returns
    -------
    Trend
        Without changes and with NaN for fewer than `LEAST_POINTS` points.

    Raises
    ------
    ValueError
        If a value is not finite.
    """
    series = np.asarray(values, dtype=float)
    if not np.isfinite(series).all():
        raise ValueError("values must be finite: omit points without a value")
    if len(series) < LEAST_POINTS:
        return Trend(len(series), np.nan, np.nan, np.nan, ())
    standard = standardise(series[None])
    if not standard.any():
        return Trend(len(series), 0.0, 0.0, 1.0, ())
    most = count_changes(len(series), MOST_CHANGES)
    scores, chosen = score_cuts(standard, most)
    number = int(scores[0].argmax())
    gain = float(scores[0, 1:].max())
    p = judge_gain(gain, len(series))
    places = chosen[number][0] if p < _ERROR else chosen[0][0]
    places, gains = _leave_out_weak(standard, places)
    return _describe(series, standard, places, gains, p)


def _worth(standard: Numbers, places: Places) -> float:
    likelihood = weigh_cuts(standard, places[None])
    return float(likelihood[0] - penalise(places[None], standard.shape[1])[0])


def _leave_out_weak(standard: Numbers, places: Places) -> tuple[Places, list[float]]:
    """Leave out changes that do not hold by themselves, weakest first; return each one's gain."""
    while len(places):
        whole = _worth(standard, places)
        gains = [whole - _worth(standard, np.delete(places, each)) for each in range(len(places))]
        weakest = int(np.argmin(gains))
        if judge_gain(gains[weakest], standard.shape[1]) < _ERROR:
            return places, gains
        places = np.delete(places, weakest)
    return places, []


def _describe(
    series: Numbers, standard: Numbers, places: Places, gains: list[float], p: float
) -> Trend:
    likelihoods = profile_rho(standard, places[None])[:, 0]
    rho = RHOS[int(likelihoods.argmax())]
    coefficients, variance, _ = _fit(series, places, rho)
    near = np.array(RHOS)[likelihoods >= likelihoods.max() - _NEARBY]
    fits = [_fit(series, places, each) for each in near]
    low = np.min([steps - halves for steps, _, halves in fits], axis=0)
    high = np.max([steps + halves for steps, _, halves in fits], axis=0)
    levels = coefficients.cumsum()
    changes = []
    for each, place in enumerate(places):
        earliest, latest = _bound_place(standard, places, each)
        changes.append(
            Change(
                place=int(place),
                earliest=earliest,
                latest=latest,
                before=float(levels[each]),
                after=float(levels[each + 1]),
                step=float(coefficients[each + 1]),
                low=float(low[each + 1]),
                high=float(high[each + 1]),
                p=judge_gain(gains[each], len(series)),
            )
        )
    sigma = float(np.sqrt(variance / (1 - rho**2)))
    return Trend(len(series), rho, sigma, p, tuple(changes))


def _fit(series: Numbers, places: Places, rho: float) -> tuple[Numbers, float, Numbers]:
    """Return first level and steps, the variance of ε, half the width of each one's interval."""
    coefficients, inverse, squares = fit_levels(series[None], places[None], rho)
    free = len(series) - len(places) - 2
    variance = float(squares[0]) / free
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, free)
    return coefficients[0], variance, np.sqrt(variance * np.diagonal(inverse[0])) * quantile


def _bound_place(standard: Numbers, places: Places, each: int) -> tuple[int, int]:
    """Return the first and last place of a change that are nearly as likely, the others fixed."""
    edges, place = [0, *places.tolist(), standard.shape[1]], int(places[each])
    first, last = max(edges[each] + 1, place - _FARTHEST), min(edges[each + 2], place + _FARTHEST)
    tried = np.arange(first, last)
    ways = np.repeat(places[None], len(tried), axis=0)
    ways[:, each] = tried
    likelihood = weigh_cuts(np.repeat(standard, len(tried), axis=0), ways)
    near = tried[likelihood >= likelihood[tried == place] - _NEARBY]
    return int(near[0]), int(near[-1])
