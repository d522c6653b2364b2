"""What a source computes, as text and as a digest: without what only describes it.

Two sources are the same if their syntax trees are, with comments, docstrings, error messages and
the arguments in `DESCRIPTIONS` left out. It serves rows, which name the code that they were run
with, and the gate, which compares benchmarks of two versions. In which module of seqbench something
is defined does not count, so that moving it changes no digest.
"""

import ast
import builtins
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, entry_points
from importlib.util import spec_from_file_location
from pathlib import Path

from seqbench import errors, find_home
from seqbench.harness.imported_names import (
    is_for_types,
    list_dynamic_imports,
    list_imports,
    read_named_files,
)
from seqbench.harness.packages import find_version, list_providers
from seqbench.harness.plugins import GROUPS

DESCRIPTIONS: Mapping[str, tuple[int, str]] = {
    "column": (0, "meaning"),
    "Check": (0, "expected"),
    "matching": (1, "expected"),
    "Suite": (0, "summary"),
    "Registry": (0, "kind"),
}
"""Arguments that describe, of what is seqbench's own: by its name, their place and their name."""

_HOUSE = "seqbench"
_INSTALLED = {"site-packages", "dist-packages"}
_IMPLIED = {"ctx", "kind"}  # implied by the position of a name and the quotes of a string
_SHOWN = 12
_ERRORS = {
    name
    for name, kind in {**vars(builtins), **vars(errors)}.items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}


def is_remark(node: object) -> bool:
    """Return whether a statement is a bare string: a docstring, or a remark."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def list_describing(tree: ast.Module, module: str = "") -> frozenset[str]:
    """Return the names in `DESCRIPTIONS` that a module has from seqbench."""
    if _is_house(module):
        return frozenset(DESCRIPTIONS)
    return frozenset(
        each.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and _is_house(node.module)
        for each in node.names
        if each.name in DESCRIPTIONS and each.asname is None
    )


def dump_source(node: object, describing: Set[str], *, wordless: bool = False) -> str:
    """Return a syntax tree as text, without places, remarks and descriptions.

    Parameters
    ----------
    node
        A node, a list of nodes, or a value in one.
    describing
        From `list_describing` of its module.
    wordless
        Whether strings are left out, as they are of errors.
    """
    if isinstance(node, list):
        elements = (
            dump_source(each, describing, wordless=wordless) for each in node if not is_remark(each)
        )
        return f"[{', '.join(elements)}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if wordless and _is_text(node):
        return "text"
    wordless = wordless or _is_error(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in _IMPLIED}
    if isinstance(node, ast.ImportFrom) and _is_house(node.module):
        fields = {"names": [each for each in node.names if each.asname]}
    if isinstance(node, ast.Call) and _name_of(node.func) in describing:
        fields |= _leave_out_description(node)
    dumped = (  # empty fields are left out: later versions of Python have more of them
        f"{name}={dump_source(value, describing, wordless=wordless)}"
        for name, value in fields.items()
        if value is not None and value != []
    )
    return f"{type(node).__name__}({', '.join(dumped)})"


def _is_house(module: str | None) -> bool:
    """Return whether a module is seqbench's own."""
    return (module or "").partition(".")[0] == _HOUSE


def _is_text(node: ast.AST) -> bool:
    is_string = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return is_string or isinstance(node, ast.JoinedStr)


def _is_error(node: ast.AST) -> bool:
    """Return whether a node raises, makes or declares an error: its strings are messages."""
    if isinstance(node, ast.Call):
        return _name_of(node.func) in _ERRORS
    if isinstance(node, ast.ClassDef):
        return any(_name_of(base) in _ERRORS for base in node.bases)
    return isinstance(node, ast.Raise)


def _leave_out_description(call: ast.Call) -> dict[str, list[ast.expr] | list[ast.keyword]]:
    place, name = DESCRIPTIONS[_name_of(call.func)]
    return {
        "args": [each for at, each in enumerate(call.args) if at != place],
        "keywords": [each for each in call.keywords if each.arg != name],
    }


def _name_of(node: ast.expr) -> str:
    """Return the name of what is called or derived from, if it is one: not that of an attribute."""
    return node.id if isinstance(node, ast.Name) else ""


@dataclass(frozen=True)
class Source:
    """One module: what it computes, as texts, and the names of all that it may import."""

    texts: tuple[str, ...]
    imports: tuple[str, ...] = ()


