"""Result folders: records to CSV, by one writer; CSV to checked data frames, for everyone else.

A folder ``results/<name>`` holds ``runs.csv``, ``epochs.csv``, ``evaluations.csv``,
``timings.csv``, ``profile.csv`` and ``environment.json``. A run counts once its row stands in
``runs.csv``, which is written last; what it takes to go on with one that is on its way lies in
``.unfinished/``.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from seqbench.atomic_files import (
    complete_replacement,
    list_replacements,
    replace_file,
    replace_folder,
)
from seqbench.columns import columns
from seqbench.consistency import find_inconsistency
from seqbench.csv_files import (
    format_frame,
    format_header,
    format_records,
    make_frame,
    read_csv,
    read_text,
)
from seqbench.errors import ResultsError, UsageError
from seqbench.records import EpochRecord, EvaluationRecord, ProfileRecord, RunRecord, TimingRecord
from seqbench.spec import RunSpec

RUNS = "runs.csv"
EPOCHS = "epochs.csv"
EVALUATIONS = "evaluations.csv"
TIMINGS = "timings.csv"
PROFILE = "profile.csv"
ENVIRONMENT = "environment.json"
CHECKPOINTS = "checkpoints"
UNFINISHED = ".unfinished"

_PARTS = {
    EPOCHS: EpochRecord,
    EVALUATIONS: EvaluationRecord,
    TIMINGS: TimingRecord,
    PROFILE: ProfileRecord,
}
"""What a run leaves besides its row. A folder from before a file was written has none of it."""

_FILES: dict[str, type] = {**_PARTS, RUNS: RunRecord}  # in the order in which they are written


@dataclass(frozen=True)
class Results:
    """One result folder, read and checked. Column names and types are those of the records."""

    name: str
    runs: pd.DataFrame
    epochs: pd.DataFrame
    evaluations: pd.DataFrame
    timings: pd.DataFrame
    profile: pd.DataFrame
    environment: dict[str, Any]

    @classmethod
    def empty(cls, name: str, environment: dict[str, Any]) -> "Results":
        """Return a result without runs."""
        none = {file.removesuffix(".csv"): make_frame(kind, []) for file, kind in _FILES.items()}
        return cls(name=name, environment=environment, **none)


class ResultWriter:
    """The one writer of a result folder, while its ``with`` block lasts.

    What lay in the folder before is gone on with, see `resume`, or else moved aside whole, to
    ``.earlier`` beside it, once there is something to write and a folder with it is whole;
    `kept_aside` tells where. Every file is replaced atomically and flushed to the disk, so that a
    reader, or a power cut, finds the old or the new one and never half of it.

    Parameters
    ----------
    folder
        ``results/<name>``.
    environment
        Content of ``environment.json``.
    wait
        Is told whom it waits for, if another process is writing there; None to refuse instead.

    Raises
    ------
    UsageError
        On entering, if another process is writing to the same folder.
    ResultsError
        On entering and whenever something is written, if the folder cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, Any],
        *,
        wait: Callable[[str], object] | None = None,
    ) -> None:
        self.folder = folder
        self.kept_aside: Path | None = None
        self.environment = environment
        self._wait = wait
        self._lock = _lock_of(folder)
        self._holder = folder.with_name(f".{folder.name}.holder")
        self._begun = False
        self._in_place = False
        self._order: list[str] = []
        self._statuses: dict[str, str] = {}
        self._lines: dict[str, dict[str, str]] = {name: {} for name in _FILES}
        self._unfinished: dict[str, bytes] = {}

    def __enter__(self) -> "ResultWriter":
        with _explained(self.folder):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                told = f"{self._describe_holder()} is writing to {self.folder}"
                if self._wait is None:
                    raise UsageError(f"{told}; --wait waits, or choose another --name") from None
                self._wait(f"{told}; waiting for it")
                self._lock.acquire()
            try:
                complete_replacement(self.folder)
                self._tell_who()
            except OSError:
                self._lock.release()
                raise
        return self

    def __exit__(self, *error: object) -> None:
        self._holder.unlink(missing_ok=True)
        self._lock.release()

    @property
    def statuses(self) -> list[str]:
        """How the runs ended that stand in the folder by now."""
        return list(self._statuses.values())

    def resume(
        self, earlier: Results, order: Sequence[str], unfinished: Mapping[str, bytes]
    ) -> None:
        """Go on with runs of an earlier result.

        Parameters
        ----------
        earlier
            The runs that count, as they were read from this very folder; may be none. Its
            environment is the same as today's in all that decides, and keeps its id.
        order
            Of all runs that are to stand in the folder, by ``run_id``.
        unfinished
            What `keep` was given for runs that are to go on, by ``run_id``.
        """
        if "environment_id" in earlier.environment:
            same = {"environment_id": earlier.environment["environment_id"]}
            self.environment = {**self.environment, **same}
        self._order = list(order)
        self._take(earlier)
        self._unfinished = dict(unfinished)
        there = set(_read_run_ids(self.folder))
        known = {path.name for path in (self.folder / UNFINISHED).glob("[!.]*")} - there
        self._in_place = there <= set(earlier.runs["run_id"]) and known <= set(unfinished)
        if there and not self._in_place and self._lines[RUNS]:
            self._put(lambda folder: None)

    def keep(self, run_id: str, saved: bytes) -> None:
        """Keep what it takes to go on with a run, in place of what was kept of it before."""
        self._put(lambda folder: _write_into(folder / UNFINISHED, run_id, saved))

    def add(
        self,
        run: RunRecord,
        epochs: Sequence[EpochRecord] = (),
        evaluations: Sequence[EvaluationRecord] = (),
        timings: Sequence[TimingRecord] = (),
        profile: Sequence[ProfileRecord] = (),
        checkpoint: bytes | None = None,
    ) -> None:
        """Write a finished run, what it left, and its weights as ``checkpoints/<run_id>.ckpt``."""
        left = {EPOCHS: epochs, EVALUATIONS: evaluations, TIMINGS: timings, PROFILE: profile}
        self._statuses[run.run_id] = run.status
        for name, records in {**left, RUNS: [run]}.items():
            self._lines[name][run.run_id] = format_records(_FILES[name], records)

        def write(folder: Path) -> None:
            if checkpoint is not None:
                _write_into(folder / CHECKPOINTS, f"{run.run_id}.ckpt", checkpoint)
            self._write_rows(folder)
            for finished in self._lines[RUNS]:  # also what a kill just before this left
                (folder / UNFINISHED / finished).unlink(missing_ok=True)
            with suppress(OSError):  # others are in it, or it never was
                (folder / UNFINISHED).rmdir()

        self._put(write)

    def add_results(self, results: Sequence[Results]) -> None:
        """Write what was read from other folders, as the whole content of this one."""
        for each in results:
            self._take(each)
        self._put(self._write_rows)

    def _take(self, results: Results) -> None:
        """Take over all rows of a result, as lines, run by run."""
        self._statuses |= dict(zip(results.runs["run_id"], results.runs["status"], strict=True))
        for name, record_type in _FILES.items():
            frame: pd.DataFrame = getattr(results, name.removesuffix(".csv"))
            for run_id, rows in frame.groupby("run_id", sort=False):
                self._lines[name][str(run_id)] = format_frame(record_type, rows)

    def _put(self, write: Callable[[Path], object]) -> None:
        """Write something into the folder; with the first, the folder is made ready for it.

        That is the folder as it was, or a new one in its place, with all that counts of it.
        """

        def begin(folder: Path) -> None:
            self._write_environment(folder)
            self._carry_over(folder)
            write(folder)

        with _explained(self.folder):
            if self._begun:
                write(self.folder)
                return
            complete_replacement(self.folder)  # an earlier attempt may have failed half-way
            if self._in_place or not _holds_runs(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._write_environment(self.folder)
                write(self.folder)
            else:
                self.kept_aside = replace_folder(self.folder, begin)
        self._begun = True

    def _write_environment(self, folder: Path) -> None:
        content = json.dumps(self.environment, indent=2, ensure_ascii=False) + "\n"
        replace_file(folder / ENVIRONMENT, content.encode())

    def _carry_over(self, folder: Path) -> None:
        """Write the runs that count, and what they and those that go on have besides their rows."""
        for run_id, saved in self._unfinished.items():
            _write_into(folder / UNFINISHED, run_id, saved)
        for run_id in self._lines[RUNS]:
            weights = self.folder / CHECKPOINTS / f"{run_id}.ckpt"
            if weights.is_file():
                _write_into(folder / CHECKPOINTS, weights.name, weights.read_bytes())
        if self._lines[RUNS]:
            self._write_rows(folder)

    def _write_rows(self, folder: Path) -> None:
        """Replace all files of rows, ``runs.csv`` last."""
        known = dict.fromkeys([*self._order, *self._lines[RUNS]])
        for name, record_type in _FILES.items():
            lines = self._lines[name]
            body = "".join(lines[run_id] for run_id in known if run_id in lines)
            replace_file(folder / name, (format_header(record_type) + body).encode())

    def _tell_who(self) -> None:
        command = self.environment.get("command", "")
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        told = {"process": os.getpid(), "command": command, "since": since}
        self._holder.write_text(json.dumps(told), encoding="utf-8")

    def _describe_holder(self) -> str:
        try:
            told = json.loads(self._holder.read_text(encoding="utf-8"))
            return f"process {told['process']} ({told['command']}, since {told['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say of a failed write what it was and how to mend it."""
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"{error.filename or folder} cannot be written: {error.strerror}. What was written "
            f"before is kept; make room or give permission, or choose another --results folder."
        ) from error


