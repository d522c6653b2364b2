"""Git, called in a separate process: its output does not depend on the user's settings.

Paths are bytes to git. They come back as the file system takes them (`list_paths`, `find_top`), and
text comes back as text that can be printed (`ask_git`), whatever its encoding.
"""

import os
import subprocess
from pathlib import Path

from seqbench.errors import UsageError
from seqbench.printable import strip_controls

# paths are literal, nothing is prompted or locked, and the folder decides the repository
_VARIABLES = {
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_NOT_OURS = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE"),
    *("GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS"),
)
_SETTINGS = {
    "color.ui": "false",
    "core.abbrev": "auto",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.quotePath": "false",
    "diff.ignoreSubmodules": "none",
    "diff.renames": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "log.follow": "false",
    "log.mailmap": "false",
    "log.showSignature": "false",
    "status.showUntrackedFiles": "normal",
    "submodule.recurse": "false",
}
"""Whatever a user or a repository sets: they change git's output, or what else it does."""


def run_git(folder: Path, *words: str) -> bytes:
    """Return git's output in a folder.

    Raises
    ------
    UsageError
        If there is no git, or it fails, with its output.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    try:
        done = subprocess.run(
            ["git", "--no-pager", *settings, "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            env=inherited | _VARIABLES,
        )
    except OSError as error:
        raise UsageError(f"git is not installed, or not on the PATH: {error.strerror}") from error
    if done.returncode:
        message = _decode(done.stderr).strip() or f"exit code {done.returncode}"
        raise UsageError(strip_controls(f"git {words[0]} in {folder} failed: {message}"))
    return done.stdout


def ask_git(folder: Path, *words: str) -> str:
    """Return git's output in a folder as text that can be printed, without space at its ends."""
    return _decode(run_git(folder, *words)).strip()


def list_paths(folder: Path, *words: str) -> list[str]:
    """Return the entries that git lists with ``-z``, with paths as the file system takes them."""
    return [os.fsdecode(each) for each in run_git(folder, *words).split(b"\0") if each]


def find_top(folder: Path) -> Path:
    """Return the folder of the working tree that a folder is in.

    Raises
    ------
    UsageError
        If it is in none.
    """
    output = run_git(folder, "rev-parse", "--show-toplevel")
    return Path(os.fsdecode(output.removesuffix(b"\n").removesuffix(b"\r")))


def _decode(output: bytes) -> str:
    return strip_controls(output.decode("utf-8", "replace"))
