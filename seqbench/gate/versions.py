"""The two versions of a gate: each checked out in a separate folder, with its own Python."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from seqbench.errors import UsageError
from seqbench.gate.checkouts import Checkouts, add_generated_files
from seqbench.gate.environments import Environment, find_environments
from seqbench.git import ask_git, find_top

WORKTREE = "worktree"
"""What the code is called in its current state, with uncommitted changes."""


@dataclass(frozen=True)
class Version:
    """One version of a code, ready to run.

    Parameters
    ----------
    asked
        What it was called: a revision, or ``worktree``.
    commit, subject
        Commit that it is or is based on, and the first line of its message.
    changed
        Whether it has changes that are not committed.
    folder
        Where it is checked out.
    python
        The Python that runs it.
    environment
        As text, what that Python has that the other version's has not; empty for the same.
    """

    asked: str
    commit: str
    subject: str
    changed: bool
    folder: Path
    python: str = sys.executable
    environment: str = ""

    def __str__(self) -> str:
        """Return how it is shown on one line."""
        changes = " with uncommitted changes" if self.changed else ""
        with_ = f", {self.environment}" if self.environment else ""
        return f"{self.commit[:10]}{changes} ({self.subject}){with_}"


@dataclass(frozen=True)
class Versions:
    """The version to compare with and the one that is judged."""

    base: Version
    head: Version
    commits: Sequence[str] = ()
    """Of each commit that the head has and the base has not, hash and first line."""
    base_env: Sequence[str] = ()
    """The requested environment of the base."""


@contextmanager
def check_out_versions(
    repository: Path, base: str, head: str = WORKTREE, base_env: Sequence[str] = ()
) -> Iterator[Versions]:
    """Check two versions out side by side and find their environments, for a ``with`` block.

    Parameters
    ----------
    repository
        Any folder of the git repository.
    base, head
        Revisions, or ``worktree``.
    base_env
        For another environment on the base's side: a Python of one that is there, or packages
        with versions to install in addition to the project's own, such as ``torch==2.12.0``.

    Raises
    ------
    UsageError
        If there is no such revision or repository, or an environment cannot be made.
    """
    top = find_top(repository)
    found = [_find(top, asked) for asked in (base, head)]
    checkouts = Checkouts()
    # equally long paths: the size of a process's environment moves its stack
    with _make_folder() as place:
        folders = Path(place) / "base", Path(place) / "head"
        try:
            one, other = (
                _check_out(checkouts, top, *each) for each in zip(found, folders, strict=True)
            )
            add_generated_files(top, folders)
            ours, theirs = find_environments(*folders, base_env)
            theirs = replace(
                theirs,
                description="; ".join(filter(None, [theirs.description, *checkouts.left_out])),
            )
            listed = ask_git(top, "log", "--format=%h %s", f"{one.commit}..{other.commit}")
            equipped = _equip(one, ours), _equip(other, theirs)
            yield Versions(*equipped, tuple(listed.splitlines()), tuple(base_env))
        finally:
            checkouts.remove_all()


def _make_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="seqbench-gate-")
    except OSError as error:
        raise UsageError(
            f"versions cannot be checked out: {error.strerror}; set TMPDIR to a writable folder"
        ) from None


def _equip(version: Version, environment: Environment) -> Version:
    return replace(version, python=environment.python, environment=environment.description)


def _find(top: Path, asked: str) -> tuple[str, str]:
    """Return what a version was called, and the commit that it is or is based on."""
    revision = "HEAD" if asked == WORKTREE else asked
    try:
        return asked, ask_git(top, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except UsageError:
        raise UsageError(
            f"no revision {revision!r} in {top}; if it is on a remote, fetch it first (in "
            f"GitHub Actions: `fetch-depth: 0` for actions/checkout)"
        ) from None


def _check_out(checkouts: Checkouts, top: Path, found: tuple[str, str], folder: Path) -> Version:
    asked, commit = found
    changed = checkouts.check_out(top, commit, folder, changes=asked == WORKTREE)
    return Version(asked, commit, ask_git(top, "log", "-1", "--format=%s", commit), changed, folder)
