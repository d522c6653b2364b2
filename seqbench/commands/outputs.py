"""The outputs of a command: checked before the work, written to files first, then printed.

A result of minutes must not be lost because a file cannot be written, or because the screen cannot
encode a character. So a command checks all that it is asked to write before it begins
(`check_outputs`, `check_folder`), writes its files at the end (`write_outputs`), and then prints.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import ENOTDIR, ENXIO
from pathlib import Path

from seqbench.errors import ExitCode, SeqbenchError, UsageError

_kept_open: list[int] = []


class OutputError(SeqbenchError):
    """Something that a command was asked to write cannot be written."""

    exit_code = ExitCode.RESULTS_UNREADABLE


@dataclass(frozen=True)
class Output:
    """A file that a command was asked to write.

    Parameters
    ----------
    asked_by
        The option or the variable that names it.
    path
        The file.
    append
        Whether it is added to what is there.
    """

    asked_by: str
    path: Path
    append: bool = False

    def check(self) -> None:
        """Raise `UsageError` if the file cannot be written; it is left as it is."""
        try:
            if self.path.exists() and not self.path.is_file():  # a device or a pipe may be written
                if self.path.is_dir() or not os.access(self.path, os.W_OK):
                    raise PermissionError(0, "it is a folder, or not writable")
                _kept_open.append(_open_at_once(self.path))  # or who reads a pipe would go
                return
            new = not self.path.exists()
            with self.path.open("ab"):
                pass
            if new:
                self.path.resolve().unlink()
        except (OSError, ValueError) as error:
            raise UsageError(_describe(self.asked_by, self.path, error)) from None

    def write(self, text: str) -> None:
        """Write a text; raise `OutputError` if that cannot be done."""
        with writing(self.asked_by, self.path):
            mode = "a" if self.append else "w"
            opener = _open_at_once if self.path.is_fifo() else None
            with open(
                *(self.path, mode), encoding="utf-8", errors="replace", newline="\n", opener=opener
            ) as file:
                file.write(text)


def _open_at_once(path: Path | str, flags: int = os.O_WRONLY) -> int:
    """Open a device or a pipe for writing, or raise: a pipe without a reader is not waited for."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == ENXIO:
            raise OSError(ENXIO, "it is a pipe without a reader") from None
        raise
    os.set_blocking(descriptor, True)
    return descriptor


def check_outputs(outputs: Sequence[Output]) -> None:
    """Raise `UsageError` if one of some files cannot be written, or if two are the same file."""
    seen: dict[Path, str] = {}
    for each in outputs:
        each.check()
        other = seen.setdefault(each.path.resolve(), each.asked_by)
        if other != each.asked_by:
            raise UsageError(f"{other} and {each.asked_by} name the same file, {each.path}")


def check_folder(asked_by: str, folder: Path) -> None:
    """Raise `UsageError` if nothing can be written in a folder, made first if it is not there.

    It is left as it is.
    """
    made: list[Path] = []
    try:
        made += [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise UsageError(_describe(asked_by, folder, error)) from None
    finally:
        for each in made:
            with suppress(OSError):
                each.rmdir()


@contextmanager
def writing(asked_by: str, path: Path) -> Iterator[None]:
    """Turn a fault in writing into an `OutputError` that says what was requested, and where."""
    try:
        yield
    except OSError as error:
        raise OutputError(_describe(asked_by, path, error)) from None


def _describe(asked_by: str, path: Path, error: OSError | ValueError) -> str:
    if isinstance(error, FileExistsError):  # there is a file where a folder should be
        error = NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
    reason = getattr(error, "strerror", None) or str(error)
    return f"{path} cannot be written: {reason}; {asked_by} names it"


def write_outputs(files: Sequence[tuple[Output, str]]) -> list[str]:
    """Write texts into files; return what could not be written, and why: it stops no other."""
    faults = []
    for output, text in files:
        try:
            output.write(text)
        except OutputError as error:
            faults.append(str(error))
    return faults


def speak_freely(say: Callable[[str], object]) -> Callable[[str], object]:
    """Return a function that prints, and continues without a reader: work or output may remain."""

    def try_to_say(text: str) -> None:
        with suppress(SystemExit):  # by which the screen ends a command whose output is closed
            say(text)

    return try_to_say
