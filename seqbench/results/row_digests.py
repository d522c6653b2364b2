"""Digests of a run's rows: they tell what was edited after it was written.

Values are told to nine significant digits, not cells, and rows in one order: what pandas and
spreadsheets do to the form of a file, or to the last digit of a number, is no edit. What names
the folder rather than the run, its environment's id, is left out, and so are the digests.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from seqbench.columns import Column, Table, Value, columns, take_rows
from seqbench.results.consistency import Fault
from seqbench.results.records import DIGEST_SCHEMA, FILES, ORDER, PHASES, RUNS

_LEFT_OUT = {"environment_id", "edited_at", "rows_digest", "runs_digest"}
_SHOWN = 8
_ORDER = (RUNS, *(name for name in FILES if name != RUNS))
_NO_ROWS = hashlib.sha256().hexdigest()[:_SHOWN]


def digest_runs(tables: Mapping[str, Table]) -> Table:
    """Return the runs with ``rows_digest`` of the rows as they are, where their schema has one.

    ``runs_digest`` is empty: the file that they go into decides it.

    Parameters
    ----------
    tables
        By the name of the file; one that is not there has no rows.
    """
    runs, of_files = tables[RUNS], _digest_files(tables)
    digests = [
        "+".join(of_files.get(name, {}).get(run_id, _NO_ROWS) for name in _ORDER)
        if schema >= DIGEST_SCHEMA
        else None
        for run_id, schema in zip(runs["run_id"], runs["schema_version"], strict=True)
    ]
    return {**runs, "rows_digest": digests, "runs_digest": [None] * len(digests)}


def digest_ids(run_ids: Iterable[str]) -> str:
    """Return ``runs_digest`` of a file with these runs, in whatever order."""
    known = sorted(run_ids)
    digest = hashlib.sha256("\n".join(known).encode()).hexdigest()
    return f"{len(known)}-{digest[:_SHOWN]}"


def find_edits(tables: Mapping[str, Table]) -> list[Fault]:
    """Return what was edited since it was written, as far as rows say what they were.

    Parameters
    ----------
    tables
        By the name of the file; those that are not read are not looked at.
    """
    runs, of_files = tables[RUNS], _digest_files(tables)
    names = [name for name in _ORDER if name in tables]
    expected_ids = digest_ids(runs["run_id"])
    edits: list[Fault] = []
    told = zip(
        runs["run_id"], runs["schema_version"], runs["rows_digest"], runs["runs_digest"],
        strict=True,
    )  # fmt: skip
    for place, (run_id, schema, of_rows, of_ids) in enumerate(told):
        if schema < DIGEST_SCHEMA:
            continue
        stored = dict(zip(_ORDER, (of_rows or "").split("+"), strict=False))
        changed = [
            name for name in names if stored.get(name) != of_files[name].get(run_id, _NO_ROWS)
        ]
        if changed:
            edits.append((place, "rows_digest", f"{run_id} was edited, in {', '.join(changed)}"))
        if of_ids != expected_ids:
            edits.append((place, "runs_digest", _describe_ids(of_ids, len(runs["run_id"]))))
    return edits


def put_in_order(name: str, rows: Table) -> Table:
    """Return the rows of a file, those of a run together and in the order of `records.ORDER`."""
    runs = {run_id: place for place, run_id in enumerate(dict.fromkeys(rows["run_id"]))}
    keys = [[runs[run_id] for run_id in rows["run_id"]]]
    for each in ORDER[name]:
        key = {"phase": PHASES.index, "seconds": lambda seconds: -seconds}.get(each)
        keys.append([key(value) for value in rows[each]] if key else list(rows[each]))
    sortable = list(zip(*keys, strict=True))
    return take_rows(rows, sorted(range(len(sortable)), key=sortable.__getitem__))


def _describe_ids(stored: object, now: int) -> str:
    if not isinstance(stored, str):
        return "how many runs the file had is not said any more"
    before = stored.partition("-")[0]
    return f"rows were deleted, added or renamed: {before} runs when it was written, {now} now"


def _digest_files(tables: Mapping[str, Table]) -> dict[str, dict[str, str]]:
    """Return a digest of the rows of each run that has any, by file and ``run_id``."""
    schemas = dict(zip(tables[RUNS]["run_id"], tables[RUNS]["schema_version"], strict=True))
    ordered = {
        name: put_in_order(name, table) if name in ORDER else table
        for name, table in tables.items()
    }
    return {
        name: dict(_digest_runs(FILES[name], table, schemas)) for name, table in ordered.items()
    }


def _digest_runs(
    record_type: type, table: Table, schemas: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """Yield each run of a file and a digest of its rows, of the columns that its schema has."""
    of_schemas: dict[int, list[int]] = {}
    for place, run_id in enumerate(table["run_id"]):
        if run_id in schemas:
            of_schemas.setdefault(schemas[run_id], []).append(place)
    for schema, places in of_schemas.items():
        part = take_rows(table, places)
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


def _tell(column: Column, values: Sequence[Value]) -> list[str]:
    """Return a column's values as text, numbers that are no whole ones to nine digits."""
    if column.type is float:
        return ["" if value is None else f"{float(value) + 0.0:.8e}" for value in values]
    told = {value: "" if value is None else str(value) for value in set(values)}
    return [told[value] for value in values]
