"""What one column of a result file is: its name, type, unit, meaning and check, declared once.

Records are frozen dataclasses whose fields are made by `column`; `columns` reads the declarations
back. Writing, reading, validation and the documentation of the CSV all go by them.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

Value = str | int | float | bool | None
Table = Mapping[str, Sequence[Any]]
"""Values by column, None for those that are not known: rows before they become a frame."""

Record = TypeVar("Record")


@dataclass(frozen=True)
class Check:
    """A condition on a value, with the words that complete "must be …"."""

    expected: str
    holds: Callable[[Any], bool]
    choices: tuple[str, ...] = ()


def at_least(minimum: float) -> Check:
    """Accept finite numbers from ``minimum`` on."""
    return Check(f"at least {minimum}", lambda value: minimum <= value < math.inf)


def above(limit: float) -> Check:
    """Accept finite numbers greater than ``limit``."""
    return Check(f"greater than {limit}", lambda value: limit < value < math.inf)


def finite() -> Check:
    """Accept numbers that are not infinite, nor NaN."""
    return Check("finite", math.isfinite)


def in_range(low: float, high: float) -> Check:
    """Accept numbers from ``low`` up to, but without, ``high``."""
    return Check(f"at least {low} and less than {high}", lambda value: low <= value < high)


def one_of(*choices: str) -> Check:
    """Accept the given words."""
    return Check(f"one of {', '.join(choices)}", lambda value: value in choices, choices)


def matching(pattern: str, expected: str) -> Check:
    """Accept strings that match the regular expression ``pattern`` as a whole."""
    compiled = re.compile(pattern)
    return Check(expected, lambda value: compiled.fullmatch(value) is not None)


_FORMULA = re.compile(r"'*[=+\-@\t]")  # how a cell begins that a spreadsheet would evaluate
_WHOLE = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_PLAIN = re.compile(r"[!-^`-~]+")  # ASCII without blanks and _, which Python's float takes too
_EXACT = 2**53  # up to here a float holds every whole number
MOST_CHARACTERS = 131_000
"""Longest text that a cell may hold: the csv module reads none of more than 131,072."""


def _refuse() -> Value:
    raise ValueError


def _parse_whole(cell: str) -> Value:
    """Return a whole number, also as pandas writes it next to empty cells, with a fraction of 0."""
    if re.fullmatch(r"-?[0-9]{1,19}", cell):
        return int(cell)
    number = float(cell) if _WHOLE.fullmatch(cell) else math.nan
    return int(number) if number.is_integer() and abs(number) <= _EXACT else _refuse()


def parse_float(cell: str) -> float:
    """Return a number in ASCII; raise `ValueError` for blanks, underscores and other digits too."""
    if not _PLAIN.fullmatch(cell):
        raise ValueError(cell)
    return float(cell)


_PARSERS: dict[type, Callable[[str], Value]] = {
    str: lambda cell: cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell,
    int: _parse_whole,
    float: parse_float,
    bool: lambda cell: {"true": True, "false": False}[cell.lower()],
}
_TYPE_NAMES = {
    str: f"text of at most {MOST_CHARACTERS:,} characters",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


@dataclass(frozen=True)
class Column:
    """One column: what a cell of it may hold, and what that means.

    ``since`` is the schema version that brought it, or its present meaning; rows of an earlier one
    mean ``default``, whatever they have under its name. ``group`` and ``note`` are of a setting:
    the section of its option in the help, and what applies to the option but not to a cell.
    """

    name: str
    type: type
    meaning: str
    unit: str = ""
    check: Check | None = None
    optional: bool = False
    since: int = 1
    default: Value = None
    group: str = ""
    note: str = ""

    @property
    def expected(self) -> str:
        """The valid values, as text: "a whole number, at least 1"."""
        words = [self.check.expected] if self.check else []
        if not (words and words[0].startswith("one of ")):
            words.insert(0, _TYPE_NAMES[self.type])
        return ", ".join(words) + (", or empty" if self.optional else "")

    def accepts(self, value: Value) -> bool:
        """Return whether ``value`` has this column's type and passes its check."""
        if value is None:
            return self.optional
        if isinstance(value, bool) is not (self.type is bool):
            return False
        if not isinstance(value, (int, float) if self.type is float else self.type):
            return False
        return self._is_written_whole(value) and (self.check is None or self.check.holds(value))

    def _is_written_whole(self, value: Value) -> bool:
        """Return whether a value of this column's type can be written, and read back as it was.

        A NaN would be taken for an empty cell where a column may have one.
        """
        if isinstance(value, str):
            return len(value) <= MOST_CHARACTERS and _is_unicode(value)
        if self.type is int and isinstance(value, int):
            return -(2**63) <= value < 2**63
        if isinstance(value, int):  # in a column of floats
            return abs(value) <= _EXACT
        return not (self.optional and isinstance(value, float) and math.isnan(value))

    def canonical(self, value: Value) -> Value:
        """Return an accepted value in this column's type: 0 and −0.0 of a float column are 0.0."""
        if value is None or self.type is not float:
            return value
        return float(value) + 0.0

    def parse(self, cell: str) -> Value:
        """Return the value that ``cell`` holds; raise `ValueError` with what was expected.

        Read is also what pandas and spreadsheets make of what `format` wrote.
        """
        if cell == "" and self.optional:
            return None
        try:
            value = _PARSERS[self.type](cell)
        except (ValueError, KeyError):
            raise ValueError(self.expected) from None
        if not self.accepts(value):
            raise ValueError(self.expected)
        return value

    def format(self, value: Value) -> str:
        """Return the cell for ``value``; floats keep all digits for an exact round trip.

        A text that a spreadsheet would take for a formula gets an apostrophe in front.
        """
        if value is None:
            return ""
        if self.type is str:
            return f"'{value}" if _FORMULA.match(str(value)) else str(value)
        if self.type is bool:
            return "true" if value else "false"
        return repr(float(value)) if self.type is float else str(value)


