"""Result folders, read: CSV to checked data frames, for everyone.

A folder ``results/<name>`` holds ``runs.csv``, ``epochs.csv``, ``evaluations.csv``,
``timings.csv``, ``profile.csv`` and ``environment.json``. A run counts once its row stands in
``runs.csv``, which is written last, or all its rows in ``.finished/``, see `finished_runs`; what it
takes to go on with one that is on its way lies in ``.unfinished/``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from seqbench.columns import Table, columns
from seqbench.errors import ResultsError, SettingError
from seqbench.results.atomic_files import list_replacements
from seqbench.results.consistency import Fault, find_inconsistency
from seqbench.results.csv_files import make_frame, read_cells, read_csv, read_text
from seqbench.results.csv_lines import make_table
from seqbench.results.environment_shape import parse_environment
from seqbench.results.finished_runs import add_finished, load_finished
from seqbench.results.folder_lock import heal_folder
from seqbench.results.records import EPOCHS, FILES, PARTS, RUNS, RunRecord
from seqbench.results.row_digests import find_edits, put_in_order
from seqbench.spec import RunSpec

ENVIRONMENT = "environment.json"
CHECKPOINTS = "checkpoints"
UNFINISHED = ".unfinished"


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
        return cls.of_frames(name, environment, {})

    @classmethod
    def of_frames(
        cls, name: str, environment: dict[str, Any], frames: Mapping[str, pd.DataFrame]
    ) -> "Results":
        """Return a result of frames by the name of their file; one that is not there is empty."""
        all_frames = {
            _field_of(file): frames[file] if file in frames else make_frame(kind, {})
            for file, kind in FILES.items()
        }
        return cls(name=name, environment=environment, **all_frames)

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The frames by the name of their file, in the order in which files are written."""
        return {file: getattr(self, _field_of(file)) for file in FILES}

    @property
    def tables(self) -> dict[str, Table]:
        """The same as tables."""
        return {file: make_table(FILES[file], frame) for file, frame in self.frames.items()}


def _field_of(file: str) -> str:
    return file.removesuffix(".csv")


def list_results(root: Path) -> list[Path]:
    """Return the folders in ``root`` that hold a result, by name."""
    for each in list_replacements(root):
        heal_folder(each)
    return sorted(path.parent for path in root.glob(f"*/{RUNS}"))


def read_run_ids(folder: Path) -> list[str]:
    """Return the ids of the runs in a folder, which may not be there.

    Raises
    ------
    ResultsError
        If they cannot be read.
    """
    if not (folder / RUNS).exists():
        return []
    with _explained(folder):
        finished = load_finished(folder, [RUNS])[RUNS]["run_id"]
    return list(dict.fromkeys([*read_cells(folder / RUNS, "run_id"), *finished]))


def load_unfinished(folder: Path) -> dict[str, bytes]:
    """Return what was kept of the runs that are on their way, by ``run_id``.

    Raises
    ------
    ResultsError
        If a file is unreadable.
    """
    with _explained(folder / UNFINISHED):
        return {
            path.name: path.read_bytes() for path in sorted((folder / UNFINISHED).glob("[!.]*"))
        }


def load_environment(folder: Path) -> dict[str, Any]:
    """Return a result folder's ``environment.json``; raise `ResultsError` if there is none."""
    path = folder / ENVIRONMENT
    try:
        return parse_environment(read_text(path))
    except ValueError as error:
        raise ResultsError(f"{path} {error}") from error


def load_results(folder: Path, parts: Collection[str] = tuple(PARTS)) -> Results:
    """Read a result folder and check every cell of it, and that none was edited.

    Epochs of runs that are not finished are left out.

    Parameters
    ----------
    folder
        ``results/<name>``.
    parts
        The files that are read besides ``runs.csv``; ``epochs.csv`` always is.

    Raises
    ------
    ResultsError
        If a file is missing or unreadable, a column is unknown or missing, a cell does not fit its
        column (the message names file, line and column), the schema is newer than this code, a row
        is of an environment that is not the folder's, cells do not go together, see `consistency`,
        or rows are not those that were written, see `row_digests`.
    """
    tables, environment = _read_tables(folder, parts)
    edits = find_edits(tables)
    if edits:
        more = f" (and {len(edits) - 1} more)" if len(edits) > 1 else ""
        raise ResultsError(
            f"{_name_place(folder, edits[0])}{more}; take the files from where they were right, or "
            f"say with `seqbench accept {folder}` that it was meant"
        )
    return _make_results(folder, environment, tables)


