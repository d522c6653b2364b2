"""Result folders: records to CSV, by one writer; CSV to checked data frames, for everyone else.

A folder ``results/<name>`` holds ``runs.csv``, ``epochs.csv``, ``evaluations.csv``,
``timings.csv``, ``profile.csv`` and ``environment.json``. A run counts once its row stands in
``runs.csv``, which is written last.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from seqbench.csv_files import format_csv, format_frame, read_csv, read_text
from seqbench.errors import ResultsError, UsageError
from seqbench.records import EpochRecord, EvaluationRecord, ProfileRecord, RunRecord, TimingRecord

RUNS = "runs.csv"
EPOCHS = "epochs.csv"
EVALUATIONS = "evaluations.csv"
TIMINGS = "timings.csv"
PROFILE = "profile.csv"
ENVIRONMENT = "environment.json"
CHECKPOINTS = "checkpoints"
EARLIER = ".earlier"

_PARTS = {
    EPOCHS: EpochRecord,
    EVALUATIONS: EvaluationRecord,
    TIMINGS: TimingRecord,
    PROFILE: ProfileRecord,
}
"""What a run leaves besides its row. A folder from before a file was written has none of it."""


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


class ResultWriter:
    """The one writer of a result folder, while its ``with`` block lasts.

    The folder is touched when the first run is added: what lay there before is then moved aside
    whole, to ``.earlier`` beside it, and `kept_aside` tells where. Every file is replaced
    atomically, so that a reader finds the old or the new one and never half of it.

    Parameters
    ----------
    folder
        ``results/<name>``.
    environment
        Content of ``environment.json``.

    Raises
    ------
    UsageError
        On entering, if another process is writing to the same folder.
    ResultsError
        On entering and in `add`, if the folder cannot be written to.
    """

    def __init__(self, folder: Path, environment: Mapping[str, Any]) -> None:
        self.folder = folder
        self.kept_aside: Path | None = None
        self._environment = environment
        self._lock = FileLock(folder.with_name(f".{folder.name}.lock"))
        self._runs: list[RunRecord] = []
        self._parts: dict[str, list[Any]] = {name: [] for name in _PARTS}

    def __enter__(self) -> "ResultWriter":
        with _explained(self.folder):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                raise UsageError(
                    f"another run is writing to {self.folder}; wait, or choose another --name"
                ) from None
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    @property
    def runs_written(self) -> int:
        """How many runs stand in the folder by now."""
        return len(self._runs)

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
        with _explained(self.folder):
            if not self._runs:
                self._begin()
            self._runs.append(run)
            if checkpoint is not None:
                (self.folder / CHECKPOINTS).mkdir(exist_ok=True)
                _replace(self.folder / CHECKPOINTS / f"{run.run_id}.ckpt", checkpoint)
            for (name, record_type), new in zip(
                _PARTS.items(), (epochs, evaluations, timings, profile), strict=True
            ):
                self._parts[name].extend(new)
                _replace(self.folder / name, format_csv(record_type, self._parts[name]))
            _replace(self.folder / RUNS, format_csv(RunRecord, self._runs))

    def add_results(self, results: Sequence[Results]) -> None:
        """Write what was read from other folders, as the whole content of this one."""
        with _explained(self.folder):
            self._begin()
            for name, record_type in {**_PARTS, RUNS: RunRecord}.items():
                field = name.removesuffix(".csv")
                together = pd.concat([getattr(each, field) for each in results])
                _replace(self.folder / name, format_frame(record_type, together))

    def _begin(self) -> None:
        if self.folder.exists():
            moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            self.kept_aside = self.folder.parent / EARLIER / f"{self.folder.name}-{moment}"
            self.kept_aside.parent.mkdir(exist_ok=True)
            self.folder.rename(self.kept_aside)
        self.folder.mkdir(parents=True)
        content = json.dumps(self._environment, indent=2, ensure_ascii=False) + "\n"
        _replace(self.folder / ENVIRONMENT, content.encode())


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


def _replace(path: Path, content: bytes) -> None:
    """Put a file in place whole: written beside it, flushed to the disk, then renamed."""
    unfinished = path.with_name(f".{path.name}.tmp")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def load_results(folder: Path) -> Results:
    """Read a result folder and check every cell of it.

    Epochs of runs that do not stand in ``runs.csv`` were never finished and are left out.

    Raises
    ------
    ResultsError
        If a file is missing or unreadable, a column is unknown or missing, a cell does not fit its
        column (the message names file, line and column), the schema is newer than this code, or a
        row is of another environment than the folder's.
    """
    if not (folder / RUNS).is_file():
        raise ResultsError(f"{folder} holds no result: there is no {RUNS} in it")
    runs = read_csv(folder / RUNS, RunRecord)
    twice = runs["run_id"][runs["run_id"].duplicated()]
    if not twice.empty:
        raise ResultsError(f"{folder / RUNS}, line {twice.index[0] + 2}: {twice.iloc[0]} is twice")
    environment = _read_environment(folder / ENVIRONMENT)
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
    return Results(
        name=folder.name,
        runs=runs,
        epochs=parts[EPOCHS],
        evaluations=parts[EVALUATIONS],
        timings=parts[TIMINGS],
        profile=parts[PROFILE],
        environment=environment,
    )


def _read_environment(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise ResultsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ResultsError(f"{path} must hold a JSON object")
    return content
