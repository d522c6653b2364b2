"""Third-party variants and tasks: a file of theirs, or a package that announces them.

A plugin is code that the user chose: it runs because they named the file, or installed the package.
Whatever it does when it is imported is reported as its error; only Ctrl-C is the user's.
"""

import ast
import hashlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from seqbench.errors import ExitCode, PluginError, describe_error, on_one_line

GROUPS = ("seqbench.variants", "seqbench.tasks")
"""Entry-point groups; an entry names a module that registers its members when it is imported."""

_INSTALLED = ("site-packages", "dist-packages")

_folders: set[str] = set()
"""Of the plugin files that were imported: what is in one is found from that one."""


def load_plugins(files: Iterable[Path]) -> None:
    """Import the members that come with seqbench, those of installed packages, and ``files``.

    Raises
    ------
    PluginError
        If a file is not there, or a plugin cannot be imported or does not register what it should;
        it names the plugin, and the line of the plugin where it went wrong.
    """
    from seqbench.training.process_settings import settings_kept

    load_own()
    with settings_kept():
        for group in GROUPS:
            for entry in entry_points(group=group):
                package = entry.dist.name if entry.dist else entry.value
                _import(f"{entry.name} of {package} ({entry.group})", entry.load)
        for file in files:
            _load_file(file)


def load_own() -> None:
    """Import the members that come with seqbench."""
    import seqbench.models
    import seqbench.tasks  # noqa: F401


def digest_plugins(files: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file by its name: the record of plugins in a result."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _import(name: str, load: Callable[[], object], file: Path | None = None) -> None:
    """Import what ``load`` imports; raise `PluginError` for any failure."""
    try:
        with _no_way_out():
            load()
    except KeyboardInterrupt as error:  # the user's, or the plugin's own
        interrupted = PluginError(name, "interrupted during its import")
        interrupted.exit_code = ExitCode.INTERRUPTED
        raise interrupted from error
    except BaseException as error:  # a plugin may raise anything, and may call sys.exit
        raise PluginError(name, _explain(error, file)) from error


@contextmanager
def _no_way_out() -> Iterator[None]:
    """Let ``os._exit`` raise SystemExit in a ``with`` block: a command must not end silently."""
    leave, process = os._exit, os.getpid()

    def refuse(status: int = 0) -> NoReturn:
        if os.getpid() != process:  # a child that the plugin made
            leave(status)
        raise SystemExit(status)

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave


def _load_file(file: Path) -> None:
    try:
        fault = "it is a folder: give a file in it" if file.is_dir() else "file not found"
        missing = not file.is_file()
    except OSError as error:  # such as a name that is too long
        raise PluginError(str(file), f"it cannot be accessed: {error.strerror}") from error
    if missing:
        raise PluginError(str(file), fault)
    if any(_lies_at(module, file) for module in tuple(sys.modules.values())):
        return  # it was named before, or another plugin imported it
    spec = importlib.util.spec_from_file_location(_name_module(file), file)
    if spec is None or spec.loader is None:
        raise PluginError(str(file), "it is not a Python file; its name must end in .py")
    _let_import_from(file.resolve().parent)
    if taken := next(_list_taken(file), None):
        raise PluginError(str(file), taken)
    module, before = importlib.util.module_from_spec(spec), _count_members()
    names = [spec.name, file.stem] if _is_found_as(file.stem, file) else [spec.name]
    sys.modules.update(dict.fromkeys(names, module))
    loader = spec.loader
    try:
        _import(str(file), lambda: loader.exec_module(module), file)
        if _count_members() == before:
            raise PluginError(str(file), "it registers nothing")
    except BaseException:
        for name in names:
            sys.modules.pop(name, None)
        raise


def _count_members() -> int:
    from seqbench.harness.suites import SUITES
    from seqbench.models.model import VARIANTS
    from seqbench.models.readout import READOUTS
    from seqbench.tasks.task import TASKS

    return len(VARIANTS) + len(READOUTS) + len(SUITES) + len(TASKS)


def _name_module(file: Path) -> str:
    """Return a unique name for a plugin's module, without the file's location."""
    name = f"seqbench_plugin_{re.sub(r'[^0-9a-zA-Z_]', '_', file.stem)}"
    number, free = 1, name
    while free in sys.modules:
        number += 1
        free = f"{name}_{number}"
    return free


def _let_import_from(folder: Path) -> None:
    """Let a plugin import files next to it.

    That is found after Python's own modules, so that no file shadows one of them, and before
    installed packages.
    """
    if str(folder) not in sys.path:
        installed = (place for place, each in enumerate(sys.path) if Path(each).name in _INSTALLED)
        sys.path.insert(next(installed, len(sys.path)), str(folder))
    _folders.add(str(folder))


def _is_found_as(name: str, file: Path) -> bool:
    """Return whether ``import name`` would import ``file``, as another plugin next to it may do."""
    try:
        found = importlib.util.find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):
        return False
    return found is not None and found.origin is not None and _is_same(found.origin, file)


def _list_taken(file: Path) -> Iterator[str]:
    """Yield helpers of a plugin with the same name as a helper of another plugin."""
    for name, wanted in _list_beside(file).items():
        origin = _origin_of(sys.modules.get(name))
        if origin and not _is_same(origin, wanted) and _is_beside_a_plugin(origin):
            yield (
                f"it imports {name}, but {origin} is already imported under that name: rename "
                f"one of them"
            )


def _list_beside(file: Path) -> dict[str, Path]:
    """Return by name the files next to a plugin that it imports, also indirectly."""
    folder, waiting = file.resolve().parent, [file]
    found: dict[str, Path] = {}
    while waiting:
        for name in _list_imports(waiting.pop()) - found.keys():
            places = (folder / f"{name}.py", folder / name / "__init__.py")
            if place := next((each for each in places if each.is_file()), None):
                found[name] = place
                waiting.append(place)
    return found


def _list_imports(file: Path) -> set[str]:
    """Return the top-level names that a file imports; none if it is no text of Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    names = {
        each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names
    }
    names |= {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    return {name.partition(".")[0] for name in names}


def _is_beside_a_plugin(origin: str) -> bool:
    place = Path(os.path.realpath(origin)).parent
    return bool({str(place), str(place.parent)} & _folders)


def _lies_at(module: ModuleType | None, file: Path) -> bool:
    return _is_same(_origin_of(module), file)


def _origin_of(module: ModuleType | None) -> str:
    """Return the file of a module; a lazy one is not woken up."""
    origin = getattr(module, "__dict__", {}).get("__file__")
    return origin if isinstance(origin, str) else ""


def _is_same(origin: str, file: Path) -> bool:
    same = bool(origin) and Path(origin).name == file.name
    return same and os.path.realpath(origin) == os.path.realpath(file)


def _explain(error: BaseException, file: Path | None = None) -> str:
    """Return the error in a line, with the last line of ``file`` that it passed through."""
    if isinstance(error, SyntaxError):
        place = f", line {error.lineno}" if error.lineno else ""
        if file and error.filename and not _is_same(error.filename, file):
            place += f" of {error.filename}"
        return f"{type(error).__name__}: {on_one_line(str(error.msg))}{place}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if file and _is_same(frame.filename, file)]
    where = f", line {lines[-1]}" if lines else ""
    if isinstance(error, SystemExit):
        return f"it exits the process when imported ({describe_error(error)}){where}"
    return f"{describe_error(error)}{where}"
