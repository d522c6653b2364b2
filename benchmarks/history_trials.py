"""The change points of `seqbench history`, measured on simulated series whose truth is known.

`nox -s history-trials` runs it: series without a change, with a step, and with noise that the
method does not suppose, and next to it the results of two others of the series without a change.
Seeds are fixed, so that ``results/history-trials/trials.csv`` is reproducible; the report is made
from there.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.history_trials_report import write_report
from seqbench.history.chance import count_changes
from seqbench.history.change_points import MOST_CHANGES, find_changes
from seqbench.history.segmentation import (
    Numbers,
    correlate,
    cut,
    decorrelate,
    fit_levels,
    penalise,
    standardise,
)

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "history-trials"
REPORT = ROOT / "reports" / "history-trials"

NEAR = 2
"""Tolerance for the place of a change, in points."""

_OUTLIERS = {"outlier": 1, "outliers": 2}


@dataclass(frozen=True)
class Condition:
    """What series are like.

    Parameters
    ----------
    points
        How long each is.
    rho
        Autocorrelation of the noise at lag 1; the noise has a standard deviation of 1.
    step
        Change of the level, at a random place in the middle third; 0 for none.
    shape
        What the noise is made of: ``normal``, ``heavy`` (Student's t of 3 degrees), ``outlier``
        or ``outliers`` (normal, one point or two side by side 10 away) or ``drift`` (normal, about
        a straight line that rises by 5).
    """

    points: int
    rho: float
    step: float = 0.0
    shape: str = "normal"


WITHOUT = [Condition(*each) for each in product((12, 20, 30, 60, 100), (0.0, 0.3, 0.6, 0.8, 0.9))]
STEPS = [Condition(*each) for each in product((12, 30, 60), (0.0, 0.3, 0.6, 0.8), (3.0, 5.0))]
ODD = [
    Condition(points, rho, shape=shape)
    for (shape, rho), points in product(
        (("heavy", 0.0), ("heavy", 0.6), ("outlier", 0.0), ("outliers", 0.0), ("drift", 0.0)),
        (30, 60),
    )
]


def draw(condition: Condition, count: int) -> tuple[Numbers, NDArray[np.int64]]:
    """Draw series of a kind; the same ones each time.

    Returns
    -------
    series : array (count, points)
    places : array (count,)
        The first point of the new level, where there is one.
    """
    random = np.random.default_rng(list(repr(condition).encode()))
    points, rho = condition.points, condition.rho
    if condition.shape == "heavy":
        shocks = random.standard_t(3, (count, points)) / np.sqrt(3)
    else:
        shocks = random.standard_normal((count, points))
    series = correlate(shocks, rho)
    places = random.integers(points // 3, points - points // 3, count)
    after = np.arange(points) >= places[:, None]
    if condition.shape in _OUTLIERS:
        ends = places[:, None] + _OUTLIERS[condition.shape]
        series += 10 * (after & (np.arange(points) < ends))
    if condition.shape == "drift":
        series += np.linspace(0, 5, points)
    return series + condition.step * after, places


def try_history(condition: Condition, count: int) -> dict[str, object]:
    """Count what the history's method finds in series of a kind.

    Returns
    -------
    dict
        Of ``series``, those in which a change was ``found``; where there is one, those in which it
        was ``placed`` within `NEAR` points, and of these those whose interval of the step, and
        whose range of places, ``holds`` the truth.
    """
    found = placed = step_holds = place_holds = 0
    for series, place in zip(*draw(condition, count), strict=True):
        changes = find_changes(series).changes
        found += bool(changes)
        near = [each for each in changes if abs(each.place - place) <= NEAR]
        if condition.step and near:
            best = min(near, key=lambda each: abs(each.place - place))
            placed += 1
            step_holds += best.low <= condition.step <= best.high
            place_holds += best.earliest <= place <= best.latest
    counts = {"found": found, "placed": placed}
    holds = {"step_holds": step_holds, "place_holds": place_holds}
    return {"method": "history", **asdict(condition), "series": count, **counts, **holds}


def try_other(method: str, condition: Condition, count: int) -> dict[str, object]:
    """Count the series in which the modified BIC finds a change, for ρ as in `OTHERS`.

    Places and pieces are those of `segmentation`.
    """
    drawn = standardise(draw(condition, count)[0])
    whitened = (decorrelate(series[None], OTHERS[method](series)) for series in drawn)
    found = sum(_gains(white) for white in whitened)
    return {"method": method, **asdict(condition), "series": count, "found": found}


def estimate_rho(series: Numbers) -> float:
    """Return ρ from the medians of differences at lags 1 and 2, which a few steps do not move.

    (median |y_{t+2} − y_t| / median |y_{t+1} − y_t|)² − 1, clipped to [0, 0.99] (Chakar and others,
    Bernoulli 23, 2017); 1 + ρ is the ratio of the two variances.
    """
    one, two = (np.median(np.abs(series[lag:] - series[:-lag])) for lag in (1, 2))
    return float(np.clip((two / one) ** 2 - 1, 0, 0.99))


OTHERS: dict[str, Callable[[Numbers], float]] = {
    "AR1seg": estimate_rho,
    "independent": lambda series: 0.0,
}
"""What others take ρ for."""


def _gains(white: Numbers) -> bool:
    """Return whether the modified BIC prefers any cuts of a decorrelated series to none."""
    points = white.shape[1]
    ways = cut(white, count_changes(points, MOST_CHANGES))
    left = [fit_levels(white, way, 0.0)[2][0] for way in ways]  # white: no ρ is left
    return any(
        points / 2 * np.log(left[0] / rest) > penalise(way, points)[0]
        for rest, way in zip(left[1:], ways[1:], strict=True)
    )


def run_trials(scale: float = 1.0) -> pd.DataFrame:
    """Return a row for each method and condition; ``scale`` times the usual number of series."""
    count, fewer = max(1, round(500 * scale)), max(1, round(300 * scale))
    rows = [try_history(condition, count) for condition in WITHOUT]
    for method in OTHERS:
        rows += [try_other(method, condition, count) for condition in WITHOUT]
    rows += [try_history(condition, fewer) for condition in STEPS]
    rows += [try_history(condition, count) for condition in ODD]
    return pd.DataFrame(rows).astype(
        dict.fromkeys(["placed", "step_holds", "place_holds"], pd.Int64Dtype())
    )


def main() -> None:
    """Simulate, write the counts and their report."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    run_trials().to_csv(RESULTS / "trials.csv", index=False)
    print(f"report: {write_report(RESULTS, REPORT)}")


if __name__ == "__main__":
    main()
