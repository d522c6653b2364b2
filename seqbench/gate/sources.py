"""When a benchmark is the same in two versions: by its settings, and by its source.

Its source is the function that makes the work and all that this uses of the benchmark file, with
the statements there that define nothing, and the files next to it that are imported, whole; what
only describes is left out, see `source_digest`. What it imports from elsewhere is what is measured.
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from seqbench.harness.source_digest import dump_source, is_remark, list_describing

_SHOWN = 12
_ALL = "*"
_SCOPES = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda


def digest_benchmark(folder: Path, file: Path, name: str, settings: Mapping[str, Any]) -> str:
    """Return a digest of a function's source and of the settings that it is called with.

    Parameters
    ----------
    folder
        Folder with benchmark files; modules in it count as source.
    file, name
        Where the function is and what it is called; if it is not defined there, all of the file
        counts.
    settings
        What it is called with.
    """
    parts = sorted(_list_parts(file, name, folder.resolve()))
    text = json.dumps([parts, settings], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:_SHOWN]


def _list_parts(file: Path, name: str, folder: Path) -> Iterator[str]:
    """Yield, in Python's own notation, the statements that a function depends on."""
    waiting, seen = [(file.resolve(), name.partition(".")[0])], set()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        path, wanted = place
        tree = ast.parse(path.read_bytes())
        describing = list_describing(tree)
        defined, always = _list_statements(tree)
        known = wanted in defined
        if not known and wanted != _ALL:
            waiting += [(path, _ALL)] if path == file.resolve() and len(seen) == 1 else []
            continue
        for node in [*always, *(defined[wanted] if known else chain(*defined.values()))]:
            yield f"{path.name} {dump_source(node, describing)}"
            waiting += [(path, used.id) for used in ast.walk(node) if isinstance(used, ast.Name)]
            for each in ast.walk(node):
                if isinstance(each, ast.Import | ast.ImportFrom):
                    waiting += [(beside, _ALL) for beside in _find_beside(each, folder)]


def _list_statements(tree: ast.Module) -> tuple[dict[str, list[ast.stmt]], list[ast.stmt]]:
    """Return a module's statements by the names that they define, and those that define none.

    The latter, such as a setting of torch's, count for every benchmark.
    """
    defined: dict[str, list[ast.stmt]] = {}
    always = []
    for node in (each for each in tree.body if not is_remark(each)):
        names = set(_list_names(node))
        for name in names:
            defined.setdefault(name, []).append(node)
        if not names:
            always.append(node)
    return defined, always


def _list_names(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement defines in its module, not those inside what it defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (each.asname or each.name.partition(".")[0] for each in node.names)
    elif isinstance(node, ast.Name):
        yield from [node.id] if isinstance(node.ctx, ast.Store) else []
    elif not isinstance(node, _SCOPES):
        yield from chain.from_iterable(map(_list_names, ast.iter_child_nodes(node)))


def _find_beside(node: ast.Import | ast.ImportFrom, folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that an import may mean."""
    names = [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom):
        names = [node.module or "", *(f"{node.module or ''}.{each}" for each in names)]
    for name in names:
        path = folder / f"{name.rpartition('.')[2]}.py"
        inside = name.rpartition(".")[0] in ("", folder.name)
        if inside and path.is_file():
            yield path.resolve()
