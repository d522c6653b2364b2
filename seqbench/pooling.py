"""Several results of one machine as one; refused where what they depended on differs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqbench.errors import UsageError
from seqbench.store import Results, ResultWriter

_PARTS = ("machine", "software", "threads", "code")
_SHOWN = 8


def list_differences(
    first: Mapping[str, Any], second: Mapping[str, Any], parts: Sequence[str] = _PARTS
) -> Iterator[str]:
    """Yield in what two environments differ: ``machine.cpu: A, B``, field by field.

    ``parts`` are the names that count; at the top what made a result, not what it was made on, is
    left out.
    """
    for name in parts:
        ours, theirs = first.get(name), second.get(name)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            inner = sorted({*ours, *theirs}, key=str)
            yield from (f"{name}.{each}" for each in list_differences(ours, theirs, inner))
        elif ours != theirs:
            yield f"{name}: {ours}, {theirs}"


def format_differences(differences: Sequence[str]) -> str:
    """Return the first few differences in a line, and how many more there are."""
    more = len(differences) - _SHOWN
    return "; ".join([*differences[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def pool_results(results: Sequence[Results], folder: Path) -> None:
    """Write several results into one folder; an earlier result of its name is kept aside.

    Raises
    ------
    UsageError
        If their environments differ, with the fields; or if a run is in two of them.
    """
    first, *others = results
    for other in others:
        differences = list(list_differences(first.environment, other.environment))
        if differences:
            raise UsageError(
                f"{first.name} and {other.name} are of unlike machines and are not pooled: "
                f"{format_differences(differences)}. Set them side by side instead of into one."
            )
    seen: dict[str, str] = {}
    for each in results:
        for run_id in each.runs["run_id"]:
            if run_id in seen:
                raise UsageError(f"{run_id} is in {seen[run_id]} and in {each.name}")
            seen[run_id] = each.name
    commands = [each.environment.get("command", "seqbench run") for each in results]
    environment = {**first.environment, "command": " && ".join(commands)}
    with ResultWriter(folder, environment) as writer:
        writer.add_results(results)
