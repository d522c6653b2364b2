"""Several results of one machine as one; refused where what they depended on differs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqbench.environments import (
    format_differences,
    list_decisive_differences,
    list_differences,
)
from seqbench.errors import UsageError
from seqbench.spec import RunSpec
from seqbench.store import Results, ResultWriter, index_runs


def pool_results(results: Sequence[Results], folder: Path) -> None:
    """Write several results into one folder; an earlier result of its name is kept aside.

    Raises
    ------
    UsageError
        If their environments differ, with the fields; or if a run is in two of them.
    """
    first, *others = results
    for other in others:
        differences = list_decisive_differences(first.environment, other.environment)
        differences += list_differences(first.environment, other.environment, ("code",))
        if differences:
            raise UsageError(
                f"{first.name} and {other.name} are of unlike machines and are not pooled: "
                f"{format_differences(differences)}. Set them side by side instead of into one."
            )
    seen: dict[RunSpec, str] = {}
    for each in results:
        for spec, row in index_runs(each.runs).items():
            if spec in seen:
                raise UsageError(f"{row['run_id']} is in {seen[spec]} and in {each.name}")
            seen[spec] = each.name
    commands = [each.environment.get("command", "seqbench run") for each in results]
    environment = {**first.environment, "command": " && ".join(commands)}
    with ResultWriter(folder, environment) as writer:
        writer.add_results([_rename_environment(each, environment) for each in results])


def _rename_environment(results: Results, environment: Mapping[str, Any]) -> Results:
    """Give a result's rows the one environment's id, whatever rule each was named by."""
    if "environment_id" not in environment:
        return results
    runs = results.runs.assign(environment_id=environment["environment_id"])
    return replace(results, runs=runs)
