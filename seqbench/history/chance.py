"""What a series without any change gains at random from its best cuts: simulated, seeds fixed.

The gain of `segmentation.score_cuts` knows no scale and no level, so how it is distributed where
there is no change depends on the number of points and on ρ alone. As ρ is fitted on both sides, it
depends on it little: for 30 points the 95th percentile is 0.4 at ρ = 0, 2.8 at 0.6 and 3.4 at 0.9.
Since ρ is not known, the one counts for which the gain is the most frequent.
"""

from functools import lru_cache

import numpy as np

from seqbench.history.segmentation import Numbers, correlate, score_cuts, standardise

_POINTS_FOR_EACH = 10
_SERIES = 1000
_CHANGES = 5  # more are hardly ever worth their penalty where there are none
_RHOS = (0.6, 0.95)
_LONGEST = 100
_TAIL = 0.05


def count_changes(points: int, most: int) -> int:
    """Return how many changes are searched: at least one, and few enough to have levels."""
    return max(1, min(most, points // _POINTS_FOR_EACH))


def judge_gain(gain: float, points: int) -> float:
    """Return how often noise without change gains as much, for the ρ that makes it most often.

    Parameters
    ----------
    gain
        Log-likelihood, less its penalty, as from `segmentation.score_cuts`.
    points
        How long the series is.
    """
    return max(_share_beyond(gain, null) for null in _simulate(_round_down(points)))


def _round_down(points: int) -> int:
    """Return the length that is simulated: a shorter one, for which noise gains a little more."""
    step = 1 if points < 20 else 5 if points < 50 else 10
    return min(points - points % step, _LONGEST)


def _share_beyond(gain: float, null: Numbers) -> float:
    """Return the share of ``null`` that is at least ``gain``; far out, by an exponential tail.

    Log-likelihood ratios have one, and the mean of what exceeds the 95th percentile is its scale:
    the idea of T. A. Knijnenburg and others (Fewer permutations, more accurate P-values, 2009).
    """
    edge = float(np.quantile(null, 1 - _TAIL))
    if gain <= edge:
        return float((1 + (null >= gain).sum()) / (1 + len(null)))
    scale = float((null[null > edge] - edge).mean())
    return float(_TAIL * np.exp((edge - gain) / scale))


@lru_cache(maxsize=64)
def _simulate(points: int) -> tuple[Numbers, ...]:
    """Return what series without change gain from their best cuts, for each ρ that is simulated."""
    random = np.random.default_rng(0)
    most = count_changes(points, _CHANGES)
    found = []
    for rho in _RHOS:
        noise = correlate(random.standard_normal((_SERIES, points)), rho)
        parts = np.array_split(standardise(noise), max(1, points // 10))  # bounds the memory
        gains = [score_cuts(part, most)[0][:, 1:].max(axis=1) for part in parts]
        found.append(np.concatenate(gains))
    return tuple(found)