def _write_into(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    replace_file(folder / name, content)


def _lock_of(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f".{folder.name}.lock"))


def _holds_runs(folder: Path) -> bool:
    return (folder / RUNS).exists() or (folder / UNFINISHED).exists()


def heal_folder(folder: Path) -> None:
    """Complete what a killed writer began, if a whole result waits for this place.

    Where another command is writing there, it is left to that one.
    """
    if folder.exists() or folder not in list_replacements(folder.parent):
        return
    with suppress(OSError, Timeout), _lock_of(folder).acquire(blocking=False):
        complete_replacement(folder)


def list_results(root: Path) -> list[Path]:
    """Return the folders in ``root`` that hold a result, by name."""
    for each in list_replacements(root):
        heal_folder(each)
    return sorted(path.parent for path in root.glob(f"*/{RUNS}"))


def _read_run_ids(folder: Path) -> list[str]:
    return list(read_csv(folder / RUNS, RunRecord, optional=True)["run_id"])


def load_unfinished(folder: Path) -> dict[str, bytes]:
    """Return what was kept of the runs that are on their way, by ``run_id``.

    Raises
    ------
    ResultsError
        If a file is unreadable.
    """
    kept = {}
    for path in sorted((folder / UNFINISHED).glob("[!.]*")):
        try:
            kept[path.name] = path.read_bytes()
        except OSError as error:
            raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    return kept


