"""Digests of a run's rows: they tell what was edited after it was written.

Values are told to nine significant digits, not cells, and rows in one order: what pandas and
spreadsheets do to the form of a file, or to the last digit of a number, is no edit. What names
the folder rather than the run, its environment's id, is left out, and so are the digests.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from seqbench.columns import Column, columns
from seqbench.results.consistency import Fault
from seqbench.results.csv_lines import list_values
from seqbench.results.records import DIGEST_SCHEMA, FILES, ORDER, PHASES, RUNS

_LEFT_OUT = {"environment_id", "edited_at", "rows_digest", "runs_digest"}
_SHOWN = 8
_ORDER = (RUNS, *(name for name in FILES if name != RUNS))
_NO_ROWS = hashlib.sha256().hexdigest()[:_SHOWN]


def digest_runs(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the runs with ``rows_digest`` of the rows as they are, where their schema has one.

    ``runs_digest`` is empty: the file that they go into decides it.

    Parameters
    ----------
    frames
        By the name of the file; one that is not there has no rows.
    """
    runs, of_files = frames[RUNS], _digest_files(frames)
    digests = [
        "+".join(of_files.get(name, {}).get(run_id, _NO_ROWS) for name in _ORDER)
        for run_id in runs["run_id"]
    ]
    told = pd.Series(digests, index=runs.index, dtype=object)
    return runs.assign(
        rows_digest=told.where(runs["schema_version"] >= DIGEST_SCHEMA), runs_digest=None
    )


def digest_ids(run_ids: Iterable[str]) -> str:
    """Return ``runs_digest`` of a file with these runs, in whatever order."""
    known = sorted(run_ids)
    digest = hashlib.sha256("\n".join(known).encode()).hexdigest()
    return f"{len(known)}-{digest[:_SHOWN]}"


def find_edits(frames: Mapping[str, pd.DataFrame]) -> list[Fault]:
    """Return what was edited since it was written, as far as rows say what they were.

    Parameters
    ----------
    frames
        By the name of the file; those that are not read are not looked at.
    """
    runs, of_files = frames[RUNS], _digest_files(frames)
    names = [name for name in _ORDER if name in frames]
    expected_ids = digest_ids(runs["run_id"])
    edits: list[Fault] = []
    told = zip(
        runs["run_id"], runs["schema_version"], runs["rows_digest"], runs["runs_digest"],
        strict=True,
    )  # fmt: skip
    for place, (run_id, schema, of_rows, of_ids) in enumerate(told):
        if schema < DIGEST_SCHEMA:
            continue
        stored = dict(zip(_ORDER, "" if pd.isna(of_rows) else of_rows.split("+"), strict=False))
        changed = [
            name for name in names if stored.get(name) != of_files[name].get(run_id, _NO_ROWS)
        ]
        if changed:
            edits.append((place, "rows_digest", f"{run_id} was edited, in {', '.join(changed)}"))
        if of_ids != expected_ids:
            edits.append((place, "runs_digest", _describe_ids(of_ids, len(runs))))
    return edits


def put_in_order(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a file, those of a run together and in the order of `records.ORDER`."""
    keys = rows[["run_id", *ORDER[name]]].copy()
    keys["run_id"] = pd.factorize(keys["run_id"])[0]
    if "phase" in keys:
        keys["phase"] = keys["phase"].map(PHASES.index)
    if "seconds" in keys:
        keys["seconds"] = -keys["seconds"]
    order = keys.reset_index(drop=True).sort_values(list(keys.columns), kind="stable").index
    return rows.iloc[order].reset_index(drop=True)


def _describe_ids(stored: object, now: int) -> str:
    if not isinstance(stored, str):
        return "how many runs the file had is not said any more"
    before = stored.partition("-")[0]
    return f"rows were deleted, added or renamed: {before} runs when it was written, {now} now"


def _digest_files(frames: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, str]]:
    """Return a digest of the rows of each run that has any, by file and ``run_id``."""
    schemas = dict(zip(frames[RUNS]["run_id"], frames[RUNS]["schema_version"], strict=True))
    ordered = {
        name: put_in_order(name, frame) if name in ORDER else frame
        for name, frame in frames.items()
    }
    return {
        name: dict(_digest_runs(FILES[name], frame, schemas)) for name, frame in ordered.items()
    }


def _digest_runs(
    record_type: type, frame: pd.DataFrame, schemas: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """Yield each run of a file and a digest of its rows, of the columns that its schema has."""
    of_rows = frame["run_id"].map(schemas)
    for schema, part in frame.groupby(of_rows):
        told = [
            _tell(each, part[each.name])
            for each in columns(record_type)
            if each.since <= schema and each.name not in _LEFT_OUT
        ]
        lines: dict[str, list[str]] = {}
        for run_id, *values in zip(part["run_id"], *told, strict=True):
            lines.setdefault(run_id, []).append("\x1f".join(values))
        for run_id, each in lines.items():
            yield run_id, hashlib.sha256("\n".join(each).encode()).hexdigest()[:_SHOWN]


def _tell(column: Column, cells: pd.Series) -> list[str]:
    """Return a column's values as text, numbers that are no whole ones to nine digits."""
    values = list_values(column, cells)
    if column.type is float:
        return ["" if value is None else f"{float(value) + 0.0:.8e}" for value in values]
    told = {value: "" if value is None else str(value) for value in set(values)}
    return [told[value] for value in values]
