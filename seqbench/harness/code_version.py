"""Which code a run goes through: a digest of its sources, so that a row knows what it came from.

What counts is the variant's own file, the task's and the training loop's, and all that these
import from seqbench or from the package that they belong to. Other packages stand with their
versions in the environment.
"""

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from seqbench.models.model import VARIANTS
from seqbench.spec import RunSpec
from seqbench.tasks.task import TASKS

_LOOP = "seqbench.harness.training"


def version_code(spec: RunSpec) -> str:
    """Return 12 hexadecimal digits that change with the code that a run goes through."""
    roots = (VARIANTS[spec.variant].build.__module__, TASKS[spec.task].__module__, _LOOP)
    return digest_modules(roots)


@cache
def digest_modules(roots: tuple[str, ...]) -> str:
    """Return a digest of the sources of modules and of what they import of their own packages."""
    known = {"seqbench", *(_package(name) for name in roots)}
    sources: dict[str, bytes] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        source = None if name in sources else _read_source(name)
        if source is not None:
            sources[name] = source
            waiting += [each for each in _list_imports(name, source) if _package(each) in known]
    digest = hashlib.sha256()
    for name in sorted(sources):
        digest.update(f"{name} {len(sources[name])};".encode() + sources[name])
    return digest.hexdigest()[:12]


def _package(name: str) -> str:
    return name.partition(".")[0]


def _read_source(name: str) -> bytes | None:
    """Return the source of a module, or None if it is none, or not written in Python."""
    module = sys.modules.get(name)
    try:
        found = getattr(module, "__spec__", None) or importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a name that is imported from a module, not a module
        return None
    origin = found.origin if found else None
    return Path(origin).read_bytes() if origin and origin.endswith(".py") else None


def _list_imports(name: str, source: bytes) -> Iterator[str]:
    """Yield the names of all that may be modules among what a source imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            whole = importlib.util.resolve_name(module, _package_of(name)) if node.level else module
            yield whole
            yield from _inside(whole, (each.name for each in node.names))


def _package_of(name: str) -> str:
    return name.rpartition(".")[0] or name


def _inside(package: str, names: Iterable[str]) -> Iterator[str]:
    return (f"{package}.{each}" for each in names if each != "*")
