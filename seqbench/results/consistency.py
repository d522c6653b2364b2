"""Consistency of the cells of a result, beyond the check of each column."""

from collections.abc import Callable, Iterator
from dataclasses import fields

import numpy as np
import pandas as pd

from seqbench.metrics import find_metric
from seqbench.spec import RunSpec

_ROUNDING = 1e-9
"""By what share of itself a number may change in a program that reads and writes it."""

_SETTINGS = [field.name for field in fields(RunSpec)]

Fault = tuple[int, str, str]
"""Place of a row in ``runs``, column, and what is wrong with the cell."""


def find_inconsistency(runs: pd.DataFrame, epochs: pd.DataFrame) -> Fault | None:
    """Return the first cell of ``runs`` that is inconsistent with the others, or None."""
    for check in _CHECKS:
        for fault in check(runs, epochs):
            return fault
    return None


def _check_runs(runs: pd.DataFrame, epochs: pd.DataFrame) -> Iterator[Fault]:
    """Find duplicated runs, by their id or by their settings."""
    for column, columns in (("run_id", ["run_id"]), ("seed", _SETTINGS)):
        for place in np.flatnonzero(runs.duplicated(columns)):
            again = runs["run_id"].iloc[place]
            fault = "is twice" if column == "run_id" else "has the settings and seed of another row"
            yield int(place), column, f"{again} {fault}"


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
        fault = f"{str(bool(higher)).lower()} does not fit the metric {name}"
        yield int(place), "higher_is_better", fault


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
            fault = f"{scores.iloc[place]:g} is not a valid score of a completed run"
            yield int(place), column, fault
        for place in np.flatnonzero((scores < low) | (scores > high)):
            bounds = f"{low.iloc[place]:g} to {high.iloc[place]:g}"
            fault = f"{scores.iloc[place]:g} is no {runs['metric'].iloc[place]}, which is {bounds}"
            yield int(place), column, fault


def _check_epochs(runs: pd.DataFrame, epochs: pd.DataFrame) -> Iterator[Fault]:
    """Find runs whose epochs are not all there, each once and in order."""
    numbers: dict[str, list[int]] = {}
    for run_id, epoch in zip(epochs["run_id"], epochs["epoch"], strict=True):
        numbers.setdefault(run_id, []).append(epoch)
    rows = zip(runs["run_id"], runs["status"], runs["epochs"], strict=True)
    for place, (run_id, status, planned) in enumerate(rows):
        there = numbers.get(run_id, [])
        if there != list(range(1, len(there) + 1)):
            shown = ", ".join(map(str, there[:10])) + ("…" if len(there) > 10 else "")
            yield place, "run_id", f"{run_id} has the epochs {shown} in epochs.csv, one was edited"
        elif len(there) > planned or (status == "ok" and len(there) != planned):
            found = f"epochs.csv has {len(there)} of {run_id}, not {planned}"
            yield place, "epochs", f"{found}; one of the two was edited"


def _check_scores_of_epochs(runs: pd.DataFrame, epochs: pd.DataFrame) -> Iterator[Fault]:
    """Find final and best scores that are not those of the epochs: one of the two was edited."""
    scores = epochs.groupby("run_id")["score"]
    best = (
        runs["run_id"]
        .map(scores.max())
        .where(runs["higher_is_better"], runs["run_id"].map(scores.min()))
    )
    last = epochs.drop_duplicates("run_id", keep="last").set_index("run_id")["score"]
    for column, which, reached in (
        ("final_score", "last", runs["run_id"].map(last).astype(float)),
        ("best_score", "best", best.astype(float)),
    ):
        stated = runs[column].astype(float)
        apart = ~np.isclose(stated, reached, rtol=_ROUNDING, atol=0)
        for place in np.flatnonzero(stated.notna() & reached.notna() & apart):
            fault = f"{float(stated.iloc[place])!r} is not the score of its {which} epoch"
            found = f"in epochs.csv, {float(reached.iloc[place])!r}"
            yield int(place), column, f"{fault} {found}; one of them was edited"


_CHECKS: tuple[Callable[[pd.DataFrame, pd.DataFrame], Iterator[Fault]], ...] = (
    _check_runs,
    _check_metrics,
    _check_epochs,
    _check_scores,
    _check_scores_of_epochs,
)
