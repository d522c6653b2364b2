"""One trial: a command in a separate folder, and the faults observed in it."""

import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = str(Path(__file__).parents[2])

DOCUMENTED = {*range(12), 130}
"""Exit codes of ``docs/exit-codes.md``."""

PATIENCE_S = 120.0
"""A command that takes longer hangs: none has more than seconds of work to do."""

MEMORY_BYTES = 12 * 2**30
"""What a process of a trial may reserve, so that a hostile size cannot take the machine down."""

SEQBENCH = (sys.executable, "-P", "-m", "seqbench")
"""The command, as an installed script is: the working folder is not on Python's path."""

Prepare = Callable[[Path], object]


def leave(folder: Path) -> None:
    """Change nothing."""


@dataclass(frozen=True)
class Trial:
    """A command that a user might type, and its expected outcome.

    Parameters
    ----------
    family
        Which kind of hostility it is.
    what
        What is hostile in it, in a line.
    words
        The command after ``seqbench``; or, with ``shell``, one text for a shell.
    expected
        ``refused``: an exit code other than 0, and a message. ``accepted``: exit code 0. ``told``:
        any documented end. ``row``: a run that failed is in ``runs.csv`` of the result ``trial``
        with its reason, or the command is refused.
    prepare
        Changes the folder before: it holds ``results/good`` and ``results/other``.
    surroundings
        Variables of the environment; None takes one away.
    shell
        Whether ``words`` is a line for ``sh``, in which ``$SEQBENCH`` is the command.
    spoilt
        Whether ``prepare`` changes the good result itself, so that its rows are not checked.
    """

    family: str
    what: str
    words: tuple[str, ...]
    expected: str = "told"
    prepare: Prepare = leave
    surroundings: Mapping[str, str | None] = field(default_factory=dict)
    shell: bool = False
    spoilt: bool = False


@dataclass(frozen=True)
class Verdict:
    """Outcome of a trial: its exit code and its faults, each a word."""

    code: int | None
    faults: tuple[str, ...]
    seconds: float
    output: str


def run_trial(trial: Trial, template: Path, folder: Path) -> Verdict:
    """Run a trial in ``folder``, a copy of ``template``, and judge it; the folder is removed."""
    shutil.copytree(template, folder, symlinks=True)
    rows = read_rows(folder)
    try:
        trial.prepare(folder)
        before = digest_tree(folder / "results" / "good")
        begin = time.monotonic()
        code, output = _execute(trial, folder)
        seconds = time.monotonic() - begin
        faults = [*find_faults(trial, code, output)]
        if trial.expected == "row" and code == 0 and not _has_bad_row(folder):
            faults.append("accepted in silence")
        if trial.spoilt:
            kept = digest_tree(folder / "results" / "good") == before or _is_aside(folder)
        else:
            kept = rows <= read_rows(folder)
        if not kept:
            faults.append("rows lost")
        pages = (path for path in folder.glob("reports/**/*.md") if path.is_file())
        if any(_is_raw(page) for page in pages):
            faults.append("raw text in a page")
        return Verdict(code, tuple(faults), seconds, output)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_faults(trial: Trial, code: int | None, output: str) -> Iterator[str]:
    """Yield the faults of a command that ended with ``code``, or, None, did not end."""
    if "Traceback (most recent call last)" in output:
        yield "traceback"
    if code is None:
        yield "hang"
        return
    if code not in DOCUMENTED:
        yield "undocumented exit code"
    if trial.expected == "refused" and code == 0:
        yield "accepted in silence"
    if trial.expected == "accepted" and code != 0:
        yield "good input refused"
    if code != 0 and not output.strip():
        yield "no word said"
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", output.replace("\r\n", "\n")):
        yield "control characters on the screen"


def _execute(trial: Trial, folder: Path) -> tuple[int | None, str]:
    """Run the command, all its processes ended at the latest with the patience."""
    known = {**os.environ, "SEQBENCH": shlex.join(SEQBENCH), "PYTHONPATH": PROJECT}
    wanted = {**known, "COLUMNS": "100", **trial.surroundings}
    words = ["sh", "-c", trial.words[0]] if trial.shell else _command(trial.words)
    process = subprocess.Popen(
        [os.fsencode(word) for word in words],
        cwd=folder,
        env={name: value for name, value in wanted.items() if value is not None},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        output, _ = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return None, output.decode(errors="replace")
    return process.returncode, output.decode(errors="replace")


def _command(words: tuple[str, ...]) -> list[str]:
    return [*SEQBENCH, *words]


def read_rows(folder: Path) -> set[str]:
    """Return the lines of ``runs.csv`` and ``epochs.csv`` of the good result, wherever it is."""
    found: set[str] = set()
    for pattern in ("results/good/*.csv", "results/.earlier/**/*.csv"):
        for path in folder.glob(pattern):
            if path.name in ("runs.csv", "epochs.csv") and path.is_file():
                found |= set(path.read_text(encoding="utf-8", errors="replace").splitlines()[1:])
    return found


def digest_tree(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in ``folder`` that is no lock, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _is_aside(folder: Path) -> bool:
    return any((folder / "results").glob(".earlier/*"))


def _has_bad_row(folder: Path) -> bool:
    rows = folder / "results" / "trial" / "runs.csv"
    if not rows.is_file():
        return False
    bad = ("failed", "unsupported", "diverged", "out-of-memory", "crashed", "timeout")
    return any(f",{status}," in rows.read_text(encoding="utf-8") for status in bad)


def _is_raw(page: Path) -> bool:
    """Return whether a page has external text in it that acts: control characters, or a tag."""
    text = page.read_text(encoding="utf-8", errors="replace")
    fenced = re.sub(r"^(`{3,}|~{3,}).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)
    inert = re.sub(r"`[^`\n]*`", "", re.sub(r"\\[^\n]", "", fenced))  # escaped, or code
    return bool(re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)) or "<img" in inert
