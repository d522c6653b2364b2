"""Files and folders that are replaced atomically: a kill leaves the old one or the new one.

A folder is replaced by two renames. What a kill between them leaves is completed by the next
command, see `complete_replacement`.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

EARLIER = ".earlier"
"""Folder next to those that are replaced, for their earlier versions."""

_NEXT = ".next"  # next to them too: what is to take a folder's place


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically: written next to it, flushed to the disk, then renamed.

    Raises
    ------
    OSError
        If it cannot be written, with the name of the file.
    """
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        error.filename = str(path)
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def replace_folder(folder: Path, build: Callable[[Path], object]) -> Path:
    """Put a folder in the place of one that is there; nothing is moved before it is complete.

    Parameters
    ----------
    folder
        What is replaced. No other process may replace it at the same time.
    build
        Writes the new one's content into an empty folder.

    Returns
    -------
    Path
        Where the earlier folder is kept, in `EARLIER` next to it.

    Raises
    ------
    OSError
        If something cannot be written or moved.
    """
    whole, unfinished = _places_of(folder)
    try:
        unfinished.mkdir(parents=True)
        build(unfinished)
        unfinished.rename(whole)
        _flush_folder(whole.parent)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = folder.parent / EARLIER / f"{folder.name}-{moment}"
    aside.parent.mkdir(exist_ok=True)
    folder.rename(aside)
    complete_replacement(folder)
    return aside


def complete_replacement(folder: Path) -> None:
    """Let a whole folder that waits for this place take it, if the earlier one has left it.

    What else a killed command left of a replacement is removed. No other process may replace the
    folder at the same time.
    """
    whole, unfinished = _places_of(folder)
    if not whole.parent.is_dir():
        return
    if whole.is_dir() and not folder.exists():
        whole.rename(folder)
        _flush_folder(folder.parent)
    for left in (unfinished, whole):
        shutil.rmtree(left, ignore_errors=True)
    with suppress(OSError):  # others are in it
        whole.parent.rmdir()


def list_replacements(root: Path) -> list[Path]:
    """Return the folders in ``root`` for which one waits that is whole."""
    return [root / each.name for each in (root / _NEXT).glob("[!.]*")]


def _places_of(folder: Path) -> tuple[Path, Path]:
    """Return where a folder's replacement is once it is complete, and where it is built."""
    whole = folder.parent / _NEXT / folder.name
    return whole, whole.with_name(f".{folder.name}.tmp")


def _flush_folder(folder: Path) -> None:
    """Flush a rename to the disk, where folders can be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_hidden_folder(folder: Path) -> None:
    """Make a folder with its parents, if it is not there, whose content git does not show."""
    folder.mkdir(parents=True, exist_ok=True)
    ignored = folder / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")
