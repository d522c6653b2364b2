"""Points in order → frames: what each series shows, and its change points.

Series of scores continue across machines. Times are a series for each machine, so that another
machine is never taken for a change of the code. They are analysed as logarithms, since they change
by factors. Whether a series changes is corrected for the number of series by Holm's method.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seqbench.analysis.significance import adjust_holm
from seqbench.analysis.stats import GROUP
from seqbench.errors import UsageError
from seqbench.history.change_points import LEAST_POINTS, Change, Trend, find_changes
from seqbench.history.points import collect_runs, describe_difference, list_machines, make_points
from seqbench.history.revisions import Timeline
from seqbench.intervals import CONFIDENCE, mean_interval

FIGURES = {
    "score": "final score",
    "epoch_time_s": "epoch time",
    "train_samples_per_s": "training throughput",
}
"""What a trend is made of: columns of `points.make_points`, as text."""

ALL_MACHINES = 0
CHANGE, PERHAPS, NONE, TOO_FEW = "change", "perhaps", "none found", "too few points"


@dataclass(frozen=True)
class History:
    """Points, trends and changes of a timeline of results.

    Parameters
    ----------
    timeline
        The results.
    machines
        From `points.list_machines`.
    points
        From `points.make_points`.
    trends
        From `find_trends`.
    changes
        From `find_trends`.
    """

    timeline: Timeline
    machines: pd.DataFrame
    points: pd.DataFrame
    trends: pd.DataFrame
    changes: pd.DataFrame


@dataclass(frozen=True)
class _Series:
    """One figure of one group, on one machine or on all."""

    keys: dict[str, Any]
    rows: pd.DataFrame

    def find(self) -> Trend:
        values = self.rows[self.keys["figure"]].to_numpy(dtype=float)
        return find_changes(values if self.keys["figure"] == "score" else np.log(values))


def trace_history(timeline: Timeline) -> History:
    """Compute machines, points, trends and changes of a timeline of results.

    Raises
    ------
    UsageError
        If no run completed in any of them.
    """
    machines = list_machines(timeline)
    runs = collect_runs(timeline)
    if runs.empty:
        raise UsageError(f"no run of {timeline.name} completed; there is no trend")
    points = make_points(timeline, runs, machines)
    trends, changes = find_trends(timeline, runs, points)
    return History(timeline, machines, points, trends, changes)


def find_trends(
    timeline: Timeline, runs: pd.DataFrame, points: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Search for change points in every series.

    Throughput is examples over epoch time, so it changes where that does; it is a series of its own
    only where there are no epochs, which is where speed alone was measured.

    Parameters
    ----------
    timeline
        The results.
    runs
        From `points.collect_runs`.
    points
        From `points.make_points`.

    Returns
    -------
    trends : DataFrame
        A row for each series: `GROUP`, ``metric``, ``figure`` (of `FIGURES`), ``machine``
        (`ALL_MACHINES` for scores), ``points``, ``rho``, ``sigma`` (of times relative), ``p``,
        ``p_adjusted``, ``verdict``, ``first`` and ``last`` value.
    changes : DataFrame
        A row for each change of a series: the same keys, ``verdict`` and ``p_adjusted``;
        ``position`` and ``point`` where the new level begins, ``previous`` the point before it,
        ``earliest`` and ``latest`` where it may as well; ``starts`` and ``ends``, the positions of
        the first result of the level before and of the last one of the level after; ``before`` and
        ``after``, the levels; ``effect``, a difference of scores or a ratio of times, with ``low``
        and ``high``; ``better``; ``p``; ``seeds_low`` and ``seeds_high``, the interval over seeds
        of a score's difference; ``also``, what else differed between the two points.
    """
    found = [(series, series.find()) for series in _list_series(points)]
    adjusted = adjust_holm([trend.p for _, trend in found])
    trends, changes = [], []
    for (series, trend), p_adjusted in zip(found, adjusted, strict=True):
        judged = series.keys | {"verdict": _judge(trend, p_adjusted), "p_adjusted": p_adjusted}
        trends.append(judged | _describe_trend(series, trend))
        edges = [0, *(change.place for change in trend.changes), trend.points]
        for number, change in enumerate(trend.changes):
            pieces = edges[number : number + 3]
            changes.append(
                judged
                | _describe_change(timeline, series, change)
                | _bound_levels(series, pieces)
                | _compare_seeds(runs, series, pieces)
            )
    return pd.DataFrame(trends), pd.DataFrame(changes)


