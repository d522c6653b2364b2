"""Result folders: what is written comes back, and what does not fit is refused by name."""

import csv
import json
import os
import pkgutil
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seqbench.columns import columns, flatten
from seqbench.errors import ExitCode, ResultsError, UsageError
from seqbench.results.finished_runs import FINISHED
from seqbench.results.reader import UNFINISHED, Results, load_results, load_unfinished
from seqbench.results.records import EPOCHS, FILES, RUNS, SCHEMA_VERSION, EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]


def test_records_come_back_as_they_were(tmp_path: Path, make_run: MakeRun) -> None:
    made = [make_run(1 / 3, 0.1 + seed, seed=seed) for seed in range(2)]
    made.append(make_run(status="failed", seed=2))
    with ResultWriter(tmp_path / "a", {"environment_id": "abc"}) as writer:
        for run, epochs in made:
            writer.add(run, epochs)
    results = load_results(tmp_path / "a")
    assert results.name == "a"
    assert results.environment == {"environment_id": "abc"}
    for row, (run, _) in zip(results.runs.to_dict("records"), made, strict=True):
        for name, value in flatten(run).items():
            back = value if name in ("rows_digest", "runs_digest") else row[name]
            assert back == value or (value is None and back != back) or str(back) == "<NA>"
    written = [flatten(epoch) for _, epochs in made for epoch in epochs]
    expected = pd.DataFrame(written).astype(results.epochs.dtypes)
    pd.testing.assert_frame_equal(results.epochs, expected, check_exact=True)


def test_an_earlier_result_is_kept_aside_whole(tmp_path: Path, make_run: MakeRun) -> None:
    folder = tmp_path / "a"
    for score in (0.5, 0.6):
        with ResultWriter(folder, {}) as writer:
            writer.add(*make_run(score), checkpoint=b"weights")
    assert writer.kept_aside is not None
    assert load_results(writer.kept_aside).runs["final_score"].tolist() == [0.5]
    assert load_results(folder).runs["final_score"].tolist() == [0.6]
    assert len(list((writer.kept_aside / "checkpoints").iterdir())) == 1


def test_nothing_is_touched_before_the_first_run_ends(tmp_path: Path, make_run: MakeRun) -> None:
    folder = tmp_path / "a"
    with ResultWriter(folder, {}) as writer:
        writer.add(*make_run())
    before = (folder / RUNS).read_bytes()
    with ResultWriter(folder, {}):
        pass
    assert (folder / RUNS).read_bytes() == before


def test_two_writers_of_one_folder_are_told_apart(tmp_path: Path) -> None:
    told = f"process {os.getpid()} .seqbench run, since 20.* is writing to .*; --wait waits"
    with (
        ResultWriter(tmp_path / "a", {"command": "seqbench run"}),
        pytest.raises(UsageError, match=told),
        ResultWriter(tmp_path / "a", {}),
    ):
        pass
    with ResultWriter(tmp_path / "a", {}):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ResultsError, match="cannot be written") as caught,
        ResultWriter(tmp_path / "file" / "a", {}),
    ):
        pass
    assert caught.value.exit_code is ExitCode.RESULTS_UNREADABLE


def test_a_text_that_a_spreadsheet_would_work_out_is_marked(
    tmp_path: Path, make_run: MakeRun
) -> None:
    for text in ("=1+1", "+1", "-1", "@a", "'=1", "'quoted'", "plain"):
        run = replace(make_run(status="failed")[0], error=text)
        with ResultWriter(tmp_path / "a", {}) as writer:
            writer.add(run)
        (row,) = csv.DictReader((tmp_path / "a" / RUNS).read_text().splitlines())
        assert row["error"] == (text if text in ("plain", "'quoted'") else f"'{text}")
        assert load_results(tmp_path / "a").runs["error"].tolist() == [text]


