"""Whether two versions are the same code, so that there is nothing to measure.

All files of both are compared, not only those that a benchmark is known to import: what it reads,
or imports by a name that it makes up, counts too. Files in which only documentation differs,
documentation and comments and docstrings of Python, are watched while each benchmark is done once:
code that reads them may behave differently in the other version.
"""

import ast
import filecmp
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqbench.formatting import join_words
from seqbench.gate.layouts import read_text
from seqbench.gate.sides import LOADING_S, allow, start_sides
from seqbench.gate.versions import Versions

_PROSE = {".md", ".rst", ".adoc"}
_DOCS = {"docs", "doc"}
_LOOKS_AT_WORDS = re.compile(
    r"__doc__|getdoc|lineno|co_lines|co_positions|co_linetable|co_consts|settrace|\bhelp\("
    r"|^[ \t]*(?:import|from)[ \t]+(?:cProfile|click|cmd|dis|docopt|doctest|faulthandler|inspect"
    r"|marshal|profile|pydoc|trace|typer|unittest|xmlrpc)\b",
    re.MULTILINE,
)
"""What a Python file has that makes something of docstrings or lines that are imported already."""


@dataclass(frozen=True)
class Differences:
    """Files in which two versions differ, relative to their folders.

    Parameters
    ----------
    words
        Those that differ only in documentation.
    lone
        Those of them that one of the versions lacks.
    others
        All that differ otherwise.
    """

    words: tuple[str, ...] = ()
    lone: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def find_differences(base: Path, head: Path) -> Differences:
    """Return the files that differ in two folders, but for those of git."""
    words, lone, others = [], [], []
    for each in _list_files(base, head):
        one, other = base / each, head / each
        if not _differ(one, other):
            continue
        if _is_prose(each) and not (one.is_symlink() or other.is_symlink()):
            words.append(str(each))
            lone += [str(each)] if not (one.exists() and other.exists()) else []
        elif each.suffix == ".py" and _compute_the_same(one, other):
            words.append(str(each))
        else:
            others.append(str(each))
    return Differences(tuple(words), tuple(lone), tuple(others))


def are_same_code(versions: Versions, found: Differences) -> bool:
    """Return whether two versions are equal except for documentation.

    Parameters
    ----------
    versions
        What is compared.
    found
        From `find_differences`, before anything ran in the folders.
    """
    base, head = versions.base, versions.head
    return not (versions.base_env or base.python != head.python or found.others)


def find_readers(
    versions: Versions, file: Path, names: Sequence[str], found: Differences, deadline: float
) -> str:
    """Return what may make something of differing documentation; nothing if they do not count.

    Parameters
    ----------
    versions, file, names
        What is compared: the benchmark file, relative to a version's folder, and the benchmarks,
        which are all done once, by both versions.
    found
        From `find_differences`.
    deadline
        Until when that may take, by `time.monotonic`; loading may take longer.

    Raises
    ------
    VersionError
        If a version fails, or runs code that is neither its own nor installed.
    """
    if not found.words:
        return ""
    with start_sides(versions, file) as sides:
        sides.ask_both("load", found.words, found.lone, within_s=LOADING_S)
        for left, name in zip(range(len(names), 0, -1), names, strict=True):
            sides.ask_both("rehearse", name, within_s=allow(deadline, left))
        answers = sides.ask_both("tell_reading")
    if read := sorted({each for reads, _ in answers for each in reads}):
        return f"the benchmarks read {join_words(read)}"
    if any(each.endswith(".py") for each in found.words):
        for each in sorted(each for _, files in answers for each in files):
            if match := _LOOKS_AT_WORDS.search(read_text(Path(each))):
                return f"{Path(each).name} has {match[0].strip()!r}"
    return ""


def _list_files(base: Path, head: Path) -> list[Path]:
    """Return all files of either folder but those of git, in order."""
    found = {
        (Path(place) / name).relative_to(root)
        for root in (base, head)
        for place, folders, names in os.walk(root)
        for name in [*names, *(each for each in folders if (Path(place) / each).is_symlink())]
    }
    return sorted(each for each in found if ".git" not in each.parts)


def _differ(one: Path, other: Path) -> bool:
    """Return whether two files differ in kind, in whether they may be run, or in a byte."""
    if not _are_of_a_kind(one, other):
        return True
    if one.is_symlink():
        return one.readlink() != other.readlink()
    return not filecmp.cmp(one, other, shallow=False)


def _are_of_a_kind(one: Path, other: Path) -> bool:
    if not (os.path.lexists(one) and os.path.lexists(other)):
        return False
    modes = [each.lstat().st_mode for each in (one, other)]
    return stat.S_IFMT(modes[0]) == stat.S_IFMT(modes[1]) and not (
        (modes[0] ^ modes[1]) & stat.S_IXUSR
    )


def _is_prose(file: Path) -> bool:
    in_docs = len(file.parts) > 1 and file.parts[0] in _DOCS and file.suffix != ".py"
    return in_docs or file.suffix.lower() in _PROSE


def _compute_the_same(one: Path, other: Path) -> bool:
    """Return whether two Python files have one syntax tree, without comments and docstrings."""
    if not _are_of_a_kind(one, other) or one.is_symlink():
        return False
    try:
        return _dump(one) == _dump(other)
    except (SyntaxError, ValueError, RecursionError):
        return False


def _dump(file: Path) -> str:
    return ast.dump(_strip_docstrings(ast.parse(file.read_bytes())))


def _strip_docstrings(tree: ast.Module) -> ast.Module:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree
