"""CSV files, read: text to tables of declared columns, every cell checked. See `csv_lines`.

What pandas and spreadsheets make of such a file is read too, where it is unmistakable.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from seqbench.columns import Column, Table, Value, columns
from seqbench.errors import ResultsError
from seqbench.results.csv_lines import format_header, show_value
from seqbench.results.records import SCHEMA_VERSION

_PANDAS_TYPES = {
    (int, False): "int64",
    (int, True): "Int64",
    (bool, False): "bool",
    (bool, True): "boolean",
}
_DELIMITERS = ",;\t"  # where commas are decimal marks, spreadsheets write semicolons
_SCHEMA = "schema_version"
_UNNAMED = re.compile(r"(Unnamed: .*|index)?")  # what pandas calls the column of its row numbers

Rows = list[tuple[int, list[str]]]
"""Rows of a file as cells, each with the number of its line."""


def read_text(path: Path) -> str:
    """Return a file's text, without the mark that some editors put before it.

    Raises
    ------
    ResultsError
        If there is none, or it is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path} is not UTF-8 text: byte {error.start} is wrong") from error


def read_csv(path: Path, record_type: type, *, optional: bool = False) -> Table:
    """Read a file of records, every cell checked and in its type.

    Parameters
    ----------
    path
        The file.
    record_type
        What its rows are.
    optional
        Whether a file that is not there is one without rows.

    Raises
    ------
    ResultsError
        If it is unreadable, torn, of a newer schema, or has a column or cell that does not fit.
    """
    missing = optional and not path.exists()
    return parse_csv(path, format_header(record_type) if missing else read_text(path), record_type)


def read_cells(path: Path, column: str) -> list[str]:
    """Return a column of a file as it stands there, unchecked; raise `ResultsError` without it."""
    header, rows = _split(path, read_text(path))
    if column not in header:
        raise ResultsError(f"{path}, line 1: missing columns {column}")
    return _turn(path, header, rows)[column]


def parse_csv(path: Path, text: str, record_type: type) -> Table:
    """Return the records in the text of a file; ``path`` names it in errors, see `read_csv`."""
    declared = columns(record_type)
    header, rows = _split(path, text)
    _check_schema(path, header, rows, declared)
    cells = _turn(path, header, rows)
    versions = [_read_version(each) or SCHEMA_VERSION for each in cells.get(_SCHEMA, [])]
    versions = versions or [SCHEMA_VERSION] * len(rows)
    values: dict[str, Sequence[Value]] = {}
    faults = []
    for each in declared:
        try:
            values[each.name] = _parse_cells(each, cells.get(each.name), versions)
        except _CellError as fault:
            faults.append((rows[fault.place][0], f"column {each.name}: {fault}"))
    if faults:
        line, told = min(faults, key=lambda fault: fault[0])
        raise ResultsError(f"{path}, line {line}, {told}")
    return values


def make_frame(record_type: type, table: Table) -> pd.DataFrame:
    """Return a frame with the columns of ``record_type``, each in its type; empty of no values."""
    return pd.DataFrame(
        {
            each.name: pd.array(
                table.get(each.name, ()),
                dtype=_PANDAS_TYPES.get((each.type, each.optional), each.type),
            )
            for each in columns(record_type)
        },
        copy=False,
    )


def _split(path: Path, text: str) -> tuple[list[str], Rows]:
    """Return the header and the rows, as cells, without the empty ones that spreadsheets add."""
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        rows = [(reader.line_num, cells) for cells in reader if any(cells)]
    except csv.Error as error:
        raise ResultsError(f"{path}, line {reader.line_num}: {error}") from error
    width = len(header)
    rows = [
        (line, cells if len(cells) <= width or any(cells[width:]) else cells[:width])
        for line, cells in rows
    ]
    return _drop_unnamed(header, rows)


def _drop_unnamed(header: list[str], rows: Rows) -> tuple[list[str], Rows]:
    """Leave out columns without a name that are empty, or number the rows in whatever order."""

    def says_nothing(at: int) -> bool:
        if not _UNNAMED.fullmatch(header[at]) or any(
            len(cells) != len(header) for _, cells in rows
        ):
            return False
        told = [cells[at] for _, cells in rows if cells[at]]
        return all(each.isdecimal() for each in told) and len(set(told)) == len(told)

    kept = [at for at in range(len(header)) if not says_nothing(at)]
    if len(kept) == len(header):
        return header, rows
    return [header[at] for at in kept], [(line, [cells[at] for at in kept]) for line, cells in rows]


def _read_version(cell: str) -> int | None:
    """Return the schema that a row names, if it names one."""
    return int(float(cell)) if re.fullmatch(r"[0-9]{1,9}(\.0*)?", cell) else None


def _check_schema(path: Path, header: list[str], rows: Rows, declared: Sequence[Column]) -> None:
    """Refuse rows of a newer schema before their new columns are called unknown."""
    newest = 1
    for line, cells in rows if _SCHEMA in header else ():
        place = header.index(_SCHEMA)
        version = _read_version(cells[place] if place < len(cells) else "") or 1
        if version > SCHEMA_VERSION:
            raise ResultsError(
                f"{path}, line {line}: written in schema {version}, this seqbench reads up to "
                f"{SCHEMA_VERSION}; upgrade seqbench"
            )
        newest = max(newest, version)
    _check_header(path, header, [each for each in declared if each.since <= newest], declared)


def _check_header(
    path: Path, header: list[str], needed: Sequence[Column], declared: Sequence[Column]
) -> None:
    unknown = [name for name in header if name not in {each.name for each in declared}]
    missing = [each.name for each in needed if each.name not in header]
    shown = ", ".join(name or "without a name" for name in unknown)
    faults = [f"unknown columns {shown}"] if unknown else []
    faults += [f"missing columns {', '.join(missing)}"] if missing else []
    faults += ["a column is there twice"] if len(set(header)) < len(header) else []
    if faults:
        raise ResultsError(f"{path}, line 1: {'; '.join(faults)} (schema {SCHEMA_VERSION})")


def _turn(path: Path, header: list[str], rows: Rows) -> dict[str, list[str]]:
    """Return the cells of each column."""
    for line, cells in rows:
        if len(cells) != len(header):
            raise ResultsError(
                f"{path}, line {line}: {len(cells)} cells where {len(header)} belong; truncated?"
            )
    return {name: [cells[place] for _, cells in rows] for place, name in enumerate(header)}


class _CellError(ValueError):
    """A cell that does not fit its column, by its place there."""

    def __init__(self, place: int, told: str) -> None:
        super().__init__(told)
        self.place = place


def _parse_cells(
    column: Column, cells: Sequence[str] | None, versions: Sequence[int]
) -> list[Value]:
    """Return the values of a column; None for its cells if the rows are older than it."""
    if cells is None:
        return [column.default] * len(versions)
    values: dict[str, Value] = {}
    for cell in dict.fromkeys(cells):
        # NaN: as some programs write an empty one
        empty = column.optional and column.type is not str and cell.lower() == "nan"
        try:
            values[cell] = column.parse("" if empty else cell)
        except ValueError as error:
            told = f"must be {error}, not {show_value(cell)}"
            raise _CellError(cells.index(cell), told) from None
    if column.since <= min(versions, default=SCHEMA_VERSION):
        return [values[cell] for cell in cells]
    return [
        values[cell] if column.since <= version else column.default
        for cell, version in zip(cells, versions, strict=True)
    ]
