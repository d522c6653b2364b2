"""Git, asked in a process of its own."""

import os
import subprocess
from pathlib import Path

from seqbench.errors import UsageError

# paths are taken as they stand, nothing is asked or locked, and the folder decides the repository
_SETTINGS = {"GIT_LITERAL_PATHSPECS": "1", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
_NOT_OURS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


def run_git(folder: Path, *words: str) -> bytes:
    """Return what git says in a folder.

    Raises
    ------
    UsageError
        If there is no git, or it fails, with what it says.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            check=False,
            env=inherited | _SETTINGS,
        )
    except FileNotFoundError as error:
        raise UsageError("git is not installed, or not on the PATH") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
        raise UsageError(f"git {words[0]} in {folder} failed: {said}")
    return done.stdout


def ask_git(folder: Path, *words: str) -> str:
    """Return what git says in a folder as text, without white space at its ends."""
    return run_git(folder, *words).decode("utf-8").strip()
