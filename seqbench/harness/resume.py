"""What is left to do of a plan, given what lies in its result folder already.

A finished run counts only for exactly the same settings, code, data and environment, see `Job`;
so does one that was interrupted and resumes after its last epoch. Whatever does not count is
reported with what changed. A run is found by the settings in its row, and keeps the id there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from seqbench.errors import ResultsError
from seqbench.harness.code_version import version_code
from seqbench.harness.job import Job
from seqbench.harness.problems import Problem, ProblemKey, problem_of
from seqbench.harness.state import load_saved
from seqbench.harness.stored_run import ENDED_WELL, find_change, find_lack, find_other_settings
from seqbench.results.environments import format_differences, list_decisive_differences
from seqbench.results.reader import (
    UNFINISHED,
    Results,
    index_runs,
    load_environment,
    load_results,
    load_unfinished,
    select_runs,
)
from seqbench.results.records import CODE_DIGEST_SCHEMA, RUNS
from seqbench.spec import RunSpec
from seqbench.timing.sampler import Sampling


@dataclass
class Remainder:
    """What is left to do, what is done, and what to say of it.

    ``earlier`` is None where nothing that lies in the folder counts; ``order`` has the ids of all
    runs that are to stand in the folder, in the order of the plan.
    """

    jobs: list[Job]
    earlier: Results | None = None
    order: list[str] = field(default_factory=list)
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
    specs, measured = list(specs), sampling is not None
    versions = {  # seeds and settings change nothing in the code
        members: version_code(spec, measured=measured)
        for members, spec in {_members_of(spec): spec for spec in specs}.items()
    }
    code = environment.get("code", {})
    changes = "+changes" if code.get("dirty") else ""
    return [
        Job(
            spec=spec,
            suite=suite,
            environment_id=environment["environment_id"],
            code_version=versions[_members_of(spec)],
            commit=f"{code['commit']}{changes}" if code.get("commit") else None,
            sampling=sampling,
            keep_weights=keep_weights,
        )
        for spec in specs
    ]


def _members_of(spec: RunSpec) -> tuple[str, str, str]:
    return spec.task, spec.variant, spec.readout


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
    saved = load_unfinished(folder)
    differences = list_decisive_differences(before, environment)
    if not differences:
        same = before.get("environment_id", environment["environment_id"])
        jobs = [replace(job, environment_id=same) for job in jobs]  # a folder holds one id
        return _compare(jobs, problems, folder, _load_rows(folder), saved, retry_failed)
    # none of its rows counts; what was begun here since lies beside them until a run has ended
    none = Results.empty(folder.name, dict(environment))
    left = _compare(jobs, problems, folder, none, saved, retry_failed)
    told = f"the earlier result is of another environment ({format_differences(differences)})"
    told += ": everything is run again" if (folder / RUNS).is_file() else ""
    return replace(left, earlier=none if left.unfinished else None, notes=[told, *left.notes])


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
    saved: dict[str, bytes],
    retry_failed: bool,
) -> Remainder:
    rows = index_runs(earlier.runs)
    planned = {job.spec for job in jobs}
    others = {
        (spec.task, spec.variant, spec.seed): spec
        for spec in reversed(rows)  # the first one counts
        if spec not in planned
    }
    timed = set(earlier.timings["run_id"][earlier.timings["phase"] == "train_step"])
    left: list[Job] = []
    kept: list[Mapping[str, Any]] = []
    order: list[str] = []
    unfinished: dict[str, bytes] = {}
    reasons: Counter[str] = Counter()
    notes: list[str] = []
    for job in jobs:
        run_id, row = job.spec.run_id, rows.get(job.spec)
        if row is None:
            reason = find_other_settings(job.spec, others)
        else:
            reason = find_change(job, problems[problem_of(job.spec)], row)
            reason = reason or find_lack(job, row, folder, row["run_id"] in timed, retry_failed)
            if reason is None:
                kept.append(row)
                order.append(row["run_id"])
                continue
        if reason is not None:
            reasons[reason] += 1
        if content := saved.pop(run_id, None):
            job, note = _go_on(job, problems[problem_of(job.spec)], content)
            notes.append(note)
            if job.saved is not None:
                unfinished[run_id] = content
        left.append(job)
        order.append(run_id)
    notes = [*_describe_kept(kept, len(jobs)), *notes]
    notes += [f"{_count(number)} run again: {reason}" for reason, number in reasons.items()]
    stored = set(earlier.runs["run_id"])
    notes += _describe_strangers([each for each in saved if each not in stored])
    chosen = select_runs(earlier, [row["run_id"] for row in kept])
    return Remainder(left, chosen, order, unfinished, notes)


def _describe_kept(kept: Sequence[Mapping[str, Any]], planned: int) -> list[str]:
    """Say how many runs count, and what is to be known of them."""
    if not kept:
        return []
    notes = [f"{len(kept)} of {planned} runs are finished already"]
    failed = sum(row["status"] not in ENDED_WELL for row in kept)
    if failed:
        notes.append(f"{failed} of them failed; --retry-failed runs those again")
    older = sum(row["schema_version"] < CODE_DIGEST_SCHEMA for row in kept)
    if older:
        notes.append(
            f"{older} of them are of an earlier schema, whose digest of the code followed another "
            f"rule: whether their code is the same was not compared; --restart runs all again"
        )
    return notes


def _describe_strangers(run_ids: Sequence[str]) -> list[str]:
    """Report saved states of runs that are not resumed."""
    if not run_ids:
        return []
    return [
        f"the saved state of {', '.join(run_ids)} is of a run that is not planned, or of an "
        f"earlier schema: it is not resumed, and is archived with the earlier result"
    ]


def _count(number: int) -> str:
    return "1 run is" if number == 1 else f"{number} runs are"


def _go_on(job: Job, problem: Problem, content: bytes) -> tuple[Job, str]:
    """Return the job with its saved state, or as it was, and a message on that."""
    spec = job.spec
    name = f"{spec.task} {spec.variant} seed {spec.seed}"
    try:
        saved = load_saved(content)
    except ResultsError as error:
        return job, f"the saved state of {name} cannot be read and it starts over: {error}"
    now = job.origin(problem.fingerprint)
    changed = [each for each in now if saved.origin.get(each) != now[each]]
    if changed:
        return job, f"{name} starts over: its {' and '.join(changed)} changed since"
    done = len(saved.traces.epochs)
    return replace(job, saved=saved), f"{name} resumes after epoch {done} of {spec.epochs}"
