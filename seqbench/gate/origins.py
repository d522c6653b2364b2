"""From which files the code of this process came: the version's own, installed, or neither.

The agent imports this file, in an environment that may have no seqbench, so it imports only the
standard library.
"""

import gc
import os
import re
import sys
import sysconfig
from collections.abc import Iterator, Sequence, Set
from functools import cache
from pathlib import Path
from types import FunctionType

LENT = "seqbench"
"""The package that may come from the gate itself."""

_NOBODYS = ("__main__", "__mp_main__", "sitecustomize", "usercustomize", "seqbench_gate_")
"""How the names begin of what belongs to the interpreter, or to the agent itself."""

_NOT_OWN = re.compile(r"\.|_?vendor|third_?party|extern|node_modules|site-packages|tests?$|docs?$")
"""How folders are called in which a version has what is not its own."""

_INSTALLED = {"site-packages", "dist-packages"}


class ForeignCodeError(ImportError):
    """Code that is neither of the version nor installed."""


def check_origin(root: Path, folders: Sequence[Path], checked: set[tuple[str, str]]) -> None:
    """Raise if code was imported that is neither this version's nor installed.

    A package that is installed in development mode comes from the working copy, whichever version
    is requested. A package of the version must be imported from there even if it is also installed.

    Parameters
    ----------
    root, folders
        Folder of the version, and those in it with its packages.
    checked
        Names of modules and files of their code that need no second look; more are added.

    Raises
    ------
    ForeignCodeError
        With the name of the package, and the file that it came from.
    """
    whole = root.resolve()
    for name, origin in _list_origins(checked):
        package = name.partition(".")[0]
        if package.startswith(_NOBODYS):
            continue
        place = Path(origin).resolve()
        if not place.is_relative_to(whole):
            installed = package == LENT or is_installed(place) or _belongs(package)
            shadows = package not in sys.stdlib_module_names  # "types.py" shadows nothing here
            if not installed or (
                shadows and (_has_itself(name, folders) or _has_copy(whole, package, place))
            ):
                raise ForeignCodeError(
                    f"{package} was imported from {origin}, not from the version in {root}"
                )
        checked.add((name, origin))
    for library in _list_libraries():
        if library.is_relative_to(_find_working_copy(whole)) and not (
            library.is_relative_to(whole) or is_installed(library)
        ):
            raise ForeignCodeError(f"{library} was loaded instead of that of the version in {root}")


def list_own(root: Path) -> set[str]:
    """Return the files of a version that code of this process came from."""
    whole = root.resolve()
    files = {Path(file) for _, file in _list_origins(set())}
    return {str(each) for each in files if each.resolve().is_relative_to(whole)}


def _list_libraries() -> set[Path]:
    """Return the files of loaded compiled code, where the system reports them."""
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    mapped = (line.split(maxsplit=5) for line in lines)
    return {
        Path(each[5]) for each in mapped if len(each) == 6 and "x" in each[1] and "/" in each[5]
    }


@cache
def _find_working_copy(root: Path) -> Path:
    """Return the folder that a version was checked out from; a place that is nowhere for none."""
    try:
        pointer = (root / ".git").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return root / ".git"
    return Path(pointer.removeprefix("gitdir:").strip().partition("/.git/")[0]).resolve()


def _list_origins(checked: Set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield names of modules and files of their code, except those already checked.

    A module can be loaded without being entered in ``sys.modules``; its functions are found then.
    """
    for name, module in list(sys.modules.items()):
        origin = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(origin, str) and (name, origin) not in checked:
            yield name, origin
    functions = (each for each in gc.get_objects() if type(each) is FunctionType)
    loaded = {
        (str(each.__globals__.get("__name__")), each.__code__.co_filename) for each in functions
    }
    for name, file in loaded - checked:
        if Path(file).is_absolute() and Path(file).is_file():  # not "<string>"
            yield name, file


def _has_itself(name: str, folders: Sequence[Path]) -> bool:
    """Return whether a version has a module, or the package that it is in."""
    paths = (name.partition(".")[0], name.replace(".", "/"))
    ends = (".py", "/__init__.py")
    files = (each / f"{path}{end}" for each in folders for path in paths for end in ends)
    return any(each.is_file() for each in files)


@cache
def _list_packages(root: Path) -> frozenset[Path]:
    """Return the packages of a version, in any folder, but for tests and vendored ones."""
    found = set()
    for place, folders, files in os.walk(root):
        folders[:] = [each for each in folders if not _NOT_OWN.match(each)]
        if "__init__.py" in files and not Path(place, "..", "__init__.py").is_file():
            found.add(Path(place))
    return frozenset(found)


def _has_copy(root: Path, package: str, place: Path) -> bool:
    """Return whether a version has what is installed as ``package``: most of its files, by name.

    A folder that is merely called like another package, such as a back end, has few of them.
    """
    for here in _list_packages(root):
        if here.name == package and package in place.parts[:-1]:
            depth = len(place.parts) - 1 - place.parts[:-1][::-1].index(package)
            installed = {each.name for each in Path(*place.parts[:depth]).glob("*.py")}
            there = {each.name for each in here.glob("*.py")}
            if 2 * len(installed & there) > len(installed | there):
                return True
    return False


def _belongs(package: str) -> bool:
    """Return whether a package is installed: its own compiled files may be anywhere."""
    origin = getattr(sys.modules.get(package), "__file__", None)
    return isinstance(origin, str) and is_installed(Path(origin).resolve())


def is_installed(place: Path) -> bool:
    """Return whether a file is of the standard library or of an installed package."""
    if _INSTALLED & set(place.parts):
        return True
    return any(place.is_relative_to(each) for each in _find_installations())


@cache
def _find_installations() -> frozenset[Path]:
    """Return the folders of the standard library and of installed packages."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    return frozenset(Path(sysconfig.get_path(each)).resolve() for each in kinds)
