"""Lock of a result folder: one command at a time writes to it; the lock names its holder."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from seqbench.errors import UsageError
from seqbench.results.atomic_files import (
    complete_replacement,
    list_replacements,
    make_hidden_folder,
)

LOCKS = ".locks"
"""Folder in the results for locks and their holders, which git ignores."""


class FolderLock:
    """The right to write to a result folder.

    Parameters
    ----------
    folder
        ``results/<name>``, which need not be there.
    command
        Shown to other commands that want to write there.
    """

    def __init__(self, folder: Path, command: str = "") -> None:
        self._folder, self._command = folder, command
        self._place = folder.parent / LOCKS
        self._lock = FileLock(self._place / f"{folder.name}.lock")
        self._holder = self._place / f"{folder.name}.holder"

    def acquire(self, wait: Callable[[str], object] | None = None) -> None:
        """Take it; if it is held, call ``wait`` and wait, or raise an error without it.

        Raises
        ------
        UsageError
            If it is held and ``wait`` is None.
        OSError
            If a file cannot be written.
        """
        make_hidden_folder(self._place)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            message = f"{self._describe_holder()} is writing to {self._folder}"
            if wait is None:
                raise UsageError(f"{message}; --wait waits, or choose another --name") from None
            wait(f"{message}; waiting for it")
            self._lock.acquire()
        try:
            complete_replacement(self._folder)
            self._tell_who()
        except OSError:
            self._lock.release()
            raise

    def release(self) -> None:
        """Give it back."""
        with suppress(OSError):
            self._holder.unlink(missing_ok=True)
        self._lock.release()

    def _tell_who(self) -> None:
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        holder = {"process": os.getpid(), "command": self._command, "since": since}
        self._holder.write_text(json.dumps(holder), encoding="utf-8")

    def _describe_holder(self) -> str:
        try:
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
            return f"process {holder['process']} ({holder['command']}, since {holder['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


def heal_folder(folder: Path) -> None:
    """Complete what a killed writer began, if a whole result waits for this place.

    Where another command is writing there, it is left to that one; so is what cannot be fixed.
    """
    with suppress(OSError, ValueError, UsageError):
        if folder.exists() or folder not in list_replacements(folder.parent):
            return
        lock = FolderLock(folder)
        lock.acquire()
        lock.release()
