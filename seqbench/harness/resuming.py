"""What is left to do of a plan, given what lies in its result folder already.

A finished run counts only for exactly the same settings, code, data and environment, see `Job`;
so does one that was interrupted and goes on after its last epoch. Whatever does not count is told,
with what it is that changed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from seqbench.errors import ResultsError
from seqbench.harness.code_version import version_code
from seqbench.harness.run import Job, Problem
from seqbench.harness.runner import ProblemKey, problem_of
from seqbench.harness.sampling import Sampling
from seqbench.harness.saving import load_saved
from seqbench.pooling import format_differences, list_differences
from seqbench.spec import RunSpec
from seqbench.store import (
    CHECKPOINTS,
    RUNS,
    UNFINISHED,
    Results,
    load_environment,
    load_results,
    load_unfinished,
    select_runs,
)

DECISIVE = ("machine", "software", "threads")
"""Parts of an environment in which two results of one folder may not differ."""

_ENDED_WELL = ("ok", "unsupported")


@dataclass
class Remainder:
    """What is left to do, what is done, and what to say of it.

    ``earlier`` is None where nothing that lies in the folder counts.
    """

    jobs: list[Job]
    earlier: Results | None = None
    unfinished: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def make_jobs(
    specs: Iterable[RunSpec],
    environment: Mapping[str, Any],
    suite: str,
    sampling: Sampling | None = None,
    *,
    keep_weights: bool = False,
) -> list[Job]:
    """Return a job for each spec, with the version of the code that is there now."""
    code = environment.get("code", {})
    changes = "+changes" if code.get("dirty") else ""
    return [
        Job(
            spec=spec,
            suite=suite,
            environment_id=environment["environment_id"],
            code_version=version_code(spec),
            commit=f"{code['commit']}{changes}" if code.get("commit") else None,
            sampling=sampling,
            keep_weights=keep_weights,
        )
        for spec in specs
    ]


def find_remainder(
    jobs: Sequence[Job],
    problems: Mapping[ProblemKey, Problem],
    folder: Path,
    environment: Mapping[str, Any],
    *,
    retry_failed: bool = False,
) -> Remainder:
    """Compare what is to be done with what lies in ``folder``.

    Parameters
    ----------
    jobs, problems
        All that is to stand in the folder, and what is known of their data.
    folder
        ``results/<name>``, which may not be there.
    environment
        What a result of today records.
    retry_failed
        Whether runs that did not end well are done again.

    Raises
    ------
    ResultsError
        If what lies in the folder cannot be read.
    """
    if not (folder / RUNS).is_file() and not (folder / UNFINISHED).is_dir():
        return Remainder(list(jobs))
    before = load_environment(folder)
    differences = list(list_differences(before, environment, DECISIVE))
    if differences:
        told = f"the earlier result is of another environment ({format_differences(differences)})"
        return Remainder(list(jobs), notes=[f"{told}: everything is run again"])
    earlier = _load_rows(folder)
    return _compare(jobs, problems, folder, earlier, retry_failed)


def _load_rows(folder: Path) -> Results:
    """Return the finished runs; none where only unfinished ones lie."""
    if (folder / RUNS).is_file():
        return load_results(folder)
    return Results.empty(folder.name, load_environment(folder))


def _compare(
    jobs: Sequence[Job],
    problems: Mapping[ProblemKey, Problem],
    folder: Path,
    earlier: Results,
    retry_failed: bool,
) -> Remainder:
    rows = {row["run_id"]: row for row in earlier.runs.to_dict("records")}
    timed = set(earlier.timings["run_id"][earlier.timings["phase"] == "train_step"])
    saved = load_unfinished(folder)
    left: list[Job] = []
    kept: list[str] = []
    unfinished: dict[str, bytes] = {}
    reasons: Counter[str] = Counter()
    notes: list[str] = []
    for job in jobs:
        run_id, problem = job.spec.run_id, problems[problem_of(job.spec)]
        row = rows.get(run_id)
        reason = _find_change(job, problem, row, earlier.runs) if rows else None
        if row is not None and reason is None:
            reason = _find_lack(job, row, folder, run_id in timed, retry_failed)
            if reason is None:
                kept.append(run_id)
                continue
        if reason is not None:
            reasons[reason] += 1
        if row is None and run_id in saved:
            job, note = _go_on(job, problem, saved[run_id])
            notes.append(note)
            if job.saved is not None:
                unfinished[run_id] = saved[run_id]
        left.append(job)
    counted = [f"{_count(number)} run again: {reason}" for reason, number in reasons.items()]
    if kept:
        notes.insert(0, f"{len(kept)} of {len(jobs)} runs are finished already")
        failed = sum(rows[run_id]["status"] not in _ENDED_WELL for run_id in kept)
        if failed:
            notes.insert(1, f"{failed} of them did not end well; --retry-failed runs those again")
    return Remainder(left, select_runs(earlier, kept), unfinished, notes + counted)


def _count(number: int) -> str:
    return "1 run is" if number == 1 else f"{number} runs are"


def _find_change(
    job: Job, problem: Problem, row: Mapping[str, Any] | None, runs: pd.DataFrame
) -> str | None:
    """Say what makes a run another one than that in the folder, or None."""
    if row is None:
        return _find_other_settings(job.spec, runs)
    if row["code_version"] != job.code_version:
        unknown = pd.isna(row["code_version"])
        return "the version of its code is not known" if unknown else "its code has changed"
    if row["data_fingerprint"] != problem.fingerprint:
        return "its data has changed"
    return None


def _find_other_settings(spec: RunSpec, runs: pd.DataFrame) -> str | None:
    """Say in what settings a run differs from the one of its task, variant and seed, if any."""
    same = runs[
        (runs["task"] == spec.task)
        & (runs["variant"] == spec.variant)
        & (runs["seed"] == spec.seed)
    ]
    if same.empty:
        return None
    row = same.iloc[0]
    changed = []
    for each in fields(RunSpec):
        was, now = row[each.name], getattr(spec, each.name)
        was = None if pd.isna(was) else was
        if was != now:
            changed.append(f"{each.name} was {was}, is {now}")
    return "; ".join(changed) or None


def _find_lack(
    job: Job, row: Mapping[str, Any], folder: Path, timed: bool, retry_failed: bool
) -> str | None:
    """Say what a finished run leaves to be wished for, or None."""
    if row["status"] not in _ENDED_WELL:
        return "it did not end well" if retry_failed else None
    if row["status"] == "unsupported":
        return None
    if job.sampling is not None and not timed:
        return "its speed was not measured"
    weights = folder / CHECKPOINTS / f"{job.spec.run_id}.ckpt"
    if job.keep_weights and not weights.is_file():
        return "its weights were not kept"
    return None


def _go_on(job: Job, problem: Problem, content: bytes) -> tuple[Job, str]:
    """Return the job as it goes on from what was kept of it, or as it was; and a word on that."""
    spec = job.spec
    name = f"{spec.task} {spec.variant} seed {spec.seed}"
    try:
        saved = load_saved(content)
    except ResultsError as error:
        return job, f"what was kept of {name} cannot be read and it begins again: {error}"
    now = job.origin(problem.fingerprint)
    changed = [each for each in now if saved.origin.get(each) != now[each]]
    if changed:
        return job, f"{name} begins again: its {' and '.join(changed)} changed since"
    done = len(saved.traces.epochs)
    return replace(job, saved=saved), f"{name} goes on after epoch {done} of {spec.epochs}"
