"""Whether two versions are the same code, so that there is nothing to measure.

All files of both are compared, not only those that a benchmark is known to import: what it reads,
or imports by a name that it makes up, counts too. Two files are the same if their bytes are; a
Python file also if its syntax tree is, without comments and docstrings, in a project that does not
look at them; and documentation may differ that lies beside no code and that no text in the code
names: the file, its folder, or the end of its name.
"""

import ast
import filecmp
import os
import re
import stat
from collections.abc import Iterator, Set
from pathlib import Path

from seqbench.gate.layouts import read_text
from seqbench.gate.versions import Versions

_PROSE = {".md", ".rst", ".adoc"}
_DOCS = {"docs", "doc"}
_NOT_RUN = {*_DOCS, "tests", "test"}
_TEST = re.compile(r"test_.*|.*_test\.py|conf\.py")
_BUILDS = {"setup.py", "noxfile.py", "conftest.py"}
_LOOKS_AT_WORDS = re.compile(
    r"__doc__|getsource|^\s*(?:import|from) +(?:inspect|linecache|doctest|docopt)\b"
    r"|# *type:(?! *ignore)|pydoc|getdoc|tokenize|lineno|co_lines|co_positions"
    r"|^(?!.*(?:parent|dirname|with_name)).*__file__",
    re.MULTILINE,
)
"""What a Python file has that makes something of docstrings, comments or lines."""


def are_same_code(versions: Versions) -> bool:
    """Tell whether two versions have the same code, data and environment."""
    base, head = versions.base, versions.head
    if versions.base_env or base.python != head.python:
        return False
    return not any(find_differences(base.folder, head.folder))


def find_differences(base: Path, head: Path) -> Iterator[Path]:
    """Yield the files of two folders that differ in what they do, relative to the folders."""
    changed = [each for each in _list_files(base, head) if _differ(base / each, head / each)]
    sources = list(_read_sources(head)) if changed else []
    named = {text for source in sources for text in _list_texts(source)} if changed else set()
    wordless = not any(map(_LOOKS_AT_WORDS.search, sources))
    for each in changed:
        if _is_prose(each) and not _may_be_read(each, head, named):
            continue
        alike = wordless and each.suffix == ".py" and _compute_the_same(base / each, head / each)
        if not alike:
            yield each


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
    """Tell whether two files differ in kind, in whether they may be run, or in a byte."""
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


def _read_sources(root: Path) -> Iterator[str]:
    """Yield the text of each Python file that a benchmark may run."""
    for file in sorted(root.rglob("*.py")):
        place = file.relative_to(root)
        test = _NOT_RUN & set(place.parts[:-1]) and _TEST.fullmatch(place.name)
        if file.is_file() and not (test or place.name in _BUILDS):
            yield read_text(file)


def _is_prose(file: Path) -> bool:
    in_docs = len(file.parts) > 1 and file.parts[0] in _DOCS and file.suffix != ".py"
    return in_docs or file.suffix.lower() in _PROSE


def _list_texts(source: str) -> Iterator[str]:
    """Yield the texts in a Python file but docstrings, also the parts of f-strings."""
    try:
        tree = _strip_docstrings(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError):
        yield source
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _may_be_read(file: Path, root: Path, named: Set[str]) -> bool:
    """Tell whether code may read a file: it lies beside code, or is named in some."""
    folders = [each for each in file.parents if each.parts and not _NOT_RUN & set(each.parts)]
    if any((root / each).is_dir() and any((root / each).glob("*.py")) for each in folders):
        return True
    end = re.compile(rf"(?:^|[^\w-]|%[sd]){re.escape(file.suffix)}")
    parts = set(file.parts[:-1])
    return any(
        file.name in text
        or end.search(text)
        or (len(text) > len(file.suffix) and file.name.endswith(text) and file.suffix in text)
        or parts & set(re.split(r"[/\\]", text))
        for text in named
    )


def _compute_the_same(one: Path, other: Path) -> bool:
    """Tell whether two Python files have one syntax tree, without comments and docstrings."""
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
