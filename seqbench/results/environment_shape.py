"""The content of ``environment.json``, with a check of all fields that are used."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any

from seqbench.results.environments import UNKNOWN, look_up

_MOST_NESTED = 20
_TOO_DEEP = f"is nested more than {_MOST_NESTED} deep"
_SHAPES: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("machine", (Mapping,), "an object"),
    *((f"machine.{name}", (str, NoneType), "a text or null") for name in ("cpu", "architecture")),
    *(
        (f"machine.{name}_cores", (int, NoneType), "a whole number or null")
        for name in ("physical", "logical", "usable")
    ),
    ("machine.affinity", (list, NoneType), "a list or null"),
    ("machine.cpu_quota", (int, float, NoneType), "a number or null"),
    ("machine.gpus", (list,), "a list"),
    ("machine.memory_bytes", (int, float), "a number"),
    ("software", (Mapping,), "an object"),
    *((f"software.{name}", (str, NoneType), "a text or null") for name in ("os", "python")),
    ("software.torch", (Mapping,), "an object"),
    ("software.torch.version", (str, NoneType), "a text or null"),
    ("software.packages", (Mapping,), "an object"),
    ("software.packages.numpy", (str, NoneType), "a text or null"),
    ("threads", (Mapping,), "an object"),
    ("code", (Mapping,), "an object"),
    ("code.commit", (str, NoneType), "a text or null"),
    ("pooled", (Mapping,), "an object"),
    ("plugins", (Mapping,), "an object"),
    ("environment_id", (str,), "a text"),
    ("command", (str,), "a text"),
)
"""What is read, by its path, and what it must be where it is there."""


def parse_environment(text: str) -> dict[str, Any]:
    """Return the content of ``environment.json``.

    Raises
    ------
    ValueError
        If it is not a JSON object, or a field is invalid; the text continues
        after the name of the file.
    """
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("must hold a JSON object")
    faults = (_find_strange_values, _find_strange_shapes, _find_strange_digests)
    fault = next(chain.from_iterable(find(content) for find in faults), None)
    if fault is not None:
        raise ValueError(fault)
    return content


def _find_strange_values(content: dict[str, Any]) -> Iterator[str]:
    """Yield what JSON can hold and no environment has: half characters, numbers beyond all use."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), content)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > _MOST_NESTED:
            yield _TOO_DEEP
        elif isinstance(value, dict):
            waiting += [((*path, name), inner) for name, inner in value.items()]
            waiting.append((path, "".join(value)))
        elif isinstance(value, list):
            waiting += [((*path, str(at)), inner) for at, inner in enumerate(value)]
        elif isinstance(value, str) and value.encode("utf-8", "replace").decode() != value:
            yield f"has a lone surrogate in {_name(path)}"
        elif isinstance(value, int | float) and not abs(value) < 2**63:
            yield f"has a number that is not finite in {_name(path)}"


def _find_strange_shapes(content: dict[str, Any]) -> Iterator[str]:
    """Yield which of the values that are read are of another kind."""
    for path, kinds, expected in _SHAPES:
        value = look_up(content, path.split("."))
        fits = isinstance(value, kinds) and not isinstance(value, bool)
        if value is not UNKNOWN and not fits:
            yield f"must have {expected} as {path}, not {_show(value)}"
    for place in ("machine.gpus", "pooled"):
        value = look_up(content, place.split("."))
        if value is UNKNOWN:
            continue
        for each in value.values() if isinstance(value, Mapping) else value:
            if not isinstance(each, Mapping):
                yield f"must have objects in {place}, not {_show(each)}"
            elif place == "machine.gpus" and not {"name", "driver"} <= set(each):
                yield f"must have name and driver of each GPU in {place}"


def _find_strange_digests(content: dict[str, Any]) -> Iterator[str]:
    """Yield which of the plugins' digests is no text."""
    plugins = content.get("plugins")
    for digest in plugins.values() if isinstance(plugins, Mapping) else ():
        if not isinstance(digest, str):
            yield f"must have a SHA-256 as text of each of the plugins, not {_show(digest)}"


def _name(path: Sequence[str]) -> str:
    """Return a path for a message, whatever its names are made of."""
    return ascii(".".join(path))[1:-1][:80] or "its names"


def _show(value: object) -> str:
    shown = json.dumps(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"