ONE_LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    error=ONE_LINE,
    suite=ONE_LINE,
    loss=st.floats(),
    score=st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_record_comes_back(
    make_run: MakeRun, tmp_path: Path, error: str, suite: str, loss: float, score: float
) -> None:
    run, epochs = make_run()
    scored: dict[str, Any] = {"metric": "my_own", "final_score": score, "best_score": score}
    run = replace(run, error=error, suite=suite, **scored)
    epochs = [replace(each, test_loss=loss, score=score) for each in epochs]
    with ResultWriter(tmp_path / "a", {}) as writer:
        writer.add(run, epochs)
    results = load_results(tmp_path / "a")
    (row,) = results.runs.to_dict("records")
    assert (row["error"], row["suite"], row["final_score"]) == (error, suite, score)
    assert results.epochs["score"].tolist() == [score] * 2
    assert [repr(each) for each in results.epochs["test_loss"]] == [repr(loss)] * 2


class Killed(BaseException):
    """What a kill is in a test that goes on after it."""


class Killing:
    """Stands in for `replace_file`: dies after so many bytes, with a file half written."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, path: Path, content: bytes) -> None:
        written = content[: self.left]
        path.with_name(f".{path.name}.tmp").write_bytes(written)
        self.left -= len(content)
        if self.left < 0:
            raise Killed
        path.with_name(f".{path.name}.tmp").replace(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@example(kills=[8295, 11111, 6990, 8924, 3614])
@given(kills=st.lists(st.integers(0, 12_000), max_size=6))
def test_kills_at_any_byte_lose_and_double_nothing(
    make_run: MakeRun, tmp_path_factory: pytest.TempPathFactory, kills: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("killed") / "a"
    records = [make_run(0.1 * seed, seed=seed) for seed in range(4)]
    order = [run.run_id for run, _ in records]
    done: set[str] = set()
    for after in [*kills, 1 << 30]:
        whole = (folder / RUNS).exists()
        earlier = load_results(folder) if whole else Results.empty("a", {})
        there = set(earlier.runs["run_id"])
        assert done <= there, "what was added is there"
        assert len(there) == len(earlier.runs)
        for run_id, kept in load_unfinished(folder).items():
            assert kept == run_id.encode() * 100, "what is kept is whole"
        with (
            suppress(Killed),
            pytest.MonkeyPatch.context() as patch,
            ResultWriter(folder, {"environment_id": "abc"}) as writer,
        ):
            patch.setattr("seqbench.results.writer.replace_file", Killing(after))
            writer.resume(earlier, order, load_unfinished(folder))
            for run, epochs in records:
                if run.run_id not in there:
                    writer.keep(run.run_id, run.run_id.encode() * 100)
                    writer.add(run, epochs)
                    done.add(run.run_id)
    results = load_results(folder)
    assert results.runs["run_id"].tolist() == order
    assert results.epochs["run_id"].tolist() == [run_id for run_id in order for _ in range(2)]
    assert load_unfinished(folder) == {}


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("seqbench.results.writer.replace_file", EPOCHS),
        ("pathlib.Path.unlink", UNFINISHED),
        ("shutil.rmtree", UNFINISHED),
        ("shutil.rmtree", FINISHED),
    ],
)
def test_what_a_kill_after_the_last_run_leaves_is_removed_by_the_next_writer(
    step: str, name: str, make_run: MakeRun, tmp_path: Path
) -> None:
    """A kill while the CSV files are written, or after it, before what was kept is removed."""
    do = pkgutil.resolve_name(step)
    folder = tmp_path / "a"
    records = [make_run(seed=seed) for seed in range(3)]
    order = [run.run_id for run, _ in records]

    def die(path: Path, *rest: Any, **more: Any) -> None:
        if name in (path.name, path.parent.name):
            raise Killed
        do(path, *rest, **more)

    with (
        suppress(Killed),
        pytest.MonkeyPatch.context() as patch,
        ResultWriter(folder, {"environment_id": "abc"}) as writer,
    ):
        for run, epochs in records:
            writer.keep(run.run_id, b"x" * 100)
            if run.run_id == order[-1]:
                (folder / UNFINISHED / ".half.tmp").write_bytes(b"x")
                patch.setattr(step, die)
            writer.add(run, epochs)
    assert (folder / name).exists() or step.endswith("replace_file")
    earlier = load_results(folder)
    assert set(earlier.runs["run_id"]) == set(order)
    with ResultWriter(folder, {"environment_id": "abc"}) as writer:
        writer.resume(earlier, order, load_unfinished(folder))
    assert {path.name for path in folder.iterdir()} == {*FILES, "environment.json"}
    assert load_results(folder).runs["run_id"].tolist() == order


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that is a file system of its own, of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount a file system of its own")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_keeps_what_was_good(small_disk: Path, make_run: MakeRun) -> None:
    with ResultWriter(small_disk / "a", {"environment_id": "abc"}) as writer:
        writer.add(*make_run(seed=0))
        with pytest.raises(ResultsError, match=r"cannot be written: No space left on device"):
            writer.add(*make_run(seed=1), checkpoint=b"x" * 100_000)
        assert not list((small_disk / "a").rglob("*.tmp"))
        with pytest.raises(ResultsError, match=r"free disk space, grant permission"):
            writer.keep("b", b"x" * 100_000)
    assert load_results(small_disk / "a").runs["seed"].tolist() == [0]


def test_a_disk_that_can_only_be_read_is_named(small_disk: Path, make_run: MakeRun) -> None:
    with ResultWriter(small_disk / "a", {"environment_id": "abc"}) as writer:
        writer.add(*make_run(seed=0))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with (
        pytest.raises(ResultsError, match="cannot be written: Read-only file system"),
        ResultWriter(small_disk / "a", {}),
    ):
        pass
    assert load_results(small_disk / "a").runs["seed"].tolist() == [0]


def test_a_score_that_was_edited_is_named(result_folder: Path) -> None:
    number = place(result_folder, RUNS, "final_score")
    edit(result_folder, RUNS, lambda rows: rows[3].__setitem__(number, "0.99"))
    with pytest.raises(ResultsError, match=r"runs.csv, line 4, column final_score: .*0\.99"):
        load_results(result_folder)


def edit(folder: Path, file: str, change: Callable[[list[list[str]]], object]) -> None:
    """Change the rows of a file in place, or replace them by what ``change`` returns."""
    path = folder / file
    rows = list(csv.reader(path.read_text().splitlines()))
    changed = change(rows)
    rows = changed if isinstance(changed, list) and isinstance(changed[0], list) else rows
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")


def place(folder: Path, file: str, column: str) -> int:
    return (folder / file).read_text().splitlines()[0].split(",").index(column)


@pytest.mark.parametrize(
    ("file", "column", "cell", "expected"),
    [
        (RUNS, "seed", "one", "a whole number"),
        (RUNS, "seed", "-1", "at least 0"),
        (RUNS, "device", "tpu", "one of cpu, cuda"),
        (RUNS, "status", "fine", "one of ok"),
        (RUNS, "higher_is_better", "yes", "true or false"),
        (RUNS, "started_at", "yesterday", "like 2026"),
        (EPOCHS, "train_loss", "", "a number"),
        (EPOCHS, "epoch_time_s", "-0.5", "greater than 0"),
        (EPOCHS, "epoch", "0", "at least 1"),
    ],
)
def test_a_cell_that_does_not_fit_is_named_by_file_line_and_column(
    result_folder: Path, file: str, column: str, cell: str, expected: str
) -> None:
    number = place(result_folder, file, column)
    edit(result_folder, file, lambda rows: rows[3].__setitem__(number, cell))
    with pytest.raises(ResultsError) as caught:
        load_results(result_folder)
    message = str(caught.value)
    assert f"{file}, line 4, column {column}: must be " in message
    assert expected in message
    assert repr(cell) in message


def test_unknown_missing_and_double_columns_are_refused(result_folder: Path) -> None:
    original = (result_folder / RUNS).read_text()
    edit(result_folder, RUNS, lambda rows: [[*row, "x"] for row in rows])
    with pytest.raises(ResultsError, match=r"line 1: unknown columns x"):
        load_results(result_folder)
    (result_folder / RUNS).write_text(original)
    edit(result_folder, RUNS, lambda rows: [row[:-1] for row in rows])
    with pytest.raises(ResultsError, match=r"line 1: missing columns runs_digest"):
        load_results(result_folder)
    (result_folder / RUNS).write_text(original)
    edit(result_folder, RUNS, lambda rows: [[*row, row[0]] for row in rows])
    with pytest.raises(ResultsError, match=r"line 1: a column is there twice"):
        load_results(result_folder)


def test_a_newer_schema_is_refused_as_such(result_folder: Path) -> None:
    def grow(rows: list[list[str]]) -> None:
        version = rows[0].index("schema_version")
        for row in rows[1:]:
            row[version] = str(SCHEMA_VERSION + 1)
        for row in rows:
            row.append("new_column")

    edit(result_folder, RUNS, grow)
    with pytest.raises(ResultsError, match=r"written in schema \d, .* reads up to \d; upgrade"):
        load_results(result_folder)


def test_rows_of_an_earlier_schema_mean_the_defaults_of_later_columns(result_folder: Path) -> None:
    later = [each.name for each in columns(RunRecord) if each.since > 1]
    assert {"length", "clip_norm"} <= set(later)

    def age(rows: list[list[str]]) -> None:
        version = rows[0].index("schema_version")
        for row in rows[1:]:
            row[version] = "1"
        kept = [place for place, name in enumerate(rows[0]) if name not in later]
        rows[:] = [[row[place] for place in kept] for row in rows]

    recent = ["schema_version", "edited_at", "rows_digest", "runs_digest"]
    expected = load_results(result_folder).runs.drop(columns=recent)
    expected["peak_memory_bytes"] = pd.array([None] * len(expected), "Int64")
    edit(result_folder, RUNS, age)
    runs = load_results(result_folder).runs
    assert set(runs["schema_version"]) == {1}
    assert runs[recent[1:]].isna().all(axis=None)
    pd.testing.assert_frame_equal(runs.drop(columns=recent), expected)


def test_memory_of_an_earlier_schema_is_another_quantity_and_not_known(result_folder: Path) -> None:
    def age(rows: list[list[str]]) -> None:
        version = rows[0].index("schema_version")
        for row in rows[1:3]:
            row[version] = "4"

    edit(result_folder, RUNS, age)
    memory = load_results(result_folder).runs["peak_memory_bytes"]
    assert memory.isna().tolist() == [True, True, False, False, False, False]
    assert set(memory.dropna()) == {2**20}


def test_a_cell_of_an_earlier_schema_is_checked_all_the_same(result_folder: Path) -> None:
    memory = place(result_folder, RUNS, "peak_memory_bytes")
    version = place(result_folder, RUNS, "schema_version")
    edit(result_folder, RUNS, lambda rows: rows[1].__setitem__(version, "4"))
    edit(result_folder, RUNS, lambda rows: rows[1].__setitem__(memory, "-1"))
    with pytest.raises(ResultsError, match=r"line 2, column peak_memory_bytes: must be"):
        load_results(result_folder)


def test_a_later_column_may_not_be_missing_from_todays_rows(result_folder: Path) -> None:
    def cut(rows: list[list[str]]) -> None:
        place = rows[0].index("length")
        for row in rows:
            del row[place]

    edit(result_folder, RUNS, cut)
    with pytest.raises(ResultsError, match="missing columns length"):
        load_results(result_folder)


def test_a_torn_line_is_named(result_folder: Path) -> None:
    path = result_folder / EPOCHS
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ResultsError, match=r"epochs.csv, line 13: \d+ cells where 20 belong"):
        load_results(result_folder)


def test_a_run_that_is_there_twice_is_refused(result_folder: Path) -> None:
    edit(result_folder, RUNS, lambda rows: rows.append(rows[1]))
    with pytest.raises(ResultsError, match=r"line 8, column run_id: .* is twice"):
        load_results(result_folder)


def test_a_run_that_is_there_twice_by_another_name_is_refused(result_folder: Path) -> None:
    def add(rows: list[list[str]]) -> None:
        rows.append(["another-name", *rows[1][1:]])

    edit(result_folder, RUNS, add)
    with pytest.raises(ResultsError, match=r"line 8, .* has the settings and seed of another row"):
        load_results(result_folder)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"final_score": "nan"}, "line 2, column final_score: nan is not a valid score"),
        ({"final_score": ""}, "line 2, column final_score: nan is not a valid score"),
        ({"best_score": "1.5"}, "line 2, column best_score: 1.5 is no accuracy, which is 0 to 1"),
        ({"best_score": "0.2"}, "column best_score: 0.2 is not the score of its best epoch"),
        ({"baseline_score": "-0.1"}, "column baseline_score: -0.1 is no accuracy"),
        ({"higher_is_better": "false"}, "column higher_is_better: "),
        ({"metric": "mse"}, "column metric: accuracy is not mse, as in other rows of the task"),
        ({"epoch_time_s": "0"}, "column epoch_time_s: must be a number, greater than 0"),
    ],
)
def test_cells_that_cannot_stand_beside_the_others_are_named(
    result_folder: Path, cells: dict[str, str], told: str
) -> None:
    def change(rows: list[list[str]]) -> None:
        for name, cell in cells.items():
            rows[1][rows[0].index(name)] = cell

    edit(result_folder, RUNS, change)
    with pytest.raises(ResultsError, match=re.escape(told)):
        load_results(result_folder)


def test_a_metric_that_runs_the_wrong_way_is_named(result_folder: Path) -> None:
    def turn(rows: list[list[str]]) -> None:
        for row in rows[1:]:
            row[rows[0].index("higher_is_better")] = "false"

    edit(result_folder, RUNS, turn)
    with pytest.raises(ResultsError, match="false does not fit the metric accuracy"):
        load_results(result_folder)


def test_epochs_of_runs_that_never_finished_do_not_count(result_folder: Path) -> None:
    edit(result_folder, EPOCHS, lambda rows: rows.append(["never-finished", *rows[1][1:]]))
    assert "never-finished" in (result_folder / EPOCHS).read_text()
    results = load_results(result_folder)
    assert len(results.runs) == 6
    assert len(results.epochs) == 12


def test_a_folder_without_results_and_a_broken_environment_are_named(
    result_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ResultsError, match="holds no result"):
        load_results(tmp_path)
    (result_folder / "environment.json").write_text("{")
    with pytest.raises(ResultsError, match="not valid JSON"):
        load_results(result_folder)
    (result_folder / "environment.json").write_text(json.dumps([1]))
    with pytest.raises(ResultsError, match="JSON object"):
        load_results(result_folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_bytes_as_a_csv_give_an_error_of_ours(result_folder: Path, content: bytes) -> None:
    (result_folder / RUNS).write_bytes(content)
    with pytest.raises(ResultsError, match=r"runs\.csv"):
        load_results(result_folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_cut_and_any_changed_byte_read_whole_or_are_refused(
    result_folder: Path, data: st.DataObject
) -> None:
    path = result_folder / EPOCHS
    original = path.read_bytes()
    try:
        number = data.draw(st.integers(0, len(original) - 1))
        changed = data.draw(
            st.sampled_from(
                [original[:number], original[:number] + b"\xff" + original[number + 1 :]]
            )
        )
        path.write_bytes(changed)
        with suppress(ResultsError):  # any other error is a failure
            assert len(load_results(result_folder).epochs) <= 12
    finally:
        path.write_bytes(original)


def test_an_archived_result_has_nothing_of_the_one_in_its_place(
    make_run: MakeRun, tmp_path: Path
) -> None:
    with ResultWriter(tmp_path / "a", {"environment_id": "abc"}) as writer:
        writer.add(*make_run(seed=0))
        writer.keep("of the earlier one", b"x")
    with ResultWriter(tmp_path / "a", {"environment_id": "abc"}) as writer:
        for seed in (7, 8):
            run, epochs = make_run(seed=seed)
            writer.keep(run.run_id, b"y")
            writer.add(run, epochs)
    assert writer.kept_aside
    assert list(load_unfinished(writer.kept_aside)) == ["of the earlier one"]
    assert load_results(writer.kept_aside).runs["seed"].tolist() == [0]
