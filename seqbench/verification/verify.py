"""Published runs, repeated from their folder alone, and the result of the comparison.

Equal to the last bit is the rule on the same machine. On another one rounding differs, and in a
long training all that follows from it; then final scores are compared over seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pandas as pd

from seqbench.analysis.stats import name_groups
from seqbench.harness.code_version import version_code
from seqbench.harness.job import Job
from seqbench.harness.problems import Problem, ProblemKey, problem_of
from seqbench.harness.runner import Executor
from seqbench.results.environments import list_decisive_differences, same_code
from seqbench.results.reader import Results, read_spec
from seqbench.spec import RunSpec
from seqbench.verification.outcome import Outcome, PublishedRun, Rerun, ScoreCheck, Verification
from seqbench.verification.rounding import find_deviation, find_step
from seqbench.verification.score_shift import ScoreShift

MARGIN_SHARE = 0.02
"""The default margin, relative to the distance from the baseline's score to the published mean."""


def choose_rows(results: Results, sample: int | None) -> list[PublishedRun]:
    """Return ``sample`` of the completed trained runs, drawn evenly; all for None."""
    runs = results.runs[(results.runs["status"] == "ok") & (results.runs["epochs"] > 0)]
    rows = runs.to_dict("records")
    if sample is not None and sample < len(rows):
        rows = [rows[place] for place in sorted(Random(0).sample(range(len(rows)), sample))]
    return [PublishedRun(row, read_spec(row)) for row in rows]


def verify_runs(
    results: Results,
    published: Sequence[PublishedRun],
    problems: Mapping[ProblemKey, Problem],
    executor: Executor,
    environment: Mapping[str, Any],
    *,
    margin: float | None = None,
    started: Callable[[RunSpec], object] = lambda spec: None,
) -> Verification:
    """Run published rows again, compare every epoch, and where that takes it scores over seeds.

    Parameters
    ----------
    results
        What was published.
    published
        Those of its runs that are run again.
    problems
        What is known of their data today.
    executor
        What runs them.
    environment
        That of today.
    margin
        Largest mean shift of a score that counts as equivalent, in the metric's unit; None for
        `MARGIN_SHARE` of the way from the baseline's score to the published mean of each group.
    started
        Is called with each run before it starts.
    """
    reruns = []
    for run in published:
        started(run.spec)
        problem = problems[problem_of(run.spec)]
        reruns.append(_run_again(results, run, problem, executor, environment))
    differences = list_decisive_differences(results.environment, environment)
    return Verification(_check_scores(results, reruns, margin), differences)


def _run_again(
    results: Results,
    published: PublishedRun,
    problem: Problem,
    executor: Executor,
    environment: Mapping[str, Any],
) -> Rerun:
    row, spec = published.row, published.spec
    code = row["code_version"]
    changed = not pd.isna(code) and not same_code(code, version_code(spec))
    resolution = find_step(row["metric"], float(row["final_score"]), problem.test_answers)
    rerun = Rerun(published, resolution, changed)
    if row["data_fingerprint"] != problem.fingerprint:
        return replace(rerun, fault="its data changed")
    if not np.isclose(row["baseline_score"], problem.baseline_score, rtol=1e-6, atol=0):
        difference = f"{problem.baseline_score:.6g} instead of {row['baseline_score']:.6g}"
        return replace(rerun, fault=f"its baseline's score is {difference}")
    job = Job(spec=spec, suite=row["suite"], environment_id=environment["environment_id"])
    ended = executor.execute(job, lambda record, saved: None)
    if ended.record.status != "ok":
        return replace(rerun, fault=f"its status is {ended.record.status}: {ended.record.error}")
    if not pd.isna(row["parameters"]) and row["parameters"] != ended.record.parameters:
        difference = f"{ended.record.parameters} parameters instead of {row['parameters']}"
        return replace(rerun, fault=f"it has {difference}")
    before = results.epochs[results.epochs["run_id"] == row["run_id"]]
    deviation = find_deviation(before, ended.traces.epochs, problem.test_answers)
    return replace(rerun, score=ended.record.final_score, deviation=deviation)


def _check_scores(
    results: Results, reruns: Sequence[Rerun], margin: float | None
) -> list[ScoreCheck]:
    """Compare the runs that differ in the seed only, group by group."""
    groups: dict[RunSpec, list[Rerun]] = {}
    for rerun in reruns:
        groups.setdefault(replace(rerun.published.spec, seed=0), []).append(rerun)
    compared = [spec for spec, group in groups.items() if _needs_scores(group)]
    names = _name_runs(results)
    checks = []
    for spec, group in groups.items():
        name = names[group[0].published.row["run_id"]]
        shift = None
        if spec in compared:
            allowed = _default_margin(results, spec) if margin is None else margin
            shift = _find_shift(group, allowed, len(compared))
        checks.append(ScoreCheck(name, group, shift))
    return checks


def _needs_scores(group: Sequence[Rerun]) -> bool:
    return max(rerun.outcome for rerun in group) == Outcome.UNDECIDED


def _find_shift(group: Sequence[Rerun], margin: float, comparisons: int) -> ScoreShift:
    shifts = [
        rerun.score - float(rerun.published.row["final_score"])
        for rerun in group
        if rerun.score is not None
    ]
    resolution = max(rerun.resolution for rerun in group)
    return ScoreShift(tuple(shifts), margin, resolution, comparisons)


def _default_margin(results: Results, spec: RunSpec) -> float:
    rows = [run.row for run in choose_rows(results, None) if replace(run.spec, seed=0) == spec]
    mean = np.mean([float(row["final_score"]) for row in rows])
    return MARGIN_SHARE * abs(float(mean) - float(rows[0]["baseline_score"]))


def _name_runs(results: Results) -> dict[str, str]:
    """Return the name of each run's group by the run's id."""
    named = name_groups(results.runs)
    several = len(set(named["device"])) > 1
    names = named["task"].astype(str) + " " + named["label"]
    names = names + " on " + named["device"] if several else names
    return dict(zip(named["run_id"], names, strict=True))
