"""Where data sets lie on this machine, and what is said when one does not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platformdirs import user_cache_path

from seqbench.errors import DataUnavailableError

VARIABLE = "SEQBENCH_DATA"


def locate_data(chosen: Path | None = None) -> Path:
    """Return the data folder: the chosen one, else ``$SEQBENCH_DATA``, else the user's cache."""
    if chosen is not None:
        return chosen
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE])
    return user_cache_path("seqbench") / "data"


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make ``folder`` with its parents; if what follows fails, remove again those that are new."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):  # one that somebody else has filled meanwhile stays
                path.rmdir()
        raise


def missing_data(
    name: str, *, looked_for: str, folder: str, error: Exception
) -> DataUnavailableError:
    """Return the error for data that is not there and could not be downloaded.

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
        f"{name} is not there and could not be downloaded.\n"
        f"  looked for: {looked_for}\n"
        f"  download:   {reason}\n"
        f"  to mend it: point --data DIR, or the variable {VARIABLE}, at the folder that "
        f"holds {folder}; or run the suite quick, which needs no data and no network."
    )
