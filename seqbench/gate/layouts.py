"""Where a project keeps its packages, and which of its files are made when it is installed.

What ``pyproject.toml``, ``setup.cfg`` and ``setup.py`` declare is read, not run; a file that cannot
be parsed declares nothing.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from configparser import Error, RawConfigParser
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

_USUAL = ("", "src", "python", "lib")

_FOLDERS = (
    "tool.setuptools.packages.find.where",
    "tool.pdm.build.package-dir",
    "tool.maturin.python-source",
    "tool.uv.build-backend.module-root",
    "tool.hatch.build.dev-mode-dirs",
    "tool.hatch.build.sources",
    "tool.hatch.build.targets.wheel.sources",
    "tool.setuptools.package-dir",
)
"""Entries that name a folder with packages in it, a list of such, or a table of which is whose."""

_PACKAGES = (
    "tool.poetry.packages",
    "tool.hatch.build.packages",
    "tool.hatch.build.targets.wheel.packages",
    "tool.scikit-build.wheel.packages",
)
"""Entries that list packages by their folders."""

_VERSION_FILES = (
    "tool.setuptools_scm.write_to",
    "tool.setuptools_scm.version_file",
    "tool.hatch.build.hooks.vcs.version-file",
    "tool.hatch.build.targets.wheel.hooks.vcs.version-file",
    "tool.pdm.version.write_to",
    "tool.versioningit.write.file",
)
_VERSION_FILE = re.compile(r"""["']?(?:write_to|version_file)["']?\s*[:=]\s*["']([^"']+\.py)["']""")


def list_import_folders(root: Path) -> list[Path]:
    """Return the folders of a version with its packages: declared, then usual ones."""
    folders = dict.fromkeys(root / each for each in [*_list_declared(root), *_USUAL])
    whole = root.resolve()
    return [each for each in folders if each.is_dir() and each.resolve().is_relative_to(whole)]


def list_version_files(root: Path) -> list[PurePosixPath]:
    """Return the Python files that setuptools-scm, hatch-vcs and others write when they build."""
    content = read_pyproject(root)
    found = [find_entry(content, name) for name in _VERSION_FILES]
    found += _VERSION_FILE.findall(read_text(root / "setup.py"))
    named = [PurePosixPath(each) for each in found if isinstance(each, str)]
    inside = [each for each in named if not each.is_absolute() and ".." not in each.parts]
    return [each for each in dict.fromkeys(inside) if each.suffix == ".py"]


def read_text(file: Path) -> str:
    """Return a file's text without loss, whatever its encoding; empty if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError:
        return ""


def read_pyproject(root: Path) -> dict[str, Any]:
    """Return what ``pyproject.toml`` has; nothing if there is none, or it cannot be parsed."""
    with suppress(ValueError):
        return tomllib.loads(read_text(root / "pyproject.toml"))
    return {}


def read_setup_cfg(root: Path) -> RawConfigParser:
    """Return what ``setup.cfg`` has; nothing if there is none, or it cannot be parsed."""
    setup = RawConfigParser(strict=False)
    with suppress(Error):
        setup.read_string(read_text(root / "setup.cfg"))
    return setup


def find_entry(content: Any, name: str) -> Any:
    """Return an entry of nested tables by its name, ``tool.poetry.packages``; None for none."""
    for part in name.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _list_declared(root: Path) -> Iterator[str]:
    """Yield the folders that a project declares, relative to its root."""
    content = read_pyproject(root)
    for name in _FOLDERS:
        found = find_entry(content, name)
        yield from _list_parents(found) if isinstance(found, dict) else _keep_texts(found)
    for name in _PACKAGES:
        yield from _list_parents(find_entry(content, name))
    setup = read_setup_cfg(root)
    yield from setup.get("options.packages.find", "where", fallback="").split()
    lines = setup.get("options", "package_dir", fallback="").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    yield from _list_parents({name.strip(): folder.strip() for name, _, folder in pairs})
    yield from _list_in_setup_py(root)


def _list_parents(declared: Any) -> Iterator[str]:
    """Yield the folders with packages, of a list of packages or of a table of them."""
    if isinstance(declared, list):
        for each in declared:
            if isinstance(each, str):
                yield str(PurePosixPath(each).parent)
            elif isinstance(each, dict):  # poetry
                yield str(each.get("from", ""))
    if isinstance(declared, dict):
        for one, other in ((str(name), str(folder)) for name, folder in declared.items()):
            # setuptools names the package first, hatch the folder
            package, folder = (one, other) if "/" not in one else (other, one)
            if "" in (one, other):
                yield one or other
            elif PurePosixPath(folder).name == package:
                yield str(PurePosixPath(folder).parent)


def _list_in_setup_py(root: Path) -> Iterator[str]:
    """Yield the folders that a ``setup.py`` has in ``package_dir`` and in ``find_packages``."""
    try:
        tree = ast.parse(read_text(root / "setup.py"))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("package_dir", "where"):
            with suppress(ValueError):
                value = ast.literal_eval(node.value)
                yield from [value] if isinstance(value, str) else _list_parents(value)
        if isinstance(node, ast.Call) and _name_of(node.func).startswith("find_"):
            yield from _keep_texts([getattr(each, "value", None) for each in node.args[:1]])


def _name_of(node: ast.expr) -> str:
    return str(getattr(node, "id", getattr(node, "attr", "")))


def _keep_texts(values: Any) -> list[str]:
    listed = values if isinstance(values, list) else [values]
    return [each for each in listed if isinstance(each, str)]