def read_results(folder: Path, parts: Collection[str] = tuple(PARTS)) -> Results:
    """Read a result folder as `load_results` does, without asking whether rows were edited."""
    tables, environment = _read_tables(folder, parts)
    return _make_results(folder, environment, tables)


def _make_results(
    folder: Path, environment: dict[str, Any], tables: Mapping[str, Table]
) -> Results:
    frames = {name: make_frame(FILES[name], table) for name, table in tables.items()}
    return Results.of_frames(folder.name, environment, frames)


def _read_tables(folder: Path, parts: Collection[str]) -> tuple[dict[str, Table], dict[str, Any]]:
    """Return the rows of a result folder by the name of their file, and its environment."""
    heal_folder(folder)
    with _explained(folder):
        if not (folder / RUNS).is_file():
            begun = " but runs on their way" if (folder / UNFINISHED).is_dir() else ""
            raise ResultsError(f"{folder} holds no result{begun}: there is no {RUNS} in it")
        of_parts = dict.fromkeys((EPOCHS, *parts))
        finished = load_finished(folder, (RUNS, *of_parts))
        stored = {RUNS: read_csv(folder / RUNS, RunRecord)}
        environment = load_environment(folder)
        for name in of_parts:
            stored[name] = read_csv(folder / name, PARTS[name], optional=name != EPOCHS)
    tables = add_finished(stored, finished)
    tables |= {name: put_in_order(name, tables[name]) for name in of_parts}
    runs = tables[RUNS]
    _check_environments(folder, runs, environment)
    if not runs["run_id"]:
        raise ResultsError(f"{folder / RUNS} has no row: whoever wrote it wrote some")
    if fault := find_inconsistency(runs, tables[EPOCHS]):
        raise ResultsError(_name_place(folder, fault))
    return tables, environment


def _check_environments(folder: Path, runs: Table, environment: Mapping[str, Any]) -> None:
    """Refuse rows of an environment that is neither the folder's nor one of those pooled in it."""
    own = environment.get("environment_id")
    known = [own, *environment.get("pooled", {})]
    for line, each in enumerate(runs["environment_id"], 2):
        if own is not None and each not in known:
            raise ResultsError(
                f"{folder / RUNS}, line {line}: a row of environment {each} in a result of {own}; "
                f"results of different machines cannot be mixed by hand, see `seqbench pool`"
            )


def _name_place(folder: Path, fault: Fault) -> str:
    place, column, told = fault
    return f"{folder / RUNS}, line {place + 2}, column {column}: {told}"


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn an error of the system into one that names the path."""
    try:
        yield
    except OSError as error:
        raise ResultsError(f"{error.filename or path} cannot be read: {error.strerror}") from error


def read_spec(row: Mapping[str, Any]) -> RunSpec:
    """Return the spec of a run, from its row in `Results.runs`.

    Raises
    ------
    ResultsError
        If its settings do not go together.
    """
    values: dict[str, Any] = {}
    for each in columns(RunSpec):
        value = row[each.name]
        values[each.name] = None if each.optional and pd.isna(value) else each.type(value)
    try:
        return RunSpec(**values)
    except SettingError as error:
        raise ResultsError(f"{row['run_id']} cannot be: {error}") from error


def index_runs(runs: pd.DataFrame) -> dict[RunSpec, dict[str, Any]]:
    """Return the rows of `Results.runs` by their settings: how a run is found, whatever its id."""
    return {read_spec(row): row for row in runs.to_dict("records")}


def select_runs(results: Results, run_ids: Collection[str]) -> Results:
    """Return a result with some of its runs only."""
    chosen = {
        _field_of(name): frame[frame["run_id"].isin(run_ids)].reset_index(drop=True)
        for name, frame in results.frames.items()
    }
    return replace(results, **chosen)


def concatenate(results: Iterable[Results], name: str) -> Results:
    """Return several results as one, with the first one's environment."""
    each = list(results)
    frames = {
        file: pd.concat([part.frames[file] for part in each], ignore_index=True) for file in FILES
    }
    return Results.of_frames(name, each[0].environment, frames)
