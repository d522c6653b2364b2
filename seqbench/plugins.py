"""Other people's variants and tasks: a file of theirs, or a package that announces them.

A plugin is code that the user chose: it runs because they named the file, or installed the package.
"""

import importlib.util
import sys
import traceback
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from seqbench.errors import PluginError

GROUPS = ("seqbench.variants", "seqbench.tasks")
"""Entry-point groups; an entry names a module that registers its members when it is imported."""


def load_plugins(files: Iterable[Path]) -> None:
    """Import the members that come with seqbench, those of installed packages, and ``files``.

    Raises
    ------
    PluginError
        If a file is not there, or a plugin cannot be imported or does not register what it should;
        it names the plugin, and the line of the plugin where it went wrong.
    """
    import seqbench.models
    import seqbench.tasks  # noqa: F401

    for group in GROUPS:
        for entry in entry_points(group=group):
            _load_entry(entry)
    for file in files:
        _load_file(file)


def _load_entry(entry: EntryPoint) -> None:
    package = entry.dist.name if entry.dist else entry.value
    try:
        entry.load()
    except Exception as error:  # a plugin may raise anything
        raise PluginError(f"{entry.name} of {package} ({entry.group})", _explain(error)) from error


def _load_file(file: Path) -> None:
    if not file.is_file():
        raise PluginError(str(file), "there is no such file")
    name = f"seqbench_plugin_{file.stem}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(str(file), "it is no Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a plugin may raise anything
        del sys.modules[name]
        raise PluginError(str(file), _explain(error, file)) from error


def _explain(error: BaseException, file: Path | None = None) -> str:
    """Return the error in a line, with the last line of ``file`` that it passed through."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if file and Path(frame.filename) == file]
    where = f", line {lines[-1]}" if lines else ""
    return f"{type(error).__name__}: {error}{where}"
