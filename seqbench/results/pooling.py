"""Several results as one: scores of all of them, times of one machine.

Seeds of one run are scores of one thing wherever they were made, if settings, data, code and what
decides a score of the software are equal. Times belong to a machine: a result whose runs were made
on several has those of the first, see `stats.time_runs`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from seqbench.errors import UsageError
from seqbench.results.consistency import find_inconsistency
from seqbench.results.environments import (
    OF_SCORES,
    digest_environment,
    format_differences,
    list_decisive_differences,
    list_differences,
    same_code,
)
from seqbench.results.reader import Results, concatenate, index_runs
from seqbench.results.records import EPOCHS, PROFILE, RUNS, TIMINGS
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec

Rows = dict[RunSpec, dict[str, Any]]


def pool_results(results: Sequence[Results], folder: Path) -> Path | None:
    """Write several results into one folder; return where an earlier one of its name is archived.

    Raises
    ------
    UsageError
        If something differs that decides a score, with what it is; if a run is in two of them; or
        if runs of another machine are no more seeds of runs that are there.
    """
    first, *others = results
    rows, parts = index_runs(first.runs), [first]
    commands = [each.environment.get("command", "seqbench run") for each in results]
    commands.append(" ".join(["seqbench pool", folder.name, *(each.name for each in results)]))
    environment = {**first.environment, "command": " && ".join(commands)}
    pooled = dict(environment.pop("pooled", {}))
    for other in others:
        added = index_runs(other.runs)
        _check_runs(parts, other, rows, added)
        _check_scores(first, other, rows, added)
        name = first.environment.get("environment_id")
        if machine := list_decisive_differences(first.environment, other.environment):
            _check_times(first, other, rows, added, machine)
            name = digest_environment(other.environment)
            pooled[name] = other.environment
            other = _leave_out_samples(other)
        parts.append(_name_environment(other, name))
        rows |= added
    whole = concatenate(parts, folder.name)
    tables = whole.tables
    if fault := find_inconsistency(tables[RUNS], tables[EPOCHS]):
        raise UsageError(f"these results cannot be merged: {fault[1]}: {fault[2]}")
    with ResultWriter(folder, environment | ({"pooled": pooled} if pooled else {})) as writer:
        writer.add_results([whole])
    return writer.kept_aside


def _check_runs(parts: Sequence[Results], other: Results, rows: Rows, added: Rows) -> None:
    """Refuse a run that is there already."""
    for spec, row in added.items():
        if spec in rows:
            there = next(each for each in parts if spec in index_runs(each.runs))
            raise UsageError(f"{row['run_id']} is in {there.name} and in {other.name}")


def _check_scores(first: Results, other: Results, rows: Rows, added: Rows) -> None:
    """Refuse runs whose scores something else decides as well."""
    differences = list_decisive_differences(first.environment, other.environment, OF_SCORES)
    partners = _find_partners(rows, added)
    for before, row in partners:
        differences += _compare_rows(before, row)
    if len(partners) < len(added):  # code of the others cannot be compared
        differences += list_differences(first.environment, other.environment, ("code",))
    if differences:
        all_of_them = list_decisive_differences(first.environment, other.environment) + differences
        raise UsageError(
            f"{first.name} and {other.name} have different machines or code and cannot be mixed: "
            f"{format_differences(list(dict.fromkeys(all_of_them)))}. Use `seqbench compare` "
            f"instead."
        )


def _check_times(
    first: Results, other: Results, rows: Rows, added: Rows, machine: Sequence[str]
) -> None:
    """Refuse runs of another machine that would have no times next to them, or times to a score."""
    alone = len(added) - len(_find_partners(rows, added))
    timed = any(spec.target is not None for spec in added)
    if alone or timed:
        which = f"{alone} of its runs are" if alone else "runs with a target are"
        raise UsageError(
            f"{other.name} was made on another machine than {first.name} "
            f"({format_differences(machine)}), and {which} not further seeds of its runs: their "
            f"times would belong to no machine. Use `seqbench compare` instead."
        )


def _find_partners(rows: Rows, added: Rows) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the added rows that differ from one that is there in the seed only, with that one."""
    there = {replace(spec, seed=0): row for spec, row in rows.items()}
    keys = {spec: replace(spec, seed=0) for spec in added}
    return [(there[keys[spec]], row) for spec, row in added.items() if keys[spec] in there]


def _compare_rows(before: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[str]:
    """Yield in what two seeds of one run differ that decides their scores."""
    run_ids = f"{before['run_id']}, {row['run_id']}"
    if before["data_fingerprint"] != row["data_fingerprint"]:
        yield f"the data of {run_ids}"
    known = not pd.isna(before["code_version"]) and not pd.isna(row["code_version"])
    if known and not same_code(before["code_version"], row["code_version"]):
        yield f"the code of {run_ids}"


def _leave_out_samples(results: Results) -> Results:
    """Return a result without the timed samples, which are of its own machine."""
    frames = results.frames
    without = {name: frame for name, frame in frames.items() if name not in (TIMINGS, PROFILE)}
    return Results.of_frames(results.name, results.environment, without)


def _name_environment(results: Results, name: str | None) -> Results:
    """Give a result's rows another id of their environment, whatever rule it was named by."""
    if name is None:
        return results
    ids, own = results.runs["environment_id"], results.environment.get("environment_id")
    renamed = ids.where(ids != own, name) if own is not None else name
    return replace(results, runs=results.runs.assign(environment_id=renamed))
