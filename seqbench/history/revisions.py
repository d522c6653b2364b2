"""Results in the order in which they were made: git revisions of one, or folders in a folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from seqbench.errors import ResultsError, UsageError
from seqbench.git import ask_git, find_top, list_paths, run_git
from seqbench.printable import strip_controls
from seqbench.results.local import is_local
from seqbench.results.reader import ENVIRONMENT, Results, list_results, load_results
from seqbench.results.records import EPOCHS, RUNS

_NEEDED = (RUNS, EPOCHS, ENVIRONMENT)  # no trend is made of samples and profiles
_SHOWN_HASH = 9
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class Point:
    """One result in a row of them.

    Parameters
    ----------
    name
        The revision's short hash, or the folder's name.
    made_at
        When its first run began, UTC, as in ``started_at``.
    results
        What was read.
    """

    name: str
    made_at: str
    results: Results


@dataclass(frozen=True)
class Timeline:
    """Results in order, oldest first.

    Parameters
    ----------
    name
        What they are results of.
    points
        At least one.
    notes
        What was left out, and why: sentences.
    """

    name: str
    points: tuple[Point, ...]
    notes: tuple[str, ...]


def read_revisions(folder: Path) -> Timeline:
    """Read every git revision of a result folder, in the order of the commits.

    A revision that cannot be read is reported and left out.

    Parameters
    ----------
    folder
        ``results/<name>``, in a git working tree; it need not be there any more.

    Raises
    ------
    UsageError
        If there is no git, no repository, or no commit that touched the folder.
    ResultsError
        If none of the revisions can be read.
    """
    root = folder.parent.resolve()
    if not root.is_dir():
        raise UsageError(
            f"{folder.parent} is not a folder; --results must be the folder with results"
        )
    try:
        top = find_top(root)
    except UsageError as error:
        raise UsageError(
            f"{error}. Revisions are read from the repository that holds --results; --folder reads "
            f"a folder of results"
        ) from error
    path = (root / folder.name).relative_to(top.resolve()).as_posix()
    has_commits = ask_git(top, "rev-list", "-n", "1", "--all")
    listed = ask_git(top, "log", "--reverse", "--format=%H", "--", path) if has_commits else ""
    if not listed:
        advice = (
            "git ignores local results; publish them with `seqbench run --publish`"
            if is_local(folder)
            else "commit the results"
        )
        raise UsageError(
            f"no commit touched {folder}: {advice}, or read a folder of results with --folder"
        )
    points, notes = [], []
    for commit in listed.split():
        name = commit[:_SHOWN_HASH]
        try:
            points.append(_make_point(name, _read_revision(top, commit, path)))
        except ResultsError as error:
            notes.append(f"Revision {name} is left out: {error}.")
    if ask_git(top, "status", "--porcelain", "--", path):
        notes.append(f"{folder} has uncommitted changes, which are not a point.")
    if ask_git(top, "rev-parse", "--is-shallow-repository") == "true":
        notes.append("The repository is a shallow clone: earlier revisions are missing.")
    return _make_timeline(folder.name, points, notes)


def read_folders(folder: Path) -> Timeline:
    """Read every result in a folder, in the order in which their first runs began, then by name.

    One that cannot be read is reported and left out.

    Raises
    ------
    UsageError
        If the folder is not there, or has no result in it.
    ResultsError
        If none of the results can be read.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    parts = list_results(folder)
    if not parts:
        raise UsageError(f"{folder} contains no folder with a {RUNS}")
    points, notes = [], []
    for part in parts:
        try:
            points.append(_make_point(part.name, load_results(part, parts=())))
        except ResultsError as error:
            notes.append(f"{part.name} is left out: {error}.")
    points.sort(key=lambda point: (point.made_at, point.name))
    return _make_timeline(folder.resolve().name, points, notes)


def _make_point(name: str, results: Results) -> Point:
    if results.runs.empty:
        raise ResultsError(f"no run in its {RUNS}")
    return Point(strip_controls(name), str(results.runs["started_at"].min()), results)


def _make_timeline(name: str, points: Sequence[Point], notes: Sequence[str]) -> Timeline:
    if not points:
        raise ResultsError(strip_controls(f"no result of {name} can be read. {' '.join(notes)}"))
    return Timeline(strip_controls(name), tuple(points), tuple(map(strip_controls, notes)))


def _read_revision(top: Path, commit: str, path: str) -> Results:
    """Read a revision from copies of its files; messages name them as in the tree."""
    with TemporaryDirectory() as temporary:
        copy = Path(temporary) / Path(path).name
        copy.mkdir()
        for file in _list_files(top, commit, path):
            (copy / file).write_bytes(_read_file(top, f"{commit}:{path}/{file}"))
        try:
            return load_results(copy, parts=())
        except ResultsError as error:
            raise ResultsError(str(error).replace(str(copy), path)) from error


def _read_file(top: Path, place: str) -> bytes:
    """Return a file of a revision as a checkout has it: through the filters of its attributes.

    Raises
    ------
    ResultsError
        If it cannot be read, or if it is a pointer to a file that Git LFS keeps elsewhere.
    """
    try:
        content = run_git(top, "cat-file", "--filters", place)
    except UsageError as error:
        raise ResultsError(str(error)) from None
    if content.startswith(_LFS_POINTER):
        raise ResultsError(
            f"{place.partition(':')[2]} is a pointer of Git LFS; `git lfs install` and "
            f"`git lfs fetch --all` bring the files"
        )
    return content


def _list_files(top: Path, commit: str, path: str) -> Iterator[str]:
    listed = list_paths(top, "ls-tree", "--name-only", "-z", commit, "--", f"{path}/")
    there = {Path(each).name for each in listed}
    yield from (file for file in _NEEDED if file in there)
