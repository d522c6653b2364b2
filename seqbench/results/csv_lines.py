"""Lines of CSV files: records, or frames of them, to text. `csv_files` reads it back."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seqbench.columns import Column, Table, Value, columns, flatten

if TYPE_CHECKING:
    import pandas as pd


def format_header(record_type: type) -> str:
    """Return the first line of a file."""
    return "".join(_join([each.name] for each in columns(record_type)))


def format_records(record_type: type, records: Iterable[object]) -> list[str]:
    """Return a line for each record.

    Raises
    ------
    ValueError
        If a value does not fit its column.
    """
    rows = [flatten(each) for each in records]
    for row in rows:
        for each in columns(record_type):
            value = row[each.name]
            if not each.accepts(value):
                raise ValueError(f"{each.name} must be {each.expected}, not {show_value(value)}")
    return _format_lines({each: [row[each.name] for row in rows] for each in columns(record_type)})


def format_table(record_type: type, table: Table) -> list[str]:
    """Return a line for each row of a table that was read from such a file."""
    return _format_lines({each: table[each.name] for each in columns(record_type)})


def make_table(record_type: type, frame: "pd.DataFrame") -> Table:
    """Return the values of a frame with the columns of ``record_type``."""
    return {each.name: _list_values(each, frame[each.name]) for each in columns(record_type)}


def _list_values(column: Column, values: "pd.Series") -> list[Any]:
    known: list[Any] = values.tolist()
    if not column.optional:
        return known
    return [
        None if missing else value
        for value, missing in zip(known, values.isna().tolist(), strict=True)
    ]


def _format_lines(values: Mapping[Column, Sequence[Value]]) -> list[str]:
    return _join(_format_cells(each, of_column) for each, of_column in values.items())


def _format_cells(column: Column, values: Sequence[Value]) -> list[str]:
    if column.type is float:  # 0.0 and -0.0 are one key
        return [column.format(value) for value in values]
    cells = {value: column.format(value) for value in set(values)}
    return [cells[value] for value in values]


class _Lines(list[str]):
    """What a csv writer writes to: it writes a row at a time."""

    def write(self, line: str) -> None:
        self.append(line)


def _join(cells: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of rows whose cells are given column by column."""
    lines = _Lines()
    csv.writer(lines, lineterminator="\n").writerows(zip(*cells, strict=True))
    return lines


def show_value(value: object) -> str:
    """Return a value for a message, however long or strange it is."""
    try:
        shown = ascii(value)
    except Exception:  # of a value from outside; or a number of too many digits
        return f"a {type(value).__name__}"
    return shown if len(shown) <= 80 else f"{shown[:80]}…"
