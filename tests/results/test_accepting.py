"""Edits: what was changed in a result after it was written is told, and may be accepted."""

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from seqbench.analysis.comparison import compare_results, describe_comparison
from seqbench.columns import Column, columns
from seqbench.errors import ResultsError, UsageError
from seqbench.report.provenance import describe_provenance
from seqbench.results.accepting import accept_edits
from seqbench.results.reader import Results, load_results, select_runs
from seqbench.results.records import (
    EPOCHS,
    EVALUATIONS,
    FILES,
    PROFILE,
    RUNS,
    SCHEMA_VERSION,
    TIMINGS,
    EpochRecord,
    EvaluationRecord,
    ProfileRecord,
    RunRecord,
    TimingRecord,
)
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
Rows = list[list[str]]
DATA = Path(__file__).parents[1] / "data"


def leave(run_id: str) -> dict[str, Any]:
    """Return what a measured run leaves besides its epochs."""
    return {
        "evaluations": [
            EvaluationRecord(
                run_id=run_id, epoch=1, batches=place, train_time_s=float(place), test_loss=0.5,
                score=0.1 * place,
            )
            for place in (1, 2)
        ],
        "timings": [
            TimingRecord(
                run_id=run_id, phase="train_step", sample=sample, calls=1, seconds=0.5 + sample,
                examples=16, time_steps=80, flops=1000,
            )
            for sample in range(3)
        ],
        "profile": [
            ProfileRecord(
                run_id=run_id, operator=name, calls=3, seconds=0.5, steps=2, steps_s=2.0, threads=1
            )
            for name in ("aten::mm", "aten::tanh")
        ],
    }  # fmt: skip


@pytest.fixture
def measured(tmp_path: Path, make_run: MakeRun) -> Path:
    """Return a result of two measured runs and one that failed, of a metric of one's own."""
    folder = tmp_path / "results" / "measured"
    with ResultWriter(folder, {"environment_id": "abc"}) as writer:
        for seed in range(2):
            run, epochs = make_run(0.7 + 0.1 * seed, seed=seed, dropout=0.1)
            named = [replace(each, metric="my_own") for each in epochs]
            writer.add(replace(run, metric="my_own"), named, **leave(run.run_id))
        run, _ = make_run(status="failed", seed=2, dropout=0.1)
        writer.add(replace(run, metric="my_own"))
    return folder


def read(path: Path) -> Rows:
    with path.open(newline="") as lines:
        return list(csv.reader(lines))


def write(path: Path, rows: Rows) -> None:
    with path.open("w", newline="") as lines:
        csv.writer(lines, lineterminator="\n").writerows(rows)


def set_cell(file: str, column: str, cell: str, line: int = 1) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rows = read(folder / file)
        assert rows[line][rows[0].index(column)] != cell, "it is a change"
        rows[line][rows[0].index(column)] = cell
        write(folder / file, rows)

    return change


