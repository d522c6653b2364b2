"""Result files that went through pandas or a spreadsheet are read as they were."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seqbench.errors import ResultsError
from seqbench.results.reader import load_results
from seqbench.results.records import EPOCHS, FILES, RUNS, EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
Change = Callable[[str], str]


@pytest.fixture
def mixed(tmp_path: Path, make_run: MakeRun) -> Path:
    """Return a result with empty cells beside numbers and truths, and texts that need quotes."""
    with ResultWriter(tmp_path / "a", {"environment_id": "abc"}) as writer:
        for seed in range(4):
            settings: dict[str, Any] = {"clip_norm": 0.5} if seed % 2 else {"eval_every": 3}
            writer.add(*make_run(1 / (3 + seed), 0.1 + seed / 7, seed=seed, **settings))
        writer.add(make_run(status="failed", seed=9)[0])
    return tmp_path / "a"


def rewrite(**options: Any) -> Change:
    """Return what reads and writes a CSV with the csv module."""

    def change(text: str) -> str:
        out = io.StringIO(newline="")
        csv.writer(out, **{"lineterminator": "\n"} | options).writerows(
            csv.reader(text.splitlines())
        )
        return out.getvalue()

    return change


def through_pandas(index: bool = False, **options: Any) -> Change:
    def change(text: str) -> str:
        return str(pd.read_csv(io.StringIO(text), **options).to_csv(index=index))

    return change


def capitals(text: str) -> str:
    return text.replace("true", "TRUE").replace("false", "FALSE")


CHANGES: dict[str, Change] = {
    "pandas": through_pandas(),
    "pandas, all as text": through_pandas(dtype=str),
    "pandas, with row numbers": through_pandas(index=True),
    "pandas, twice with row numbers": lambda text: through_pandas(index=True)(
        through_pandas(index=True)(text)
    ),
    "pandas, its own types": lambda text: str(
        pd.read_csv(io.StringIO(text)).convert_dtypes().to_csv(index=False)
    ),
    "a mark at the beginning": lambda text: "\ufeff" + text,
    "lines of Windows": lambda text: text.replace("\n", "\r\n"),
    "lines of an old Mac": lambda text: text.replace("\n", "\r"),
    "everything quoted": rewrite(quoting=csv.QUOTE_ALL),
    "semicolons": rewrite(delimiter=";"),
    "tabs": rewrite(delimiter="\t"),
    "capitals": capitals,
    "empty lines at the end": lambda text: text + "\n\n\n",
    "empty lines between": lambda text: text.replace("\n", "\n\n"),
    "rows of empty cells": lambda text: text + "," * text.splitlines()[0].count(",") + "\n",
    "empty columns": lambda text: "".join(f"{line},,\n" for line in text.splitlines()),
    "columns in another order": lambda text: str(
        pd.read_csv(io.StringIO(text), dtype=str).iloc[:, ::-1].to_csv(index=False)
    ),
    "rows in another order": lambda text: str(
        pd.read_csv(io.StringIO(text), dtype=str).iloc[::-1].to_csv(index=False)
    ),
    "rows in another order, numbered": lambda text: str(
        pd.read_csv(io.StringIO(text), dtype=str).iloc[::-1].to_csv()
    ),
    "numbered from 1, as index": lambda text: str(
        pd.read_csv(io.StringIO(text), dtype=str)
        .set_axis(range(1, 1 + len(text.splitlines()) - 1))
        .to_csv(index_label="index")
    ),
    "a spreadsheet": lambda text: "\ufeff" + rewrite(lineterminator="\r\n")(capitals(text)),
    "no line end": lambda text: text.removesuffix("\n"),
}


def sort_runs(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("run_id", kind="stable").reset_index(drop=True)


@pytest.mark.parametrize("name", CHANGES)
def test_a_round_trip_changes_nothing(mixed: Path, name: str) -> None:
    before = load_results(mixed)
    for file in FILES:
        path = mixed / file
        with path.open(newline="") as opened:
            text = opened.read()
        with path.open("w", newline="", encoding="utf-8") as opened:
            opened.write(CHANGES[name](text))
    after = load_results(mixed)
    for file, frame in before.frames.items():
        there = after.frames[file]
        if "another order" in name:  # runs come in the order in which they stand there
            frame, there = sort_runs(frame), sort_runs(there)
        pd.testing.assert_frame_equal(there, frame, rtol=1e-12)


def test_pandas_reads_what_is_written_as_it_is_meant(mixed: Path) -> None:
    read = pd.read_csv(mixed / EPOCHS)
    assert read["contended"].dtype == bool
    assert read["epoch"].dtype == "int64"
    assert read["score"].tolist() == pytest.approx(load_results(mixed).epochs["score"].tolist())
    runs = pd.read_csv(mixed / RUNS)
    scores = [1 / (3 + seed) for seed in range(4)]
    assert runs["final_score"].dropna().tolist() == pytest.approx(scores, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: rewrite(delimiter=";")(text).replace("0.1;", "0,1;"), "must be a number"),
        (lambda text: text.replace("run_id,", "run,"), "unknown columns run"),
        (lambda text: text.replace("failed", "Failed"), "one of ok"),
        (lambda text: text.replace(",true,", ",yes,"), "true or false"),
        (lambda text: text.replace("\n", ",7\n"), "unknown columns 7"),
    ],
)
def test_what_can_be_mistaken_is_refused(mixed: Path, change: Change, told: str) -> None:
    path = mixed / RUNS
    path.write_text(change(path.read_text()))
    with pytest.raises(ResultsError, match=told):
        load_results(mixed)
