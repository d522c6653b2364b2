"""CSV of records: declared columns to text and back, every cell checked."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from seqbench.columns import Column, Value, columns, flatten
from seqbench.errors import ResultsError
from seqbench.records import SCHEMA_VERSION

_PANDAS_TYPES = {
    (int, False): "int64",
    (int, True): "Int64",
    (bool, False): "bool",
    (bool, True): "boolean",
}


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
            if not each.accepts(values[each.name]):
                raise ValueError(f"{each.name} must be {each.expected}: {values[each.name]!r}")
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


def read_text(path: Path) -> str:
    """Return a file's text; raise `ResultsError` if there is none."""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path} is not UTF-8 text: byte {error.start} is wrong") from error


def read_csv(path: Path, record_type: type, *, optional: bool = False) -> pd.DataFrame:
    """Return a file's rows, every cell checked; none if it is ``optional`` and not there.

    Raises
    ------
    ResultsError
        If it is unreadable, torn, of a newer schema, or has a column or cell that does not fit.
    """
    declared = columns(record_type)
    missing = optional and not path.exists()
    text = format_header(record_type) if missing else read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        lines = [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        raise ResultsError(f"{path}, line {reader.line_num}: {error}") from error
    written_in = _check_schema(path, header, lines)
    _check_header(path, header, [each for each in declared if each.since <= written_in], declared)
    rows = [_parse_row(path, line, header, declared, cells) for line, cells in lines]
    return make_frame(record_type, rows)


def make_frame(record_type: type, rows: Sequence[Sequence[Value]]) -> pd.DataFrame:
    """Return a frame with the columns of ``record_type``, each in its type."""
    declared = columns(record_type)
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
    version = by_name.get("schema_version", "")
    written_in = int(version) if version.isdecimal() else SCHEMA_VERSION
    values = []
    for each in declared:
        if each.name not in by_name:  # the row is older than the column
            values.append(each.default)
            continue
        cell = by_name[each.name]
        try:
            value = each.parse(cell)
        except ValueError as error:
            raise ResultsError(
                f"{path}, line {line}, column {each.name}: must be {error}, not {cell!r}"
            ) from None
        values.append(value if each.since <= written_in else each.default)
    return values