def load_environment(folder: Path) -> dict[str, Any]:
    """Return a result folder's ``environment.json``; raise `ResultsError` if there is none."""
    path = folder / ENVIRONMENT
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise ResultsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ResultsError(f"{path} must hold a JSON object")
    return content


def load_results(folder: Path) -> Results:
    """Read a result folder and check every cell of it.

    Epochs of runs that do not stand in ``runs.csv`` were never finished and are left out.

    Raises
    ------
    ResultsError
        If a file is missing or unreadable, a column is unknown or missing, a cell does not fit its
        column (the message names file, line and column), the schema is newer than this code, a row
        is of another environment than the folder's, or cells do not go together, see `consistency`.
    """
    heal_folder(folder)
    if not (folder / RUNS).is_file():
        begun = " but runs on their way" if (folder / UNFINISHED).is_dir() else ""
        raise ResultsError(f"{folder} holds no result{begun}: there is no {RUNS} in it")
    runs = read_csv(folder / RUNS, RunRecord)
    environment = load_environment(folder)
    known = environment.get("environment_id")
    strange = runs.index[runs["environment_id"] != known]
    if known is not None and len(strange):
        raise ResultsError(
            f"{folder / RUNS}, line {strange[0] + 2}: a row of environment "
            f"{runs['environment_id'][strange[0]]} in a result of {known}; results of unlike "
            f"machines do not go into one folder, see `seqbench pool`"
        )
    parts = {}
    for name, record_type in _PARTS.items():
        frame = read_csv(folder / name, record_type, optional=name != EPOCHS)
        parts[name] = frame[frame["run_id"].isin(runs["run_id"])].reset_index(drop=True)
    if fault := find_inconsistency(runs, parts[EPOCHS]):
        place, column, told = fault
        raise ResultsError(f"{folder / RUNS}, line {place + 2}, column {column}: {told}")
    return Results(
        name=folder.name,
        runs=runs,
        epochs=parts[EPOCHS],
        evaluations=parts[EVALUATIONS],
        timings=parts[TIMINGS],
        profile=parts[PROFILE],
        environment=environment,
    )


def read_spec(row: Mapping[str, Any]) -> RunSpec:
    """Return the spec of a run, from its row in `Results.runs`."""
    values: dict[str, Any] = {}
    for each in columns(RunSpec):
        value = row[each.name]
        values[each.name] = None if each.optional and pd.isna(value) else each.type(value)
    return RunSpec(**values)


def index_runs(runs: pd.DataFrame) -> dict[RunSpec, dict[str, Any]]:
    """Return the rows of `Results.runs` by their settings: how a run is found, whatever its id."""
    return {read_spec(row): row for row in runs.to_dict("records")}


def select_runs(results: Results, run_ids: Collection[str]) -> Results:
    """Return a result with some of its runs only."""
    frames = {
        name.removesuffix(".csv"): getattr(results, name.removesuffix(".csv")) for name in _FILES
    }
    chosen = {
        name: frame[frame["run_id"].isin(run_ids)].reset_index(drop=True)
        for name, frame in frames.items()
    }
    return replace(results, **chosen)
