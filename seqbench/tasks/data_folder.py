"""Where data sets are on this machine, and whether they are the published ones.

A file counts by its content: one with the checksum that was published is taken in any folder and
under a similar name, and any other is refused, or named in every row.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import islice
from pathlib import Path

from seqbench.errors import DataUnavailableError

VARIABLE = "SEQBENCH_DATA"
OPTION = "--allow-changed-data"

_DEEPEST = 3  # folders below the data folder in which files are searched
_MOST_FILES = 20_000

_changes: ContextVar[list[str] | None] = ContextVar("changes", default=None)


def locate_data(chosen: Path | None = None) -> Path:
    """Return the data folder: the chosen one, else ``$SEQBENCH_DATA``, else the user's cache.

    ``~``, quotes and variables in it are what a shell would take them for, ``file://`` is left out.
    An empty variable is none.

    Raises
    ------
    DataUnavailableError
        If it is no folder.
    """
    named = os.environ.get(VARIABLE, "").strip() if chosen is None else str(chosen)
    if not named:
        from platformdirs import user_cache_path  # a machine without a network may lack it

        return user_cache_path("seqbench") / "data"
    if len(named) > 2 and named[0] == named[-1] and named[0] in "\"'":
        named = named[1:-1]
    named = named.removeprefix("file://")
    description = f"the data folder {named}" + (f", from {VARIABLE}," if chosen is None else "")
    try:
        folder = Path(os.path.expandvars(named)).expanduser()
        if folder.exists() and not folder.is_dir():
            raise DataUnavailableError(f"{description} is a file: give its folder")
    except (OSError, RuntimeError) as error:  # no such home, or a name that is too long
        raise DataUnavailableError(f"{description} cannot be accessed: {error}") from error
    return folder


def walk_files(folder: Path) -> Iterator[Path]:
    """Yield the files in ``folder`` and a few folders deep below it, nearest first.

    Hidden folders are left out, and there is an end to it, whatever ``folder`` is.
    """
    return islice(_walk(folder), _MOST_FILES)


def _walk(folder: Path) -> Iterator[Path]:
    level = [folder]
    for _ in range(_DEEPEST + 1):
        below: list[Path] = []
        for each in level:
            found: list[tuple[Path, bool]] = []
            with suppress(OSError):  # not there, or not to be read
                found = [(path, path.is_dir()) for path in sorted(each.iterdir())]
            for path, is_folder in found:
                if is_folder:
                    below += [] if path.name.startswith(".") else [path]
                else:
                    yield path
        level = below


@contextmanager
def reading_data(*, allow_changed: bool) -> Iterator[list[str]]:
    """Check what is read in a ``with`` block against what was published.

    Gives the list of the files that are not the published ones, which is filled if they are
    allowed; else such a file is refused.
    """
    changes: list[str] = []
    token = _changes.set(changes if allow_changed else None)
    try:
        yield changes
    finally:
        _changes.reset(token)


def note_change(name: str, file: Path, content: bytes, why: str = "") -> None:
    """Note that ``file`` is read for the data set ``name`` and is not what was published.

    Parameters
    ----------
    name, file, content
        The data set, the file and what is in it.
    why
        An additional sentence of the message.

    Raises
    ------
    DataUnavailableError
        If changed data is not allowed, see `reading_data`.
    """
    digest = hashlib.sha256(content).hexdigest()
    changes = _changes.get()
    if changes is None:
        raise DataUnavailableError(
            f"{file} is not the published {name}: its SHA-256 is {digest}. {why}\n"
            f"  to fix it: move it away, and the published one is downloaded; or, to use other "
            f"data, add {OPTION}: it is then named in every row and report."
        )
    changes.append(f"{file.name} of {name} with SHA-256 {digest}")


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make ``folder`` with its parents; if what follows fails, remove again those that are new."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):  # one that another process filled stays
                path.rmdir()
        raise


def missing_data(
    name: str, *, looked_for: str, folder: str, error: Exception
) -> DataUnavailableError:
    """Return the error for data that was not found and could not be downloaded.

    Parameters
    ----------
    name
        Of the data set.
    looked_for
        Which files, and where.
    folder
        What of the data set a person's data folder has to hold.
    error
        What went wrong with the download.
    """
    reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return DataUnavailableError(
        f"{name} was not found and could not be downloaded.\n"
        f"  searched: {looked_for}\n"
        f"  download:   {reason}\n"
        f"  to fix it: set --data DIR, or the variable {VARIABLE}, to the folder that contains "
        f"{folder}; or run the suite quick, which needs no data and no network."
    )
