"""Series cut into pieces of constant level under noise of the first-order autoregressive kind.

The model: y_t = μ_k + η_t within piece k, and η_t = ρ η_{t−1} + ε_t with independent normal ε_t and
0 ≤ ρ < 1. For a given ρ the series is decorrelated, z_t = y_t − ρ y_{t−1}, and cut by dynamic
programming over all places, as AR1seg does (Chakar, Lebarbier, Lévy-Leduc and Robin, A robust
approach for estimating change-points in the mean of an AR(1) process, Bernoulli 23, 2017). Cuts are
then weighed by the exact likelihood of the model, in which ρ is free.

Everything takes many series of equal length at once, an array (series, points).
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

LEAST_PIECE = 3
"""Points that a piece has at least: one or two deviating points are an outlier, not a level."""

RHOS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
_CUT_AT = (0.0, 0.3, 0.6, 0.9)  # places hardly depend on ρ; what they are worth does
_LEAST_SQUARES = 1e-10  # of standardised values: a fit without any residual is no better than this


def standardise(series: Numbers) -> Numbers:
    """Return series (series, points) with mean 0 and variance 1; constant ones become 0."""
    centred = series - series.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    rounding = 1e-12 * np.abs(series).max(axis=1, keepdims=True)
    return np.where(spread > rounding, centred / np.where(spread > 0, spread, 1), 0.0)


def decorrelate(columns: Numbers, rho: float) -> Numbers:
    """Return y_t − ρ y_{t−1} along axis 1, and √(1 − ρ²) y_0 at its start.

    AR(1) noise of that ρ becomes independent of equal variance (S. J. Prais and C. B. Winsten,
    1954).
    """
    white = columns.copy()
    white[:, 1:] -= rho * columns[:, :-1]
    white[:, 0] *= np.sqrt(1 - rho**2)
    return white


def correlate(shocks: Numbers, rho: float) -> Numbers:
    """Return AR(1) noise of variance 1 from independent shocks (series, points) of variance 1.

    It is stationary from the first point on; `decorrelate` takes it apart again.
    """
    noise = shocks.copy()
    for each in range(1, noise.shape[1]):
        noise[:, each] = rho * noise[:, each - 1] + np.sqrt(1 - rho**2) * shocks[:, each]
    return noise


def cut(white: Numbers, most: int) -> list[Places]:
    """Return the cuts into 1 to ``most`` + 1 pieces that leave the least sum of squares.

    Parameters
    ----------
    white
        Decorrelated series (series, points).
    most
        How many cuts there are at most.

    Returns
    -------
    list of arrays (series, cuts)
        For 0 to ``most`` cuts: the first point of each piece but the first, ascending.
    """
    count, points = white.shape
    costs = _piece_costs(white)
    reached, came_from = costs[:, 0, :], []
    for _ in range(most):
        ways = reached[:, :, None] + costs
        came_from.append(ways.argmin(axis=1))
        reached = ways.min(axis=1)
    rows = np.arange(count)
    found = []
    for cuts in range(most + 1):
        ends, places = np.full(count, points), np.zeros((count, cuts), dtype=np.int64)
        for place in reversed(range(cuts)):
            ends = came_from[place][rows, ends]
            places[:, place] = ends
        found.append(places)
    return found


def _piece_costs(white: Numbers) -> Numbers:
    """Return the sum of squares about the mean of points i to j − 1 at [:, i, j]."""
    points = white.shape[1]
    ends = np.arange(points + 1)
    sums = np.pad(white.cumsum(axis=1), ((0, 0), (1, 0)))
    squares = np.pad((white**2).cumsum(axis=1), ((0, 0), (1, 0)))
    lengths = ends[None, :] - ends[:, None]
    within = sums[:, None, :] - sums[:, :, None]
    costs = squares[:, None, :] - squares[:, :, None] - within**2 / np.maximum(lengths, 1)
    return np.where(lengths >= LEAST_PIECE, np.maximum(costs, 0.0), np.inf)


def fit_levels(series: Numbers, places: Places, rho: float) -> tuple[Numbers, Numbers, Numbers]:
    """Fit levels by generalised least squares for a given ρ.

    Parameters
    ----------
    series
        (series, points).
    places
        (series, cuts), as from `cut`.
    rho
        Autocorrelation of the noise at lag 1.

    Returns
    -------
    coefficients : array (series, cuts + 1)
        The first level, then each step.
    inverse : array (series, cuts + 1, cuts + 1)
        Their covariance over the variance of ε.
    squares : array (series,)
        Sum of squares of what is left.
    """
    count, points = series.shape
    steps = (np.arange(points)[None, :, None] >= places[:, None, :]).astype(float)
    columns = decorrelate(np.concatenate([np.ones((count, points, 1)), steps], axis=2), rho)
    white = decorrelate(series, rho)
    transposed = columns.transpose(0, 2, 1)
    inverse = np.asarray(np.linalg.inv(transposed @ columns), dtype=np.float64)
    coefficients: Numbers = np.asarray(inverse @ transposed @ white[:, :, None])[:, :, 0]
    left = white - (columns @ coefficients[:, :, None])[:, :, 0]
    squares: Numbers = np.asarray((left**2).sum(axis=1))
    return coefficients, inverse, squares


def profile_rho(series: Numbers, places: Places) -> Numbers:
    """Return the log-likelihood of each of `RHOS` (rhos, series), greatest over everything else.

    −n/2 log S(ρ) + ½ log(1 − ρ²), up to a constant, with S the sum of squares of `fit_levels`.
    """
    points = series.shape[1]
    return np.stack(
        [
            0.5 * np.log(1 - rho**2)
            - 0.5 * points * np.log(np.maximum(fit_levels(series, places, rho)[2], _LEAST_SQUARES))
            for rho in RHOS
        ]
    )


def weigh_cuts(series: Numbers, places: Places) -> Numbers:
    """Return the greatest log-likelihood of each series (series,) with its cuts (series, cuts)."""
    return np.asarray(profile_rho(series, places).max(axis=0))


def penalise(places: Places, points: int) -> Numbers:
    """Return what a log-likelihood has to gain for its cuts, by the modified BIC: (series,).

    3/2 m log n + ½ Σ log(n_k / n) for m cuts into pieces of n_k of n points (N. R. Zhang and
    D. O. Siegmund, Biometrics 63, 2007). The places of the cuts are as free as the levels, which
    the ordinary BIC does not count.
    """
    edges = np.pad(places, ((0, 0), (1, 1)), constant_values=((0, 0), (0, points)))
    shares = np.diff(edges, axis=1) / points
    return np.asarray(1.5 * places.shape[1] * np.log(points) + 0.5 * np.log(shares).sum(axis=1))


def score_cuts(series: Numbers, most: int) -> tuple[Numbers, list[Places]]:
    """Return the best cuts for 0 to ``most`` of them, and what they gain over none.

    Returns
    -------
    scores : array (series, most + 1)
        Gain in log-likelihood, ρ fitted again on both sides, less `penalise`; 0 for none.
    places : list of arrays (series, cuts)
        The cuts.
    """
    points = series.shape[1]
    candidates = [cut(decorrelate(series, rho), most) for rho in _CUT_AT]
    without = candidates[0][0]
    base = weigh_cuts(series, without)
    scores, chosen = [np.zeros(len(series))], [without]
    for cuts in range(1, most + 1):
        ways = np.stack([each[cuts] for each in candidates])
        worth = np.stack([weigh_cuts(series, way) - penalise(way, points) for way in ways])
        best, rows = worth.argmax(axis=0), np.arange(len(series))
        scores.append(worth[best, rows] - base)
        chosen.append(ways[best, rows])
    return np.stack(scores, axis=1), chosen
