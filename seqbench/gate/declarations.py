"""What both versions declare of their benchmarks: which can be compared, and why others cannot."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from seqbench.gate.cases import Case, Part
from seqbench.gate.rules import Rules
from seqbench.gate.sources import digest_benchmark
from seqbench.gate.versions import Version


def pair_declarations(
    base: tuple[Version, Sequence[Mapping[str, Any]]],
    head: tuple[Version, Sequence[Mapping[str, Any]]],
    file: Path,
    rules: Rules,
) -> list[Case]:
    """Return a case for each benchmark of either version, in the order of the head's.

    Parameters
    ----------
    base, head
        Each version with the result of its agent's ``describe``.
    file
        The benchmark file, relative to a version's folder.
    rules
        Which of them, and how they are judged.

    Raises
    ------
    UnknownNameError
        If a name in the rules is not a benchmark's.
    """
    ours, theirs = ({each["name"]: each for each in benchmarks} for _, benchmarks in (base, head))
    names = rules.choose(list(dict.fromkeys([*theirs, *ours])))
    declared = {name: theirs.get(name) or ours[name] for name in names}
    questions = sum(2 + (each["train"] is not None) for each in declared.values())
    cases = []
    for name, benchmark in declared.items():
        case = rules.make_case(benchmark, rules.error_rate / questions)
        case.new = name not in ours
        sides = (base[0], head[0])
        case.obstacles.update(_find_obstacles(name, ours, theirs, sides, file))
        cases.append(case)
    return cases


def _find_obstacles(
    name: str,
    ours: Mapping[str, Mapping[str, Any]],
    theirs: Mapping[str, Mapping[str, Any]],
    versions: tuple[Version, Version],
    file: Path,
) -> Iterator[tuple[Part, str]]:
    """Yield why parts of a benchmark cannot be compared."""
    for benchmarks, side in ((ours, "base"), (theirs, "head")):
        if name not in benchmarks:
            yield from ((part, f"the {side} lacks it") for part in get_args(Part))
            return
    keys: dict[Part, str] = {"time": "work", "memory": "work", "score": "train"}
    for part, key in keys.items():
        sides = zip((ours[name], theirs[name]), versions, strict=True)
        digests = {_digest(benchmark, key, version.folder / file) for benchmark, version in sides}
        if len(digests) > 1:
            settings = ours[name]["settings"] != theirs[name]["settings"]
            yield part, f"its {'settings' if settings else 'source'} changed"


def _digest(benchmark: Mapping[str, Any], key: str, file: Path) -> str:
    if benchmark[key] is None:
        return ""
    source, name = Path(benchmark[key][0]), benchmark[key][1]
    if not source.is_relative_to(file.parent):  # made elsewhere: by functools.partial, for example
        source, name = file, "*"
    return digest_benchmark(file.parent, source, name, benchmark["settings"])
