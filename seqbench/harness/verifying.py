"""Published rows, run again from nothing but their folder, and compared to the last bit.

Where the environment is another one, rounding differs and so does all that follows from it; then
the scores are compared over seeds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from seqbench.environments import list_decisive_differences
from seqbench.harness.code_version import same_code, version_code
from seqbench.harness.run import Job, Problem
from seqbench.harness.runner import Executor, ProblemKey, problem_of
from seqbench.intervals import mean_interval, next_interval
from seqbench.records import EpochRecord
from seqbench.spec import RunSpec
from seqbench.store import Results, index_runs, read_spec

COMPARED = ("train_loss", "test_loss", "score")
"""Columns of ``epochs.csv`` that an equal run gives again."""

CONFIDENCE = 0.99
"""Of the intervals that scores of another environment are held against."""


@dataclass(frozen=True)
class Again:
    """A published run beside the same run of today.

    ``fault`` says where they part; None where they are equal. ``change`` is what is not the same
    any more of that on which both depend, besides the environment; None where nothing is.
    """

    spec: RunSpec
    published: float
    score: float | None
    fault: str | None
    change: str | None


@dataclass(frozen=True)
class Likeness:
    """Runs that differ in the seed only, compared by their scores."""

    name: str
    text: str
    holds: bool


@dataclass(frozen=True)
class Verification:
    """What came of running published rows again.

    ``differences`` are those of the environment; ``likenesses`` is empty unless there are some and
    a run differs.
    """

    runs: list[Again]
    differences: list[str]
    likenesses: list[Likeness]

    @property
    def holds(self) -> bool:
        """Whether all is equal, or alike where the environment is another one."""
        if all(each.fault is None for each in self.runs):
            return True
        return bool(self.likenesses) and all(each.holds for each in self.likenesses)


def choose_rows(results: Results, sample: int | None) -> list[RunSpec]:
    """Return the specs of ``sample`` trained runs that ended well, drawn evenly; all for None."""
    runs = results.runs[(results.runs["status"] == "ok") & (results.runs["epochs"] > 0)]
    specs = [read_spec(row) for row in runs.to_dict("records")]
    if sample is None or sample >= len(specs):
        return specs
    chosen = set(Random(0).sample(range(len(specs)), sample))
    return [spec for place, spec in enumerate(specs) if place in chosen]


def verify_runs(
    results: Results,
    specs: Iterable[RunSpec],
    problems: Mapping[ProblemKey, Problem],
    executor: Executor,
    environment: Mapping[str, Any],
    tell: Callable[[Again], object] = lambda again: None,
) -> Verification:
    """Run published rows again and compare every epoch.

    Parameters
    ----------
    results
        What was published.
    specs
        Those of its runs that are run again.
    problems
        What is known of their data today.
    executor
        What runs them.
    environment
        That of today.
    tell
        Is told of each run as it has been compared.
    """
    rows = index_runs(results.runs)
    again = []
    for spec in specs:
        row = rows[spec]
        change = _find_change(row, spec, problems[problem_of(spec)])
        job = Job(spec=spec, suite=row["suite"], environment_id=environment["environment_id"])
        ended = executor.execute(job, lambda record, saved: None)
        before = results.epochs[results.epochs["run_id"] == row["run_id"]]
        fault = find_difference(before, ended.traces.epochs)
        if ended.record.status != "ok":
            fault = f"ended as {ended.record.status}: {ended.record.error}"
        compared = Again(spec, row["final_score"], ended.record.final_score, fault, change)
        tell(compared)
        again.append(compared)
    differences = list_decisive_differences(results.environment, environment)
    apart = any(each.fault is not None for each in again)
    likenesses = list(_compare_scores(again, results)) if differences and apart else []
    return Verification(again, differences, likenesses)


def _find_change(row: Mapping[str, Any], spec: RunSpec, problem: Problem) -> str | None:
    changed = []
    was = row["code_version"]
    if not pd.isna(was) and not same_code(was, version_code(spec)):
        changed.append("code")
    if row["data_fingerprint"] != problem.fingerprint:
        changed.append("data")
    return " and ".join(changed) or None


def find_difference(before: pd.DataFrame, after: Sequence[EpochRecord]) -> str | None:
    """Say at which epoch, in which column and by how much two runs part first; None for equal."""
    for row, record in zip(before.to_dict("records"), after, strict=False):
        for column in COMPARED:
            was, now = float(row[column]), float(getattr(record, column))
            if was != now and not (np.isnan(was) and np.isnan(now)):
                return f"differs at epoch {record.epoch} by {now - was:.3g} in {column}"
    if len(before) != len(after):
        return f"has {len(after)} epochs instead of {len(before)}"
    return None


def _compare_scores(again: Iterable[Again], results: Results) -> Iterator[Likeness]:
    """Compare scores of runs that differ in the seed only, paired by it where there are pairs."""
    groups: dict[RunSpec, list[Again]] = {}
    for each in again:
        groups.setdefault(replace(each.spec, seed=0), []).append(each)
    for spec, pairs in groups.items():
        name = f"{spec.task} {spec.variant}"
        scores = [each.score for each in pairs if each.score is not None]
        if len(scores) < len(pairs):
            yield Likeness(name, "not all of its runs ended well", False)
            continue
        if len(pairs) > 1:
            shifts = [score - each.published for score, each in zip(scores, pairs, strict=True)]
            low, high = mean_interval(shifts, CONFIDENCE)
            text = f"{len(pairs)} seeds, mean shift of the score {np.mean(shifts):.3g}, "
            text += f"{CONFIDENCE:.0%} interval {low:.3g} to {high:.3g}"
            yield Likeness(name, text, low <= 0 <= high)
            continue
        published = _scores_of_group(results, spec)
        low, high = next_interval(published, CONFIDENCE)
        text = f"one seed, score {scores[0]:.6g}; one more of the {len(published)} published ones "
        text += f"falls between {low:.6g} and {high:.6g} in {CONFIDENCE:.0%} of cases"
        if len(published) < 2:
            text = "one seed of one published: their scores cannot be compared"
        yield Likeness(name, text, bool(low <= scores[0] <= high))


def _scores_of_group(results: Results, spec: RunSpec) -> list[float]:
    return [
        float(row["final_score"])
        for row in results.runs.to_dict("records")
        if row["status"] == "ok" and replace(read_spec(row), seed=0) == spec
    ]
