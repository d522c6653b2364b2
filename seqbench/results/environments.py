"""Environments side by side: which fields decide whether two are the same, and what differs.

An environment is what ``environment.json`` holds. Most of it is there to be read; `DECISIVE` says
what can change a number or a time.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

PARTS = ("machine", "software", "threads", "code")
OF_TIMES = ("machine", "threads")
"""Parts in which two environments may not differ where their times are compared."""

OF_SCORES = ("software.torch.version", "software.packages.numpy", "threads.flags")
"""What decides a score beyond rounding; its settings, data and code are in each row."""

UNKNOWN = object()
"""What is found where nothing is recorded."""

_SHOWN = 8


def _whole(value: Any) -> Any:
    return value


def _first_word(value: Any) -> str:
    return str(value).partition(" ")[0]  # of "Linux 6.18.44": its release changes no number


def _minor_version(value: Any) -> str:
    return str(value).rpartition(".")[0]  # of "CPython 3.11.7"


def _names_and_drivers(value: Any) -> list[str]:
    return [f"{gpu.get('name')}, driver {gpu.get('driver')}" for gpu in value or ()]


DECISIVE: Mapping[str, Callable[[Any], Any]] = {
    "machine.cpu": _whole,
    "machine.architecture": _whole,
    "machine.physical_cores": _whole,
    "machine.logical_cores": _whole,
    "machine.usable_cores": _whole,
    "machine.affinity": _whole,
    "machine.cpu_quota": _whole,
    "machine.gpus": _names_and_drivers,
    "software.os": _first_word,
    "software.python": _minor_version,
    "software.torch": _whole,
    "software.packages.numpy": _whole,
    "threads": _whole,
}
"""The fields that decide, by their path, and what counts of each.

The size of the memory, the kernel's release and other packages are recorded and decide nothing:
what a run imports besides torch and numpy is in the version of its code, and its data in
their fingerprint.
"""


def look_up(environment: Any, path: Sequence[str]) -> Any:
    """Return the value at a path, or `UNKNOWN` where there is none."""
    for name in path:
        if not isinstance(environment, Mapping) or name not in environment:
            return UNKNOWN
        environment = environment[name]
    return environment


def select_decisive(environment: Mapping[str, Any], parts: Sequence[str] = PARTS) -> dict[str, Any]:
    """Return what decides, by path, down to single values; what is not recorded is left out.

    ``parts`` are the beginnings of paths that count.
    """
    chosen: dict[str, Any] = {}
    for path, counted in DECISIVE.items():
        value = look_up(environment, path.split("."))
        if value is not UNKNOWN:
            chosen |= _flatten(path, counted(value))
    return {
        path: value
        for path, value in chosen.items()
        if any(f"{path}.".startswith(f"{part}.") for part in parts)
    }


def _flatten(path: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {path: value}
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        flat |= _flatten(f"{path}.{name}", inner)
    return flat


def digest_environment(environment: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal digits that change with what decides."""
    content = json.dumps(select_decisive(environment), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def list_decisive_differences(
    first: Mapping[str, Any], second: Mapping[str, Any], parts: Sequence[str] = PARTS
) -> list[str]:
    """Return in what decisive fields two environments differ: ``machine.cpu: A, B``.

    A field that one of them does not record, because it is older than the field, is not known to
    differ.

    Parameters
    ----------
    first, second
        Contents of ``environment.json``.
    parts
        Those that count: `PARTS`, `OF_TIMES` or `OF_SCORES`.

    Returns
    -------
    list of str
        Empty where the environments are the same.
    """
    return compare_decisive(select_decisive(first, parts), select_decisive(second, parts))


def compare_decisive(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return in what two answers of `select_decisive` differ, of what both know."""
    return [
        f"{path}: {value}, {second[path]}"
        for path, value in first.items()
        if path in second and second[path] != value
    ]


def list_differences(
    first: Mapping[str, Any], second: Mapping[str, Any], parts: Sequence[str] = PARTS
) -> Iterator[str]:
    """Yield in what two environments differ, decisive or not: ``machine.cpu: A, B``.

    ``parts`` are the names that count; at the top what made a result, not what it was made on, is
    left out. What one of them does not record is not known to differ.
    """
    for name in parts:
        if name not in first or name not in second:
            continue
        ours, theirs = first[name], second[name]
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            inner = sorted({*ours, *theirs}, key=str)
            yield from (f"{name}.{each}" for each in list_differences(ours, theirs, inner))
        elif ours != theirs:
            yield f"{name}: {ours}, {theirs}"


def same_code(was: str, now: str) -> bool:
    """Return whether two digests of code agree, in the parts that both have: see `version_code`."""
    return all(one == other for one, other in zip(was.split("+"), now.split("+"), strict=False))


def format_differences(differences: Sequence[str]) -> str:
    """Return the first few differences in a line, and how many more there are."""
    more = len(differences) - _SHOWN
    return "; ".join([*differences[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
