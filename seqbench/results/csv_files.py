"""CSV of records: declared columns to text and back, every cell checked.

What pandas and spreadsheets make of such a file is read too, where it is unmistakable.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from seqbench.columns import Column, Value, columns, flatten
from seqbench.errors import ResultsError
from seqbench.results.records import SCHEMA_VERSION

_PANDAS_TYPES = {
    (int, False): "int64",
    (int, True): "Int64",
    (bool, False): "bool",
    (bool, True): "boolean",
}
_DELIMITERS = ",;\t"  # where commas are decimal marks, spreadsheets write semicolons
_UNNAMED = re.compile(r"(Unnamed: .*|index)?")  # what pandas calls the column of its row numbers

Rows = list[tuple[int, list[str]]]
"""Rows of a file as cells, each with the number of its line."""


def format_header(record_type: type) -> str:
    """Return the first line of a file."""
    return _join([[each.name for each in columns(record_type)]])


def format_records(record_type: type, records: Iterable[object]) -> str:
    """Return a line for each record.

    Raises
    ------
    ValueError
        If a value does not fit its column.
    """
    declared = columns(record_type)
    rows = []
    for values in map(flatten, records):
        for each in declared:
            value = values[each.name]
            if not each.accepts(value):
                raise ValueError(f"{each.name} must be {each.expected}, not {_show(value)}")
        rows.append([each.format(values[each.name]) for each in declared])
    return _join(rows)


def format_frame(record_type: type, frame: pd.DataFrame) -> str:
    """Return a line for each row of a frame that was read from such a file."""
    declared = columns(record_type)
    return _join(
        [
            each.format(None if each.optional and pd.isna(value) else value)
            for each, value in zip(declared, row, strict=True)
        ]
        for row in frame[[each.name for each in declared]].itertuples(index=False)
    )


def _join(rows: Iterable[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _show(value: object) -> str:
    """Return a value for a message, however long or strange it is."""
    try:
        shown = ascii(value)
    except Exception:  # of a value from outside; or a number of too many digits
        return f"a {type(value).__name__}"
    return shown if len(shown) <= 80 else f"{shown[:80]}…"


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


def read_csv(path: Path, record_type: type, *, optional: bool = False) -> pd.DataFrame:
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


def parse_csv(path: Path, text: str, record_type: type) -> pd.DataFrame:
    """Return the records in the text of a file; ``path`` names it in errors, see `read_csv`."""
    declared = columns(record_type)
    header, rows = _split(path, text)
    written_in = _check_schema(path, header, rows)
    _check_header(path, header, [each for each in declared if each.since <= written_in], declared)
    parsed = [_parse_row(path, line, header, declared, cells) for line, cells in rows]
    return make_frame(record_type, parsed)


def make_frame(record_type: type, rows: Sequence[Sequence[Value]]) -> pd.DataFrame:
    """Return a frame with the columns of ``record_type``, each in its type."""
    declared = columns(record_type)
    frame = pd.DataFrame(rows, columns=[each.name for each in declared], dtype=object)
    types = {
        each.name: _PANDAS_TYPES.get((each.type, each.optional), each.type) for each in declared
    }
    return frame.astype(types)


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
    rows = [(line, cells if any(cells[width:]) else cells[:width]) for line, cells in rows]
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


def _check_schema(path: Path, header: list[str], rows: Rows) -> int:
    """Refuse rows of a newer schema before their new columns are called unknown.

    Returns the newest schema of the file's rows; 1 where no row says.
    """
    newest = 1
    if "schema_version" not in header:
        return newest
    place = header.index("schema_version")
    for line, cells in rows:
        version = _read_version(cells[place] if place < len(cells) else "") or 1
        if version > SCHEMA_VERSION:
            raise ResultsError(
                f"{path}, line {line}: written in schema {version}, this seqbench reads up to "
                f"{SCHEMA_VERSION}; upgrade seqbench"
            )
        newest = max(newest, version)
    return newest


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


def _parse_row(
    path: Path, line: int, header: list[str], declared: Sequence[Column], cells: list[str]
) -> list[Value]:
    if len(cells) != len(header):
        raise ResultsError(
            f"{path}, line {line}: {len(cells)} cells where {len(header)} belong; is it torn?"
        )
    by_name = dict(zip(header, cells, strict=True))
    written_in = _read_version(by_name.get("schema_version", "")) or SCHEMA_VERSION
    values = []
    for each in declared:
        if each.name not in by_name:  # the row is older than the column
            values.append(each.default)
            continue
        cell = by_name[each.name]
        if each.optional and each.type is not str and cell.lower() == "nan":
            cell = ""  # as some programs write an empty one
        try:
            value = each.parse(cell)
        except ValueError as error:
            raise ResultsError(
                f"{path}, line {line}, column {each.name}: must be {error}, not {_show(cell)}"
            ) from None
        values.append(value if each.since <= written_in else each.default)
    return values