def _is_unicode(text: str) -> bool:
    """Return whether a text can be encoded: half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def column(
    meaning: str,
    *,
    unit: str = "",
    check: Check | None = None,
    default: Any = dataclasses.MISSING,
    since: int = 1,
    group: str = "",
    note: str = "",
) -> Any:
    """Declare a dataclass field that is a column of a result file; see `Column`.

    A column that came later than the first schema has a default: what earlier rows mean.
    """
    metadata = {
        "meaning": meaning, "unit": unit, "check": check, "since": since,
        "group": group, "note": note,
    }  # fmt: skip
    if since > 1:
        metadata["default"] = default
    return dataclasses.field(default=default, metadata=metadata)


_DECLARED: dict[type, tuple[Column, ...]] = {}


def columns(record: type) -> tuple[Column, ...]:
    """Return the columns of a record type, those of a nested record in the nested one's place."""
    if record not in _DECLARED:
        _DECLARED[record] = tuple(_read_columns(record))
    return _DECLARED[record]


def _read_columns(record: type) -> Iterator[Column]:
    hints = get_type_hints(record)
    for field in dataclasses.fields(record):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from columns(hint)  # type: ignore[arg-type]
            continue
        alternatives = get_args(hint) or (hint,)
        (kind,) = (part for part in alternatives if part is not NoneType)
        yield Column(field.name, kind, optional=NoneType in alternatives, **field.metadata)


def flatten(record: object) -> dict[str, Value]:
    """Return a record's values by column name."""
    row: dict[str, Value] = {}
    for field in dataclasses.fields(record):  # type: ignore[arg-type]
        value = getattr(record, field.name)
        row.update(flatten(value) if dataclasses.is_dataclass(value) else {field.name: value})
    return row


def unflatten(record: type[Record], row: Mapping[str, Value]) -> Record:
    """Return the record that `flatten` made ``row`` of."""
    hints = get_type_hints(record)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(record):  # type: ignore[arg-type]
        nested = dataclasses.is_dataclass(hints[field.name])
        values[field.name] = unflatten(hints[field.name], row) if nested else row[field.name]
    return record(**values)


def take_rows(table: Table, places: Sequence[int]) -> Table:
    """Return some rows of a table, in the order of their places."""
    return {name: [values[place] for place in places] for name, values in table.items()}
