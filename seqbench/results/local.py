"""Local and published results: ``results/local/NAME`` and ``results/NAME``.

The published ones are committed with a project; local ones are ignored by git.
"""

from pathlib import Path

from seqbench.results.records import RUNS

PUBLISHED = Path("results")
"""The folder of published results, below the working folder."""

REPORTS = Path("reports")
"""The folder of their reports."""

LOCAL = "local"
"""The folder of local results below that of the published ones; of reports likewise."""


def is_local(folder: Path) -> bool:
    """Return whether a result folder is local."""
    return folder.resolve().parent.name == LOCAL


def choose_reports(folder: Path, reports: Path = REPORTS) -> Path:
    """Return the folder that a result's report goes into.

    That is ``local`` in ``reports`` for one's own result, and by default for any other that is not
    below `PUBLISHED`, so that it replaces no published report of the same name.
    """
    published = folder.resolve().parent == PUBLISHED.resolve()
    if is_local(folder) or (reports == REPORTS and not published):
        return reports / LOCAL
    return reports


def find_published(folder: Path) -> Path | None:
    """Return the published result of the same name as a local one; None where there is none."""
    if not is_local(folder):
        return None
    own = folder.resolve()
    published = own.parent.parent / own.name
    return published if (published / RUNS).is_file() else None
