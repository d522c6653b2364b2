"""Which of some files this process reads, other than to import them.

What is asked of the interpreter is seen by an audit hook (`PEP 578
<https://peps.python.org/pep-0578/>`_); of what it does not report, asking for a file's state and
forking, the functions are replaced. The agent imports this file, in an environment that may have no
seqbench, so it imports nothing but the standard library.
"""

import _posixsubprocess
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

PROCESS = "another process"
"""What stands for all that a process reads which this one starts."""

_IMPORTS = "<frozen importlib._bootstrap_external>"
_IMPORTING = ["get_data", "get_code", "exec_module"]
"""The functions by which Python reads a source to run it, the innermost first."""

_STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
_ASKS = ("stat", "lstat", "access", "readlink")
_stat = os.stat


class Reading:
    """What this process reads of some files, from now on and for as long as it lives.

    Parameters
    ----------
    root
        Folder that the files lie in.
    files
        Files, relative to it.
    lone
        Those that only one of two versions has: a list of names tells the two apart.
    """

    def __init__(self, root: Path, files: Sequence[str], lone: Sequence[str]) -> None:
        self._files = {_identify(root / each): each for each in files}
        self._ends = {Path(each).name: each for each in files}
        self._scanned = {_identify((root / each).parent): each for each in files}
        self._listed = {_identify((root / each).parent): each for each in lone}
        self.found: set[str] = set()
        sys.addaudithook(self._hear)
        for function in _ASKS:
            setattr(os, function, _tell(getattr(os, function), self._note_file))
        fork = _tell(_posixsubprocess.fork_exec, lambda _: self.found.add(PROCESS))
        setattr(_posixsubprocess, "fork_exec", fork)  # noqa: B010 (its type is narrower)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not _is_import(sys._getframe(1)):
            self._note_file(arguments[0])
        elif event == "os.listdir" and sys._getframe(1).f_code.co_filename != _IMPORTS:
            self._note(arguments[0], self._listed)
        elif event == "os.scandir":
            self._note(arguments[0], self._scanned)
        elif event in _STARTS:
            self.found.add(PROCESS)

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
    """Tell whether a file is opened by Python to run what is in it."""
    for name in _IMPORTING:
        code = frame.f_code if frame else None
        if frame is None or code is None or (code.co_filename, code.co_name) != (_IMPORTS, name):
            return False
        frame = frame.f_back
    return True


def _tell(function: Callable[..., Any], note: Callable[[Any], object]) -> Callable[..., Any]:
    """Return a function that tells its first argument before it does its work."""

    @wraps(function)
    def telling(*arguments: Any, **named: Any) -> Any:
        note(arguments[0] if arguments else named.get("path"))
        return function(*arguments, **named)

    return telling