def collect_sources(roots: Iterable[str], without: Iterable[str] = ()) -> dict[str, Source]:
    """Return modules by name, with all that they import of the user's own code and of seqbench.

    Parameters
    ----------
    roots
        Names of modules.
    without
        Names of modules that are left out, with what they alone import.
    """
    sources: dict[str, Source] = {}
    waiting, left_out = list(roots), set(without)
    while waiting:
        name = find_home(waiting.pop())
        if name in sources or name in left_out:
            continue
        if source := read_source(name):
            sources[name] = source
            waiting += source.imports
    return sources


def list_packages(sources: Mapping[str, Source]) -> set[str]:
    """Return the installed packages that modules import, by the names under which they do so."""
    names = {name.partition(".")[0] for each in sources.values() for name in each.imports}
    return {name for name in names if name not in sys.stdlib_module_names and not is_own(name)}


def digest_sources(sources: Mapping[str, Source], packages: Iterable[str] = ()) -> str:
    """Return 12 hexadecimal digits that change with modules and with versions of packages."""
    digest = hashlib.sha256()
    for text in sorted({text for each in sources.values() for text in each.texts}):
        digest.update(f"{text}\n".encode())
    for name in sorted(packages):
        digest.update(f"{name} {_versions_of(name)}\n".encode())
    return digest.hexdigest()[:_SHOWN]


@cache
def is_own(package: str) -> bool:
    """Return whether a package is code under development, or that registers members with seqbench.

    That is all but the standard library and what is installed as a distribution; an editable
    installation counts as the user's code.
    """
    if package in sys.stdlib_module_names:
        return False
    found = _find_module(package)
    if found is None:
        return False
    places = [found.origin or "", *(found.submodule_search_locations or ())]
    installed = any(_INSTALLED & set(Path(place).parts) for place in places)
    return not installed or package in _list_announced()


@cache
def read_source(name: str) -> Source | None:
    """Return what a module computes; None if there is none, or if it is not the user's code.

    seqbench's own top is none: it lends names, see `find_home`, and computes nothing.
    """
    own = name != _HOUSE and is_own(name.partition(".")[0])
    found = _find_module(name) if own else None
    if found is None or not found.origin or not Path(found.origin).is_file():
        return None
    content = Path(found.origin).read_bytes()
    try:
        tree = ast.parse(content if found.origin.endswith(".py") else b"\0")
    except (SyntaxError, ValueError):  # compiled, or for another Python
        return Source((f"{name} {hashlib.sha256(content).hexdigest()}",))
    is_package = found.submodule_search_locations is not None
    package = name if is_package else name.rpartition(".")[0]
    describing = list_describing(tree, name)
    imports = list(list_imports(tree, package))
    if _is_house(name):
        return Source(tuple(_dump_statements(tree, describing)), tuple(dict.fromkeys(imports)))
    text = f"{name} {dump_source(tree, describing)}"
    folder = Path(found.origin).parent
    imports += list_dynamic_imports(tree, package, folder)
    for named in read_named_files(tree, folder):
        text += dump_source(named, list_describing(named))
        imports += list_imports(named, package)
    return Source((text,), tuple(dict.fromkeys(imports)))


def _dump_statements(tree: ast.Module, describing: Set[str]) -> Iterator[str]:
    """Yield a module's statements as text, and name by name what it imports from elsewhere."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            named = (each for each in node.names if each.asname or not _is_house(module))
            home = "" if _is_house(module) else module
            yield from (f"{home} {each.name} {each.asname or ''}" for each in named)
        elif not (is_remark(node) or is_for_types(node)):
            yield dump_source(node, describing)


def lies_in_file(name: str) -> bool:
    """Return whether a module was read from a file, so that its code can be read."""
    return _find_module(name) is not None


def _find_module(name: str) -> ModuleSpec | None:
    module = sys.modules.get(name)
    spec: ModuleSpec | None = getattr(module, "__spec__", None)
    if spec:
        return spec
    if file := getattr(module, "__file__", None):  # a script
        return spec_from_file_location(name, file)
    try:
        return importlib.util.find_spec(name)
    except Exception:  # no module but a name in one, or a module's package cannot be imported
        return None


@cache
def _list_announced() -> set[str]:
    """Return the packages that register members, and seqbench."""
    entries = (entry for group in GROUPS for entry in entry_points(group=group))
    return {_HOUSE, *(entry.module.partition(".")[0] for entry in entries)}


def _versions_of(package: str) -> list[str]:
    found = []
    for name in sorted(set(_list_distributions().get(package, ()))):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {find_version(name, [package])}")
    return found


@cache
def _list_distributions() -> Mapping[str, list[str]]:
    return list_providers()
