"""What the cells of a result must be to each other, beyond what each column asks of a cell."""

from collections.abc import Callable, Iterator
from dataclasses import fields

import numpy as np
import pandas as pd

from seqbench.metrics import find_metric
from seqbench.spec import RunSpec

_SETTINGS = [field.name for field in fields(RunSpec)]

Fault = tuple[int, str, str]
"""Place of a row in ``runs``, column, and what is wrong with the cell."""


def find_inconsistency(runs: pd.DataFrame, epochs: pd.DataFrame) -> Fault | None:
    """Return the first cell of ``runs`` that cannot be beside the others, or None."""
    for check in _CHECKS:
        for fault in check(runs, epochs):
            return fault
    return None


def _check_runs(runs: pd.DataFrame, epochs: pd.DataFrame) -> Iterator[Fault]:
    """Find runs that stand there twice, by their id or by their settings."""
    for column, columns in (("run_id", ["run_id"]), ("seed", _SETTINGS)):
        for place in np.flatnonzero(runs.duplicated(columns)):
            again = runs["run_id"].iloc[place]
            told = "is twice" if column == "run_id" else "has the settings and seed of another row"
            yield int(place), column, f"{again} {told}"


def _check_metrics(runs: pd.DataFrame, epochs: pd.DataFrame) -> Iterator[Fault]:
    """Find tasks of two metrics, and metrics that do not run the way that is known of them."""
    first = runs.groupby("task")[["metric", "higher_is_better"]].transform("first")
    for column in ("metric", "higher_is_better"):
        for place in np.flatnonzero(runs[column] != first[column]):
            was, now = first[column].iloc[place], runs[column].iloc[place]
            yield int(place), column, f"{now} is not {was}, as in other rows of the task"
    known = runs["metric"].map(lambda name: find_metric(name).higher_is_better)
    for place in np.flatnonzero(known.notna() & (known != runs["higher_is_better"])):
        name, higher = runs["metric"].iloc[place], runs["higher_is_better"].iloc[place]
        told = f"{str(bool(higher)).lower()} does not fit the metric {name}"
        yield int(place), "higher_is_better", told


def _check_scores(runs: pd.DataFrame, epochs: pd.DataFrame) -> Iterator[Fault]:
    """Find runs that were trained to the end without scores, and scores that cannot be."""
    trained = (runs["status"] == "ok") & (runs["epochs"] > 0)
    low, high = (
        runs["metric"].map(lambda name, end=end: getattr(find_metric(name), end))
        for end in ("low", "high")
    )
    for column in ("final_score", "best_score", "baseline_score"):
        scores = runs[column].astype(float)
        missing = trained & ~np.isfinite(scores) & (column == "final_score" or scores.notna())
        for place in np.flatnonzero(missing):
            yield int(place), column, f"{scores.iloc[place]:g} is no score of a run that ended well"
        for place in np.flatnonzero((scores < low) | (scores > high)):
            bounds = f"{low.iloc[place]:g} to {high.iloc[place]:g}"
            told = f"{scores.iloc[place]:g} is no {runs['metric'].iloc[place]}, which is {bounds}"
            yield int(place), column, told
    sign = np.where(runs["higher_is_better"].astype(bool), 1.0, -1.0)
    worse = sign * (runs["best_score"].astype(float) - runs["final_score"].astype(float)) < 0
    for place in np.flatnonzero(worse):
        best, final = (float(runs[name].iloc[place]) for name in ("best_score", "final_score"))
        yield int(place), "best_score", f"{best!r} is worse than the final score, {final!r}"


def _check_epochs(runs: pd.DataFrame, epochs: pd.DataFrame) -> Iterator[Fault]:
    """Find final scores that are not those of the last epoch: one of the two was edited."""
    last = runs["run_id"].map(epochs.groupby("run_id")["score"].last()).astype(float)
    scores = runs["final_score"].astype(float)
    for place in np.flatnonzero(scores.notna() & last.notna() & (scores != last)):
        score, reached = float(scores.iloc[place]), float(last.iloc[place])
        told = f"{score!r} is not the score of its last epoch in epochs.csv, {reached!r}"
        yield int(place), "final_score", f"{told}; one of them was edited"


_CHECKS: tuple[Callable[[pd.DataFrame, pd.DataFrame], Iterator[Fault]], ...] = (
    _check_runs,
    _check_metrics,
    _check_epochs,
    _check_scores,
)
