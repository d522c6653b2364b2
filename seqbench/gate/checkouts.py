"""Checking out: a commit, or the code in its current state, with submodules and generated files."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from seqbench.errors import UsageError
from seqbench.gate.layouts import list_version_files
from seqbench.git import ask_git, list_paths, run_git
from seqbench.printable import strip_controls

_SUBMODULE = "160000"  # the mode of its entry in a tree or in the index
_GENERATED = "_version.py"
_STAND_IN = """\
__version__ = version = "0"
__version_tuple__ = version_tuple = (0,)
"""
"""A version file where the working copy has none: nothing was built there."""


@dataclass
class Checkouts:
    """Git worktrees that were made, to be removed by `remove_all`; of what is left out, why."""

    made: list[tuple[Path, Path]] = field(default_factory=list)
    left_out: dict[str, None] = field(default_factory=dict)

    def check_out(self, repository: Path, commit: str, folder: Path, *, changes: bool) -> bool:
        """Check a commit out into a folder, with its submodules.

        Parameters
        ----------
        repository
            A working tree of the repository.
        commit, folder
            What goes where.
        changes
            Whether what is not committed in the working tree comes too: changes, new files,
            other commits of submodules.

        Returns
        -------
        bool
            Whether anything that is not committed came.

        Raises
        ------
        UsageError
            If a commit of a submodule is not there, or a file cannot be copied.
        """
        self.made.append((repository, folder))
        run_git(repository, "worktree", "add", "--detach", "--force", str(folder), commit)
        changed = changes and _copy_changes(repository, folder)
        for path, recorded in _list_submodules(repository, None if changes else commit):
            inner = repository / path
            if not (inner / ".git").exists():
                note = f"the submodule {strip_controls(path)} is not checked out"
                self.left_out[note] = None
                continue
            wanted = ask_git(inner, "rev-parse", "HEAD") if changes else recorded
            try:
                run_git(inner, "rev-parse", "--verify", "--quiet", f"{wanted}^{{commit}}")
            except UsageError:
                raise UsageError(
                    strip_controls(
                        f"the commit {wanted[:10]} of the submodule {path} is missing; fetch it "
                        f"with `git -C {path} fetch`"
                    )
                ) from None
            inside = self.check_out(inner, wanted, folder / path, changes=changes)
            changed = changed or inside or (changes and wanted != recorded)
        return changed

    def remove_all(self) -> None:
        """Remove every worktree, the inner ones first."""
        for repository, folder in reversed(self.made):
            with suppress(UsageError):  # it was not made
                run_git(repository, "worktree", "remove", "--force", "--force", str(folder))


def _list_submodules(repository: Path, commit: str | None) -> Iterator[tuple[str, str]]:
    """Yield path and recorded commit of each submodule of a commit, or of the index for None.

    With the index come repositories that are in the working tree and are not added: at their own
    commit, if they have one.
    """
    words = ("ls-files", "-s", "-z") if commit is None else ("ls-tree", "-r", "-z", commit)
    for entry in list_paths(repository, *words):
        about, _, path = entry.partition("\t")
        mode, *rest = about.split()
        if mode == _SUBMODULE:
            yield path, rest[0 if commit is None else 1]
    if commit is None:
        for path in _list_changed(repository):
            if path.endswith("/") and (repository / path / ".git").exists():
                with suppress(UsageError):  # it has no commit
                    yield path.rstrip("/"), ask_git(repository / path, "rev-parse", "HEAD")


def _list_changed(repository: Path) -> set[str]:
    """Return the paths of what is not committed: changed, removed, new and staged.

    Also of what git was told to ignore (``--assume-unchanged``, ``--skip-worktree``), where it is
    there.
    """
    listed = list_paths(
        repository, "ls-files", "-z", "--modified", "--others", "--exclude-standard"
    )
    flags = (entry.partition(" ") for entry in list_paths(repository, "ls-files", "-v", "-z"))
    hidden = {path for flag, _, path in flags if flag == "S" or flag.islower()}
    there = {path for path in hidden if os.path.lexists(repository / path)}
    return {*listed, *there, *list_paths(repository, "diff", "-z", "--name-only", "--cached")}


def _copy_changes(repository: Path, folder: Path) -> bool:
    """Copy what is not committed, new files too; return whether there is any.

    Repositories inside are left to `Checkouts.check_out`.
    """
    changed = _list_changed(repository)
    names = [each for each in changed if not (repository / each / ".git").exists()]
    for name in names:  # all of them first: a file may have given way to a folder
        _remove(folder / name)
    for name in names:
        source, target = repository / name, folder / name
        if source.is_symlink() or source.is_file():
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
            except OSError as error:
                raise UsageError(
                    strip_controls(f"{source} cannot be copied for measurement: {error.strerror}")
                ) from None
    return bool(changed)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def add_generated_files(repository: Path, folders: tuple[Path, Path]) -> None:
    """Give both versions the version files that git ignores and only an installation writes.

    Those that a project declares for setuptools-scm, hatch-vcs and the like, and any file of that
    usual name that is ignored, are copied from the working copy. A declared one that is not there
    has a placeholder. Both versions get the same, so that it makes no difference.
    """
    ignored = list_paths(
        repository,
        *("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"),
    )
    there = {each for each in ignored if Path(each).name == _GENERATED}
    declared = {str(each) for folder in folders for each in list_version_files(folder)}
    for target, source in (
        (folder / name, repository / name) for folder in folders for name in declared | there
    ):
        if os.path.lexists(target) or not target.parent.is_dir():
            continue
        if source.is_file():
            shutil.copyfile(source, target)
        else:
            target.write_text(_STAND_IN, encoding="utf-8")
