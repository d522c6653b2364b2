"""When a benchmark is the same in two versions: by its settings, and by its source.

Its source is the function that makes the work and all that this uses of the benchmark file and of
files beside it, without comments and docstrings. What it imports from elsewhere is what is
measured.
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_SHOWN = 12


def digest_benchmark(folder: Path, file: Path, name: str, settings: Mapping[str, Any]) -> str:
    """Return a digest of a function's source and of the settings that it is called with.

    Parameters
    ----------
    folder
        Folder that benchmark files lie in; modules in it count as source.
    file, name
        Where the function is and what it is called; if it is not defined there, all of the file
        counts.
    settings
        What it is called with.
    """
    parts = sorted(_list_parts(file, name, folder.resolve()))
    told = json.dumps([parts, settings], sort_keys=True, default=repr)
    return hashlib.sha256(told.encode()).hexdigest()[:_SHOWN]


def _list_parts(file: Path, name: str, folder: Path) -> Iterator[str]:
    """Yield, in Python's own notation, the definitions that a function is made of."""
    tree = ast.parse(file.read_bytes())
    defined = dict(_list_definitions(tree))
    waiting, seen = [name.partition(".")[0]], set()
    if waiting[0] not in defined:
        waiting = list(defined)
    while waiting:
        each = waiting.pop()
        if each in seen or each not in defined:
            continue
        seen.add(each)
        node = defined[each]
        yield f"{each}: {_dump(node)}"
        waiting += [used.id for used in ast.walk(node) if isinstance(used, ast.Name)]
        if isinstance(node, ast.Import | ast.ImportFrom):
            for beside in _find_beside(node, folder):
                if beside != file.resolve():
                    yield f"{beside.name}: {_dump(ast.parse(beside.read_bytes()))}"


def _list_definitions(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the names that a module's own statements define, each with its statement."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((each.asname or each.name.partition(".")[0], node) for each in node.names)
        else:
            stored = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            yield from ((each.id, node) for each in stored if isinstance(each.ctx, ast.Store))


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


def _dump(tree: ast.AST) -> str:
    """Return a tree as text, without docstrings and places."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
