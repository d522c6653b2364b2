"""Result files changed by a user or a broken disk: CSV and ``environment.json``."""

import csv
import io
import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.hostile.options import run_words
from benchmarks.hostile.trial import Trial

GOOD = {"name": "good", "variant": "rnn,gru", "seeds": "2", "epochs": "3", "eval-every": "1"}
"""The result in every folder."""

OTHER = GOOD | {"name": "other", "learning-rate": "0.01"}

CELLS = (
    *("", "nan", "inf", "-1", "0", "1e400", "9" * 5000, "true", "None", "x", "'=1+1", "=1+1"),
    *(
        "\x1b[31m",
        "<img src=x>",
        "```",
        "|",
        "名前",
        "9" * 20,
        "0x10",
        "1_0",
        "1,5",
        "\r",
        "\u2028",
    ),
)
"""Texts that come into the place of a random cell."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e308, 10**30, 2**63, "", "x" * 10_000, [], {}, [[]], {"a": {}}),
    *(
        "\x1b[31mred",
        "```\n# a title\n```",
        "<img src=x onerror=alert(1)>",
        "|a|b|\n|-|-|",
        "\ud800",
    ),
    *(float("nan"), float("inf"), "line\nline", "\u202e", ["x"], [None], [{}], {"": ""}),
)
"""Values that come into the place of a random one of ``environment.json``."""

READERS: tuple[tuple[str, ...], ...] = (
    ("report", "good"),
    ("compare", "good", "other"),
    ("compare", "other", "good"),
    ("pool", "both", "good"),
    ("history", "--folder", "results"),
)

Rows = list[list[str]]


def list_trials(drawn: random.Random, cells: int, values: int) -> Iterator[Trial]:
    """Yield known faults, unmistakable rewritings, and random cells and JSON values."""
    for name in ("runs.csv", "epochs.csv", "evaluations.csv"):
        for what, change in RAW_FAULTS.items():
            yield _trial(f"{name}: {what}", "refused", partial(_rewrite, name, change))
        for what, change in REWRITINGS.items():
            yield _trial(f"{name}: {what}", "accepted", partial(_rewrite, name, change))
        for what, edit in ROW_FAULTS.items():
            yield _trial(f"{name}: {what}", "refused", partial(_edit, name, edit))
    for column, text in RUN_CELLS:
        edit = partial(_set_cell, column=column, text=text)
        yield _trial(f"runs.csv: {column} {text!r}", "refused", partial(_edit, "runs.csv", edit))
    for number in range(cells):
        cell = partial(_set_random_cell, seed=drawn.random())
        name = drawn.choice(("runs.csv", "epochs.csv", "evaluations.csv"))
        words = READERS[number % len(READERS)]
        expected = "told" if words[0] == "history" else "refused"  # it continues with the others
        yield _trial(f"{name}: a random cell", expected, partial(_edit, name, cell), words)
    for what, content in JSON_FAULTS.items():
        for words in READERS[:2]:
            yield _trial(f"environment.json: {what}", "refused", partial(_put_json, content), words)
    for number in range(values):
        words = (*READERS, run_words(GOOD))[number % (len(READERS) + 1)]
        value = partial(_set_random_value, seed=drawn.random())
        yield _trial("environment.json: a random value", "told", value, words)


def _trial(
    what: str,
    expected: str,
    prepare: Callable[[Path], object],
    words: tuple[str, ...] = ("report", "good"),
) -> Trial:
    return Trial("files", f"{what}: {words[0]}", words, expected, prepare, spoilt=True)


# bytes of a whole file

RAW_FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "truncated": lambda raw: raw[: -len(raw.splitlines()[-1]) // 2],
    "a NUL byte": lambda raw: raw[:-5] + b"\0" + raw[-5:],
    "a byte that is no UTF-8": lambda raw: raw[:-5] + b"\xff" + raw[-5:],
    "a quote that does not end": lambda raw: raw[:-1] + b',"\n',
    "a column that is unknown": lambda raw: raw.replace(b"run_id,", b"run_id,strange,", 1),
    "a column that is not there": lambda raw: raw.replace(b"run_id,", b"", 1),
    "a column twice": lambda raw: raw.replace(b"run_id,", b"run_id,run_id,", 1),
    "no header": lambda raw: raw.split(b"\n", 1)[1],
    "UTF-16": lambda raw: raw.decode().encode("utf-16"),
    "its own bytes twice": lambda raw: raw + raw,
}

REWRITINGS: dict[str, Callable[[bytes], bytes]] = {
    "line ends of Windows": lambda raw: raw.replace(b"\n", b"\r\n"),
    "a byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "every cell quoted": lambda raw: _quote_all(raw),
    "a spreadsheet's separator": lambda raw: raw.replace(b",", b";"),
    "empty lines at the end": lambda raw: raw + b"\n\n",
    "True and False as pandas writes them": lambda raw: raw.replace(b",true", b",True").replace(
        b",false", b",False"
    ),
    "no end of the last line": lambda raw: raw.rstrip(b"\n"),
}


def _quote_all(raw: bytes) -> bytes:
    written = io.StringIO()
    rows = csv.reader(io.StringIO(raw.decode(), newline=""))
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return written.getvalue().encode()


def _rewrite(name: str, change: Callable[[bytes], bytes], folder: Path) -> None:
    path = folder / "results" / "good" / name
    path.write_bytes(change(path.read_bytes()))


# rows and cells

ROW_FAULTS: dict[str, Callable[[Rows], object]] = {
    "the first row is not there": lambda rows: rows.pop(1),
    "the last row is not there": lambda rows: rows.pop(),
    "a row in the middle is not there": lambda rows: rows.pop(len(rows) // 2),
    "a row twice": lambda rows: rows.append(rows[-1]),
    "two rows exchange their scores": lambda rows: _exchange(rows),
    "a cell too many": lambda rows: rows[-1].append("x"),
    "a cell too few": lambda rows: rows[-1].pop(),
    "a run of another name": lambda rows: rows[-1].__setitem__(0, "strange"),
}

RUN_CELLS = (
    *(("final_score", text) for text in ("nan", "", "inf", "-0.5", "1.5", "0.123", "x")),
    *(("best_score", text) for text in ("nan", "0", "2", "0.999999")),
    *(("higher_is_better", text) for text in ("false", "maybe", "")),
    *(("status", text) for text in ("failed", "okay", "", "diverged")),
    *(("metric", text) for text in ("mse", "Accuracy", "", "a b")),
    *(("baseline_score", text) for text in ("nan", "0.9", "inf")),
    *(("schema_version", text) for text in ("99", "0", "-1", "x", "9" * 5000)),
    *(("epoch_time_s", text) for text in ("0", "-1", "nan", "1e-9", "1e9")),
    *(("parameters", text) for text in ("-1", "1", "1.5")),
    *(("variant", text) for text in ("lstm", "<img>", "")),
    *(("seed", text) for text in ("-1", "7", "1.5")),
    *(("learning_rate", text) for text in ("0.5", "0", "nan")),
    *(("environment_id", text) for text in ("", "strange")),
    *(("started_at", text) for text in ("yesterday", "")),
    *(("data_fingerprint", text) for text in ("", "0" * 64)),
)
"""Cells of the first run, and edited values."""


def _exchange(rows: Rows) -> None:
    place = rows[0].index("final_score" if "final_score" in rows[0] else "score")
    line = next(number for number in range(2, len(rows)) if rows[number][place] != rows[1][place])
    rows[1][place], rows[line][place] = rows[line][place], rows[1][place]


def _set_cell(rows: Rows, column: str, text: str) -> None:
    rows[1][rows[0].index(column)] = text


def _set_random_cell(rows: Rows, seed: float) -> None:
    drawn = random.Random(seed)
    line, place = drawn.randrange(1, len(rows)), drawn.randrange(len(rows[0]))
    others = [text for text in CELLS if not _is_same(text, rows[line][place])]
    rows[line][place] = drawn.choice(others)


def _is_same(text: str, cell: str) -> bool:
    """Return whether two cells hold one value: 0 is 0.0."""
    try:
        return text == cell or float(text) == float(cell)
    except ValueError:
        return False


def _edit(name: str, edit: Callable[[Rows], object], folder: Path) -> None:
    path = folder / "results" / "good" / name
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    edit(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


# environment.json

JSON_FAULTS: dict[str, bytes] = {
    "empty": b"",
    "half of it": b'{"machine": {"cpu": "x"',
    "null": b"null",
    "a list": b"[]",
    "a number": b"1e999",
    "no UTF-8": b'{"machine": "\xff"}',
    "nested a hundred thousand deep": b"[" * 100_000 + b"]" * 100_000,
    "an object nested a hundred thousand deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "two objects": b"{}{}",
    "a number of five thousand digits": b'{"a": ' + b"9" * 5000 + b"}",
}


def _put_json(content: bytes, folder: Path) -> None:
    (folder / "results" / "good" / "environment.json").write_bytes(content)


def _set_random_value(folder: Path, seed: float) -> None:
    path = folder / "results" / "good" / "environment.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    drawn = random.Random(seed)
    place: Any = content
    while True:
        key = (
            drawn.choice(sorted(place)) if isinstance(place, dict) else drawn.randrange(len(place))
        )
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or drawn.random() < 0.4:
            break
        place = inner
    place[key] = drawn.choice(VALUES)
    path.write_text(json.dumps(content), encoding="utf-8")