def _describe_trend(series: _Series, trend: Trend) -> dict[str, Any]:
    values = series.rows[series.keys["figure"]]
    fitted = {"rho": trend.rho, "sigma": trend.sigma, "p": trend.p}
    return {"points": trend.points, **fitted, "first": values.iloc[0], "last": values.iloc[-1]}


def _list_series(points: pd.DataFrame) -> Iterator[_Series]:
    for keys, group in points.groupby(GROUP, sort=False):
        shared = dict(zip(GROUP, keys, strict=True)) | {"metric": group["metric"].iloc[0]}
        for figure in FIGURES:
            known = group[group[figure].notna()].sort_values("position")
            if figure == "train_samples_per_s":
                known = known[known["epoch_time_s"].isna()]
            if known.empty:
                continue
            if figure == "score":
                yield _Series(shared | {"figure": figure, "machine": ALL_MACHINES}, known)
                continue
            for machine, part in known.groupby("machine"):
                yield _Series(shared | {"figure": figure, "machine": machine}, part)


def _judge(trend: Trend, p_adjusted: float) -> str:
    if trend.points < LEAST_POINTS:
        return TOO_FEW
    if not trend.changes:
        return NONE
    return CHANGE if p_adjusted < 1 - CONFIDENCE else PERHAPS


def _describe_change(timeline: Timeline, series: _Series, change: Change) -> dict[str, Any]:
    names = series.rows["point"].tolist()
    of_scores = series.keys["figure"] == "score"
    at, before = series.rows.iloc[change.place], series.rows.iloc[change.place - 1]
    rising = series.rows["higher_is_better"].iloc[0] if of_scores else True
    if series.keys["figure"] == "epoch_time_s":
        rising = False
    shown = (change.before, change.after, change.step, change.low, change.high)
    numbers = shown if of_scores else tuple(float(np.exp(each)) for each in shown)
    return {
        "position": int(at["position"]),
        "point": at["point"],
        "previous": before["point"],
        "earliest": names[change.earliest],
        "latest": names[change.latest],
        **dict(zip(("before", "after", "effect", "low", "high"), numbers, strict=True)),
        "better": bool((change.step > 0) == rising),
        "p": change.p,
        "also": describe_difference(timeline, before, at),
    }


def _bound_levels(series: _Series, pieces: list[int]) -> dict[str, int]:
    """Return at which results the level before begins and the level after ends."""
    start, _, end = pieces
    positions = series.rows["position"]
    return {"starts": int(positions.iloc[start]), "ends": int(positions.iloc[end - 1])}


def _compare_seeds(runs: pd.DataFrame, series: _Series, pieces: list[int]) -> dict[str, float]:
    """Return the interval of a score's difference over seeds: whether others show it."""
    if series.keys["figure"] != "score":
        return {"seeds_low": np.nan, "seeds_high": np.nan}
    start, place, end = pieces
    positions = series.rows["position"].to_numpy()
    own = runs[(runs[GROUP] == pd.Series({name: series.keys[name] for name in GROUP})).all(axis=1)]
    before, after = (
        own[own["position"].isin(part)].groupby("seed")["final_score"].mean().astype(float)
        for part in (positions[start:place], positions[place:end])
    )
    differences = (after - before).dropna()
    low, high = mean_interval(differences) if len(differences) > 1 else (np.nan, np.nan)
    return {"seeds_low": low, "seeds_high": high}
