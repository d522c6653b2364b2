"""Result folders: records to CSV, by one writer; CSV to checked data frames, for everyone else.

A folder ``results/<name>`` holds ``runs.csv``, ``epochs.csv``, ``evaluations.csv``,
``timings.csv`` and ``environment.json``. A run counts once its row stands in ``runs.csv``, which is
written last.
"""

import csv
import io
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

from seqbench.columns import Column, Value, columns, flatten
from seqbench.errors import ResultsError, UsageError
from seqbench.records import (
    SCHEMA_VERSION,
    EpochRecord,
    EvaluationRecord,
    RunRecord,
    TimingRecord,
)

RUNS = "runs.csv"
EPOCHS = "epochs.csv"
EVALUATIONS = "evaluations.csv"
TIMINGS = "timings.csv"
ENVIRONMENT = "environment.json"
CHECKPOINTS = "checkpoints"
EARLIER = ".earlier"

_PARTS = {EPOCHS: EpochRecord, EVALUATIONS: EvaluationRecord, TIMINGS: TimingRecord}
"""What a run leaves besides its row. A folder from before a file was written has none of it."""

_PANDAS_TYPES = {(int, False): "int64", (int, True): "Int64", (bool, False): "bool"}


@dataclass(frozen=True)
class Results:
    """One result folder, read and checked. Column names and types are those of the records."""

    name: str
    runs: pd.DataFrame
    epochs: pd.DataFrame
    evaluations: pd.DataFrame
    timings: pd.DataFrame
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
                _PARTS.items(), (epochs, evaluations, timings), strict=True
            ):
                self._parts[name].extend(new)
                _replace(self.folder / name, _format_csv(record_type, self._parts[name]))
            _replace(self.folder / RUNS, _format_csv(RunRecord, self._runs))

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


def _format_csv(record_type: type, records: Sequence[object]) -> bytes:
    declared = columns(record_type)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([each.name for each in declared])
    for record in records:
        values = flatten(record)
        for each in declared:
            if not each.accepts(values[each.name]):
                raise ValueError(f"{each.name} must be {each.expected}: {values[each.name]!r}")
        writer.writerow([each.format(values[each.name]) for each in declared])
    return out.getvalue().encode()


def load_results(folder: Path) -> Results:
    """Read a result folder and check every cell of it.

    Epochs of runs that do not stand in ``runs.csv`` were never finished and are left out.

    Raises
    ------
    ResultsError
        If a file is missing or unreadable, a column is unknown or missing, a cell does not fit its
        column (the message names file, line and column), or the schema is newer than this code.
    """
    if not (folder / RUNS).is_file():
        raise ResultsError(f"{folder} holds no result: there is no {RUNS} in it")
    runs = _read_csv(folder / RUNS, RunRecord)
    twice = runs["run_id"][runs["run_id"].duplicated()]
    if not twice.empty:
        raise ResultsError(f"{folder / RUNS}, line {twice.index[0] + 2}: {twice.iloc[0]} is twice")
    parts = {}
    for name, record_type in _PARTS.items():
        frame = _read_csv(folder / name, record_type, optional=name != EPOCHS)
        parts[name] = frame[frame["run_id"].isin(runs["run_id"])].reset_index(drop=True)
    return Results(
        name=folder.name,
        runs=runs,
        epochs=parts[EPOCHS],
        evaluations=parts[EVALUATIONS],
        timings=parts[TIMINGS],
        environment=_read_environment(folder / ENVIRONMENT),
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path} is not UTF-8 text: byte {error.start} is wrong") from error


def _read_environment(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read_text(path))
    except ValueError as error:
        raise ResultsError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ResultsError(f"{path} must hold a JSON object")
    return content


def _read_csv(path: Path, record_type: type, *, optional: bool = False) -> pd.DataFrame:
    declared = columns(record_type)
    missing = optional and not path.exists()
    text = _format_csv(record_type, []).decode() if missing else _read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        lines = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise ResultsError(f"{path}, line {reader.line_num}: {error}") from error
    written_in = _check_schema(path, header, lines)
    _check_header(path, header, [each for each in declared if each.since <= written_in], declared)
    rows = [_parse_row(path, line, header, declared, cells) for line, cells in lines]
    frame = pd.DataFrame(rows, columns=[each.name for each in declared], dtype=object)
    types = {
        each.name: _PANDAS_TYPES.get((each.type, each.optional), each.type) for each in declared
    }
    return frame.astype(types)


def _check_schema(path: Path, header: list[str], lines: list[tuple[int, list[str]]]) -> int:
    """Refuse rows of a newer schema before their new columns are called unknown.

    Returns the newest schema of the file's rows; 1 where no row says.
    """
    newest = 1
    if "schema_version" not in header:
        return newest
    place = header.index("schema_version")
    for line, cells in lines:
        version = cells[place] if place < len(cells) else ""
        if version.isdecimal() and int(version) > SCHEMA_VERSION:
            raise ResultsError(
                f"{path}, line {line}: written in schema {version}, this seqbench reads up to "
                f"{SCHEMA_VERSION}; upgrade seqbench"
            )
        newest = max(newest, int(version) if version.isdecimal() else 1)
    return newest


def _check_header(
    path: Path, header: list[str], needed: Sequence[Column], declared: Sequence[Column]
) -> None:
    unknown = [name for name in header if name not in {each.name for each in declared}]
    missing = [each.name for each in needed if each.name not in header]
    faults = [f"unknown columns {', '.join(unknown)}"] if unknown else []
    faults += [f"missing columns {', '.join(missing)}"] if missing else []
    faults += ["a column is there twice"] if len(set(header)) < len(header) else []
    if faults:
        raise ResultsError(f"{path}, line 1: {'; '.join(faults)} (schema {SCHEMA_VERSION})")


def _parse_row(
    path: Path, line: int, header: list[str], declared: Sequence[Column], cells: list[str]
) -> list[Value]:
    if len(cells) != len(header):
        raise ResultsError(
            f"{path}, line {line}: {len(cells)} cells where {len(header)} belong; is it torn?"
        )
    by_name = dict(zip(header, cells, strict=True))
    values = []
    for each in declared:
        if each.name not in by_name:  # the row is older than the column
            values.append(each.default)
            continue
        cell = by_name[each.name]
        try:
            values.append(each.parse(cell))
        except ValueError as error:
            raise ResultsError(
                f"{path}, line {line}, column {each.name}: must be {error}, not {cell!r}"
            ) from None
    return values
