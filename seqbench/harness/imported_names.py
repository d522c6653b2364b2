"""What a source imports: by its statements, by a name in a call, or by the name of a file."""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LOADERS = {"import_module", "__import__", "run_module"}
"""What imports a module by its name, as a function or a method."""

_DYNAMIC = {"importlib", "runpy", "pkgutil"}
"""Modules with which a source may import by names that are not in it."""

_PLUGIN = "seqbench_plugin_"  # how modules of plugins are called, which are no part of each other


def list_imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the names of all that may be modules among what import statements name.

    What is imported for type checkers alone is never run. A name that seqbench lends from one of
    its modules, such as ``seqbench.Encoder``, counts as what that module is.
    """
    for node in _walk_what_runs(tree):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "seqbench":
            yield f"seqbench.{node.attr}"
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            whole = importlib.util.resolve_name(module, package) if node.level else module
            yield whole
            yield from (f"{whole}.{each.name}" for each in node.names if each.name != "*")


def is_for_types(node: ast.AST) -> bool:
    """Return whether a statement is a block that only type checkers read."""
    if not isinstance(node, ast.If):
        return False
    return "TYPE_CHECKING" in (getattr(node.test, "id", ""), getattr(node.test, "attr", ""))


def _walk_what_runs(tree: ast.AST) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        inside = getattr(node, "orelse", ()) if is_for_types(node) else ast.iter_child_nodes(node)
        waiting += reversed(list(inside))


def list_dynamic_imports(tree: ast.Module, package: str, folder: Path) -> Iterator[str]:
    """Yield the names of modules that a source of the user's imports without a statement.

    A name that is made up while it runs is not in the source: if a source can do that,
    all imported files in its folder count.

    Parameters
    ----------
    tree, package
        The source, and the package that its relative names belong to.
    folder
        Its folder.
    """
    loading = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _last_name(node.func) in _LOADERS
    ]
    for call in loading:
        for name in filter(None, map(_text_of, call.args[:1])):
            with suppress(ImportError, ValueError):  # a relative name outside a package
                yield importlib.util.resolve_name(name, package)
    imported = {name.partition(".")[0] for name in list_imports(tree, package)}
    if loading or _DYNAMIC & imported:
        yield from _list_loaded(folder)


def read_named_files(tree: ast.Module, folder: Path) -> Iterator[ast.Module]:
    """Yield the Python files in a folder that a source names in a text, as to run them."""
    names = {_text_of(node) for node in ast.walk(tree)}
    for name in sorted(each for each in names if each.endswith(".py")):
        with suppress(OSError, SyntaxError, ValueError):
            yield ast.parse((folder / name).read_bytes())


def _list_loaded(folder: Path) -> Iterator[str]:
    for name, module in list(sys.modules.items()):
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        inside = isinstance(origin, str) and folder in Path(origin).parents
        if inside and not name.startswith(_PLUGIN):
            yield name


def _last_name(node: ast.expr) -> str:
    """Return the name by which something is called, without what it is an attribute of."""
    return str(getattr(node, "attr", "") or getattr(node, "id", ""))


def _text_of(node: ast.AST) -> str:
    """Return a constant text; empty for anything else."""
    value = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else ""