def drop_lines(file: str, *lines: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rows = read(folder / file)
        write(folder / file, [row for line, row in enumerate(rows) if line not in lines])

    return change


def double_line(file: str, line: int = 1) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rows = read(folder / file)
        write(folder / file, [*rows[: line + 1], *rows[line:]])

    return change


def flip_all(file: str, column: str, cell: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rows = read(folder / file)
        place = rows[0].index(column)
        write(folder / file, [rows[0], *([*r[:place], cell, *r[place + 1 :]] for r in rows[1:])])

    return change


ACCEPTABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a setting": (set_cell(RUNS, "learning_rate", "0.01"), "was edited, in runs.csv"),
    "a time": (set_cell(RUNS, "epoch_time_s", "0.4"), "was edited, in runs.csv"),
    "a baseline": (set_cell(RUNS, "baseline_score", "0.5"), "was edited, in runs.csv"),
    "an error": (set_cell(RUNS, "error", "ValueError: x", 3), "was edited, in runs.csv"),
    "data": (set_cell(RUNS, "data_fingerprint", "x"), "was edited, in runs.csv"),
    "code": (set_cell(RUNS, "commit", "x"), "was edited, in runs.csv"),
    "a loss": (set_cell(EPOCHS, "train_loss", "0.25"), "was edited, in epochs.csv"),
    "a loss's ninth digit": (
        set_cell(EPOCHS, "test_loss", "1.10000001"),
        "was edited, in epochs.csv",
    ),
    "an epoch's load": (set_cell(EPOCHS, "contended", "true"), "was edited, in epochs.csv"),
    "an evaluation": (set_cell(EVALUATIONS, "score", "0.9"), "was edited, in evaluations.csv"),
    "a deleted evaluation": (drop_lines(EVALUATIONS, 1), "was edited, in evaluations.csv"),
    "a sample": (set_cell(TIMINGS, "seconds", "0.25"), "was edited, in timings.csv"),
    "a deleted sample": (drop_lines(TIMINGS, 3), "was edited, in timings.csv"),
    "a doubled sample": (double_line(TIMINGS), "was edited, in timings.csv"),
    "a deleted file": (lambda folder: (folder / TIMINGS).unlink(), "was edited, in timings.csv"),
    "an operator": (set_cell(PROFILE, "operator", "aten::add"), "was edited, in profile.csv"),
    "two files": (
        lambda folder: [
            set_cell(RUNS, "threads", "2")(folder),
            set_cell(PROFILE, "threads", "2")(folder),
        ],
        "was edited, in runs.csv, profile.csv",
    ),
    "a digest": (set_cell(RUNS, "rows_digest", "+".join(["0" * 8] * 5)), "was edited"),
    "no digest": (set_cell(RUNS, "rows_digest", ""), "was edited"),
    "no digest of all": (flip_all(RUNS, "runs_digest", ""), "is not said any more"),
    "a deleted run": (drop_lines(RUNS, 2), "3 runs when it was written, 2 now"),
    "the first run deleted": (drop_lines(RUNS, 1), "3 runs when it was written, 2 now"),
    "the failed run deleted": (drop_lines(RUNS, 3), "3 runs when it was written, 2 now"),
    "all but one": (drop_lines(RUNS, 1, 3), "3 runs when it was written, 1 now"),
    "another name": (set_cell(RUNS, "run_id", "another", 3), "rows were deleted, added or renamed"),
}
"""Edits after which all cells still go together: by name, with what is said of each."""


@pytest.mark.parametrize("name", ACCEPTABLE)
def test_an_edit_is_told_and_can_be_accepted(measured: Path, name: str) -> None:
    change, told = ACCEPTABLE[name]
    change(measured)
    with pytest.raises(ResultsError) as caught:
        load_results(measured)
    assert told in str(caught.value)
    assert f"`seqbench accept {measured}`" in str(caught.value)
    assert any(told in each for each in accept_edits(measured))
    results = load_results(measured)
    assert results.runs["edited_at"].notna().any()
    assert "edited by hand" in next(describe_provenance(results))
    assert accept_edits(measured) == []


def test_only_the_runs_that_were_edited_are_marked(measured: Path) -> None:
    set_cell(RUNS, "learning_rate", "0.01", 2)(measured)
    accept_edits(measured)
    results = load_results(measured)
    assert results.runs["edited_at"].notna().tolist() == [False, True, False]
    (told,) = describe_provenance(results)
    assert told.startswith("**1 of 3 runs were edited by hand** after they were written")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (double_line(EPOCHS), "has the epochs 1, 1, 2 in epochs.csv"),
        (double_line(EPOCHS, 2), "has the epochs 1, 2, 2 in epochs.csv"),
        (drop_lines(EPOCHS, 1), "has the epochs 2 in epochs.csv"),
        (drop_lines(EPOCHS, 2), "epochs.csv has 1 of"),
        (drop_lines(EPOCHS, 1, 2), "epochs.csv has 0 of"),
        (set_cell(EPOCHS, "epoch", "3", 2), "has the epochs 1, 3 in epochs.csv"),
        (set_cell(RUNS, "epochs", "3"), "epochs.csv has 2 of"),
        (set_cell(RUNS, "final_score", "nan"), "is not a valid score of a completed run"),
        (set_cell(RUNS, "final_score", ""), "is not a valid score of a completed run"),
        (set_cell(RUNS, "final_score", "0.9"), "is not the score of its last epoch"),
        (set_cell(RUNS, "best_score", "0.9"), "is not the score of its best epoch"),
        (set_cell(RUNS, "best_score", "0.35"), "is not the score of its best epoch"),
        (set_cell(EPOCHS, "score", "0.9"), "is not the score of its best epoch"),
        (set_cell(RUNS, "higher_is_better", "false"), "True is not False, as in other rows"),
        (flip_all(RUNS, "higher_is_better", "false"), "is not the score of its best epoch"),
        (set_cell(RUNS, "metric", "other"), "my_own is not other, as in other rows"),
        (set_cell(RUNS, "seed", "1"), "has the settings and seed of another row"),
        (double_line(RUNS), "is twice"),
        (drop_lines(RUNS, 1, 2, 3), "runs.csv has no row"),
    ],
)
def test_what_does_not_go_together_cannot_be_accepted(
    measured: Path, change: Callable[[Path], None], told: str
) -> None:
    change(measured)
    before = {path.name: path.read_bytes() for path in measured.iterdir()}
    for read_it in (load_results, accept_edits):
        with pytest.raises(ResultsError, match=told):
            read_it(measured)
    assert {path.name: path.read_bytes() for path in measured.iterdir()} == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_any_cell_that_means_something_else_is_told(
    measured: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("edited") / "measured"
    shutil.copytree(measured, folder)
    file = data.draw(st.sampled_from(list(FILES)))
    rows = read(folder / file)
    declared = {each.name: each for each in columns(FILES[file])}
    column = data.draw(st.sampled_from([each for each in declared if each not in LEFT_OUT]))
    line = data.draw(st.integers(1, len(rows) - 1))
    place = rows[0].index(column)
    other = data.draw(st.sampled_from(list_cells(declared[column], [row[place] for row in rows])))
    assume(means(declared[column], other) != means(declared[column], rows[line][place]))
    rows[line][place] = other
    write(folder / file, rows)
    with pytest.raises(ResultsError):
        load_results(folder)


LEFT_OUT = {"environment_id", "edited_at", "schema_version"}
"""The first is held against environment.json; one is the record of edits; one decides the rule."""


def list_cells(column: Column, there: list[str]) -> list[str]:
    """Return cells that a column may have: those of other rows, and some of its type."""
    some = {str: ["other", "x" * 9], int: ["0", "1", "77"], float: ["0.125", "1.5", "nan", "inf"]}
    return [*there[1:], *some.get(column.type, ["true", "false"]), ""]


def means(column: Column, cell: str) -> object:
    if cell == "nan" and column.optional and column.type is not str:
        cell = ""  # as some programs write it
    try:
        return column.parse(cell)
    except ValueError:
        return f"not a value: {cell}"


def test_what_only_changes_the_last_digits_is_no_edit(measured: Path) -> None:
    """Programs that read and write a CSV round its numbers; no sentence depends on that."""
    rows = read(measured / EPOCHS)
    for column in ("train_loss", "test_loss", "epoch_time_s", "eval_samples_per_s"):
        place = rows[0].index(column)
        for row in rows[1:]:
            row[place] = repr(float(np.nextafter(float(row[place]), np.inf)))
    write(measured / EPOCHS, rows)
    assert load_results(measured).runs["edited_at"].isna().all()


def test_a_comparison_tells_of_edits(measured: Path) -> None:
    before = load_results(measured)
    set_cell(RUNS, "epoch_time_s", "0.4", 2)(measured)
    accept_edits(measured)
    lines = list(describe_comparison("a", "b", compare_results(before, load_results(measured))))
    assert "1 of 2 pairs have a run that was edited by hand." in lines


def test_rows_may_be_sorted(measured: Path) -> None:
    rows = read(measured / RUNS)
    write(measured / RUNS, [rows[0], *rows[:0:-1]])
    assert load_results(measured).runs["seed"].tolist() == [2, 1, 0]


def test_a_writer_that_goes_on_keeps_digests_and_what_was_accepted(
    measured: Path, make_run: MakeRun
) -> None:
    set_cell(RUNS, "learning_rate", "0.01", 2)(measured)
    accept_edits(measured)
    before = load_results(measured)
    run, _ = make_run(status="failed", seed=9)
    with ResultWriter(measured, before.environment) as writer:
        writer.resume(before, [*before.runs["run_id"], run.run_id], {})
        writer.add(replace(run, metric="my_own"))
    after = load_results(measured)
    assert after.runs["rows_digest"].tolist()[:3] == before.runs["rows_digest"].tolist()
    assert after.runs["edited_at"].notna().tolist() == [False, True, False, False]
    assert set(after.runs["runs_digest"].str.partition("-")[0]) == {"4"}
    drop_lines(RUNS, 1)(measured)
    with pytest.raises(ResultsError, match="4 runs when it was written, 3 now"):
        load_results(measured)


def test_rows_of_an_earlier_schema_have_no_digests_and_say_nothing(
    tmp_path: Path, make_run: MakeRun
) -> None:
    for name in ("schema-5", "schema-5-measured"):
        shutil.copytree(DATA / name, tmp_path / name)
        older = load_results(tmp_path / name)
        assert older.runs[["rows_digest", "runs_digest"]].isna().all(axis=None)
        assert accept_edits(tmp_path / name) == []
    set_cell(EPOCHS, "train_loss", "0.25")(tmp_path / "schema-5")
    older = load_results(tmp_path / "schema-5")
    run, epochs = make_run(hidden_size=8, seed=9)
    named = replace(run, environment_id=older.environment["environment_id"])
    with ResultWriter(tmp_path / "schema-5", older.environment) as writer:
        writer.resume(older, [*older.runs["run_id"], run.run_id], {})
        writer.add(named, epochs)
    both = load_results(tmp_path / "schema-5")
    assert both.runs["schema_version"].tolist() == [5, 5, 5, 5, SCHEMA_VERSION]
    assert both.runs["rows_digest"].isna().tolist() == [True] * 4 + [False]
    pd.testing.assert_frame_equal(
        select_runs(both, older.runs["run_id"]).runs.drop(columns="runs_digest"),
        older.runs.drop(columns="runs_digest"),
    )
    drop_lines(RUNS, 1)(tmp_path / "schema-5")
    with pytest.raises(ResultsError, match="5 runs when it was written, 4 now"):
        load_results(tmp_path / "schema-5")


def test_a_part_that_is_not_asked_for_is_not_missed(measured: Path) -> None:
    for name in (EVALUATIONS, TIMINGS, PROFILE):
        (measured / name).unlink()
    results: Results = load_results(measured, parts=())
    assert (len(results.epochs), len(results.timings)) == (4, 0)
    set_cell(EPOCHS, "train_loss", "0.25")(measured)
    with pytest.raises(ResultsError, match=r"was edited, in epochs\.csv"):
        load_results(measured, parts=())


def test_nothing_is_accepted_while_somebody_writes(measured: Path) -> None:
    set_cell(RUNS, "learning_rate", "0.01")(measured)
    with ResultWriter(measured, {}), pytest.raises(UsageError, match="is writing to"):
        accept_edits(measured)
