"""Consistency of the cells of a result, beyond the check of each column."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import fields

from seqbench.columns import Table
from seqbench.metrics import find_metric
from seqbench.spec import RunSpec

_ROUNDING = 1e-9
"""By what share of itself a number may change in a program that reads and writes it."""

_SETTINGS = [field.name for field in fields(RunSpec)]

Fault = tuple[int, str, str]
"""Place of a row in ``runs``, column, and what is wrong with the cell."""


def find_inconsistency(runs: Table, epochs: Table) -> Fault | None:
    """Return the first cell of ``runs`` that is inconsistent with the others, or None."""
    for check in _CHECKS:
        for fault in check(runs, epochs):
            return fault
    return None


def _check_runs(runs: Table, epochs: Table) -> Iterator[Fault]:
    """Find duplicated runs, by their id or by their settings."""
    for column, columns, fault in (
        ("run_id", ["run_id"], "is twice"),
        ("seed", _SETTINGS, "has the settings and seed of another row"),
    ):
        known = set()
        for place, values in enumerate(zip(*(runs[each] for each in columns), strict=True)):
            if values in known:
                yield place, column, f"{runs['run_id'][place]} {fault}"
            known.add(values)


def _check_metrics(runs: Table, epochs: Table) -> Iterator[Fault]:
    """Find tasks of two metrics, and metrics that do not run the way that is known of them."""
    for column in ("metric", "higher_is_better"):
        first: dict[str, object] = {}
        for place, (task, now) in enumerate(zip(runs["task"], runs[column], strict=True)):
            if (was := first.setdefault(task, now)) != now:
                yield place, column, f"{now} is not {was}, as in other rows of the task"
    rows = zip(runs["metric"], runs["higher_is_better"], strict=True)
    for place, (name, higher) in enumerate(rows):
        known = find_metric(name).higher_is_better
        if known is not None and known != higher:
            fault = f"{str(higher).lower()} does not fit the metric {name}"
            yield place, "higher_is_better", fault


def _check_scores(runs: Table, epochs: Table) -> Iterator[Fault]:
    """Find runs that were trained to the end without scores, and scores that cannot be."""
    for column in ("final_score", "best_score", "baseline_score"):
        rows = zip(runs[column], runs["metric"], runs["status"], runs["epochs"], strict=True)
        for place, (score, name, status, planned) in enumerate(rows):
            value = math.nan if score is None else float(score)
            missing = column == "final_score" if math.isnan(value) else math.isinf(value)
            if status == "ok" and planned > 0 and missing:
                yield place, column, f"{value:g} is not a valid score of a completed run"
            metric = find_metric(name)
            if value < metric.low or value > metric.high:
                bounds = f"{metric.low:g} to {metric.high:g}"
                yield place, column, f"{value:g} is no {name}, which is {bounds}"


def _check_epochs(runs: Table, epochs: Table) -> Iterator[Fault]:
    """Find runs whose epochs are not all there, each once and in order."""
    numbers = _list_by_run(epochs, "epoch")
    rows = zip(runs["run_id"], runs["status"], runs["epochs"], strict=True)
    for place, (run_id, status, planned) in enumerate(rows):
        there = numbers.get(run_id, [])
        if there != list(range(1, len(there) + 1)):
            shown = ", ".join(map(str, there[:10])) + ("…" if len(there) > 10 else "")
            yield place, "run_id", f"{run_id} has the epochs {shown} in epochs.csv, one was edited"
        elif len(there) > planned or (status == "ok" and len(there) != planned):
            found = f"epochs.csv has {len(there)} of {run_id}, not {planned}"
            yield place, "epochs", f"{found}; one of the two was edited"


def _check_scores_of_epochs(runs: Table, epochs: Table) -> Iterator[Fault]:
    """Find final and best scores that are not those of the epochs: one of the two was edited."""
    scores = _list_by_run(epochs, "score")
    for column, which in (("final_score", "last"), ("best_score", "best")):
        rows = zip(runs["run_id"], runs[column], runs["higher_is_better"], strict=True)
        for place, (run_id, stated, higher) in enumerate(rows):
            known = scores.get(run_id, [])[-1 if which == "last" else 0 :]
            known = [float(each) for each in known if not math.isnan(each)]
            if stated is None or math.isnan(stated) or not known:
                continue
            reached = max(known) if higher else min(known)
            if not math.isclose(stated, reached, rel_tol=_ROUNDING):
                fault = f"{float(stated)!r} is not the score of its {which} epoch"
                found = f"in epochs.csv, {reached!r}"
                yield place, column, f"{fault} {found}; one of them was edited"


def _list_by_run(epochs: Table, column: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = defaultdict(list)
    for run_id, value in zip(epochs["run_id"], epochs[column], strict=True):
        values[run_id].append(value)
    return values


_CHECKS: tuple[Callable[[Table, Table], Iterator[Fault]], ...] = (
    _check_runs,
    _check_metrics,
    _check_epochs,
    _check_scores,
    _check_scores_of_epochs,
)
