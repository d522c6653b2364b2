"""Which of some files this process reads, other than to import them.

Requests to the interpreter are recorded by an audit hook (`PEP 578
<https://peps.python.org/pep-0578/>`_); of what it does not report, asking for a file's state and
forking, the functions are replaced. The agent imports this file, in an environment that may have no
seqbench, so it imports only the standard library.
"""

import _posixsubprocess
import os
import posix
import posixpath
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

PROCESS = "another process"
"""What replaces all that a process reads which this one starts."""

_IMPORTS = "<frozen importlib._bootstrap_external>"
_IMPORTING = ["get_data", "get_code", "exec_module"]
"""The functions by which Python reads a source to run it, the innermost first."""

_RESOLVING = ("realpath", "_joinrealpath", "resolve")
"""The functions that look at a path's links alone."""

_RESOLVERS = {each.__code__.co_filename for each in (posixpath.realpath, Path.resolve)}

_STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
_TOUCHES = ("os.", "shutil.", "sqlite3.")
"""How other events begin whose first argument may be a file."""

_ASKS = ("stat", "lstat", "access", "readlink", "statvfs", "pathconf")
_stat = os.stat


class Reading:
    """Records which of some files this process reads, until it ends.

    Parameters
    ----------
    root
        Folder with the files.
    files
        Files, relative to it.
    lone
        Those that only one of two versions has: a list of names distinguishes the two.
    """

    def __init__(self, root: Path, files: Sequence[str], lone: Sequence[str]) -> None:
        self._files = {_identify(root / each): each for each in files}
        self._ends = {Path(each).name: each for each in files}
        self._scanned = {_identify((root / each).parent): each for each in files}
        self._listed = {_identify((root / each).parent): each for each in lone}
        self.found: set[str] = set()
        sys.addaudithook(self._hear)
        for function in _ASKS:
            telling = _tell(getattr(os, function), self._note_file)
            setattr(os, function, telling)
            setattr(posix, function, telling)
        fork = _tell(_posixsubprocess.fork_exec, lambda _: self.found.add(PROCESS))
        setattr(_posixsubprocess, "fork_exec", fork)  # noqa: B010 (its type is narrower)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            if not (str(arguments[0]).endswith((".py", ".pyc")) and _is_import(sys._getframe(1))):
                self._note_file(arguments[0])
        elif event == "os.listdir":
            if not _is_lookup(sys._getframe(1)):
                self._note(arguments[0], self._listed)
        elif event == "os.scandir":
            self._note(arguments[0], self._scanned)
        elif event in _STARTS:
            self.found.add(PROCESS)
        elif event.startswith(_TOUCHES) and arguments:
            self._note_file(arguments[0])

    def _note_file(self, path: Any) -> None:
        self._note(path, self._files)
        if isinstance(path, str | bytes | os.PathLike):
            place = Path(os.fsdecode(path))
            if not place.is_absolute() and place.name in self._ends:  # of some open folder
                self.found.add(self._ends[place.name])

    def _note(self, path: Any, watched: dict[object, str]) -> None:
        if found := watched.get(_identify(os.curdir if path is None else path)):
            self.found.add(found)


def _identify(path: Any) -> object:
    """Return what is the same for all names of a file, or of one that is not there."""
    try:
        return _number(path)
    except (OSError, ValueError, TypeError):
        pass
    try:
        place = Path(os.fsdecode(path))
        return (*_number(place.parent), place.name)
    except (OSError, ValueError, TypeError):
        return None


def _number(path: Any) -> tuple[int, int]:
    status = _stat(path)
    return status.st_dev, status.st_ino


def _is_import(frame: FrameType | None) -> bool:
    """Return whether a file is opened by Python to run what is in it."""
    for name in _IMPORTING:
        code = frame.f_code if frame else None
        if frame is None or code is None or (code.co_filename, code.co_name) != (_IMPORTS, name):
            return False
        frame = frame.f_back
    return True


def _is_lookup(frame: FrameType) -> bool:
    """Return whether Python looks for a module, or for what is installed."""
    file = frame.f_code.co_filename
    return file == _IMPORTS or file == metadata.version.__code__.co_filename


def _is_resolving(frame: FrameType | None) -> bool:
    """Return whether a path is made absolute: that looks at links, not at what is in the file."""
    for _ in range(3):
        if frame is None:
            return False
        code = frame.f_code
        if code.co_name in _RESOLVING and code.co_filename in _RESOLVERS:
            return True
        frame = frame.f_back
    return False


def _tell(function: Callable[..., Any], note: Callable[[Any], object]) -> Callable[..., Any]:
    """Return a function that reports its first argument before it does its work."""

    @wraps(function)
    def telling(*arguments: Any, **named: Any) -> Any:
        frame = sys._getframe(1)
        if not (_is_lookup(frame) or _is_resolving(frame)):
            note(arguments[0] if arguments else named.get("path"))
        return function(*arguments, **named)

    return telling
