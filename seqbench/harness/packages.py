"""Which versions of packages are imported: what is installed is not always that.

A package may be on the path twice, what pip could not remove has a name that begins with ~, and a
plain folder may precede an installed package.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import Distribution, PackageNotFoundError, distributions
from importlib.util import find_spec
from pathlib import Path

_IMPORTABLE = (".py", ".so", ".pyd")


def list_versions() -> dict[str, str]:
    """Return the version of each installed package that an import takes, by its name, in order."""
    provided: dict[str, set[str]] = {}
    for name, modules in _list_installed():
        provided.setdefault(name, set()).update(modules)
    versions = {}
    for name in sorted(provided, key=str.lower):
        with suppress(Exception):  # left over by pip, or damaged
            versions[name] = find_version(name, provided[name])
    return versions


def find_version(name: str, modules: Iterable[str]) -> str:
    """Return the version of a package that an import takes.

    That is the one that comes first on the path; of what is imported already, the one that lies
    where it was imported from, and of what is not installed there the version that it declares.

    Parameters
    ----------
    name
        Of the package, as it is installed.
    modules
        Names of the modules at its top.

    Raises
    ------
    PackageNotFoundError
        If it is not installed.
    """
    installed = [known for each in distributions(name=name) if (known := _version_of(each))]
    if not installed:
        raise PackageNotFoundError(name)
    places = [place for each in sorted(modules) if (place := _find_place(each))]
    for place in dict.fromkeys(places):
        for found in distributions(name=name, path=[place]):
            if known := _version_of(found):
                return known
    if not places:
        return installed[0]
    declared = (getattr(sys.modules.get(each), "__version__", None) for each in sorted(modules))
    return next((each for each in declared if isinstance(each, str)), "unknown")


def list_providers() -> dict[str, list[str]]:
    """Return the names of the packages that have a module, by the module's name."""
    providers: dict[str, list[str]] = {}
    for name, modules in _list_installed():
        for module in modules:
            providers.setdefault(module, []).append(name)
    return providers


def _list_installed() -> Iterator[tuple[str, set[str]]]:
    """Yield the name and the modules of each distribution on the path."""
    for each in distributions():
        with suppress(Exception):  # what is there may be damaged in any way
            name = _read_metadata(each)["Name"]
            if name and not name.startswith("~"):  # left over by pip
                yield name, _list_modules(each)


def _read_metadata(found: Distribution) -> "Message[str, str]":
    """Return the fields of a distribution, without the pages of text that follow them."""
    text = next(filter(None, map(found.read_text, ("METADATA", "PKG-INFO", ""))), "")
    return HeaderParser().parsestr(text.partition("\n\n")[0])


def _list_modules(found: Distribution) -> set[str]:
    declared = (found.read_text("top_level.txt") or "").split()
    if declared:
        return set(declared)
    files = (line.partition(",")[0] for line in (found.read_text("RECORD") or "").splitlines())
    tops = (file.partition("/") for file in files if file.endswith(_IMPORTABLE))
    return {top if slash else top.partition(".")[0] for top, slash, _ in tops}


def _version_of(found: Distribution) -> str | None:
    """Return the version of a distribution; None where its metadata are empty or damaged."""
    try:
        return _read_metadata(found)["Version"] or None
    except Exception:
        return None


def _find_place(name: str) -> str | None:
    """Return the folder on the path that a module was, or would be, imported from."""
    try:
        file = getattr(sys.modules.get(name), "__file__", None)
        spec = None if file else find_spec(name)
    except Exception:  # what is there may be damaged in any way
        return None
    if not (file := file or getattr(spec, "origin", None)) or not Path(file).is_absolute():
        return None
    is_package = Path(file).stem == "__init__"
    return str(Path(file).parents[1 if is_package else 0])
