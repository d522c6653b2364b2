"""Finished runs that wait for the CSV files: each costs the same, and a kill loses none of them."""

import csv
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from seqbench.columns import columns
from seqbench.errors import ResultsError
from seqbench.results import writer as writer_module
from seqbench.results.accepting import accept_edits
from seqbench.results.atomic_files import replace_file
from seqbench.results.reader import Results, list_results, load_results, load_unfinished
from seqbench.results.records import FILES, RUNS, SCHEMA_VERSION, EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
ENVIRONMENT = {"environment_id": "abc"}
SEEDS = range(10, 18)
WAITING = ["000000005", "000000006", "000000007"]


def read_files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def killed(tmp_path: Path, make_run: MakeRun) -> Path:
    """Return the result of eight runs as a kill leaves it; ``whole`` beside it was not killed."""
    folder = tmp_path / "whole"
    with ResultWriter(folder, ENVIRONMENT) as writer:
        for seed in SEEDS:
            writer.keep(make_run(seed=seed)[0].run_id, b"state")
            writer.add(*make_run(seed=seed))
        shutil.copytree(folder, tmp_path / "killed")
    assert not (folder / ".finished").exists()
    assert sorted(path.name for path in (tmp_path / "killed" / ".finished").iterdir()) == WAITING
    return tmp_path / "killed"


def test_the_last_run_costs_as_many_bytes_as_the_first(
    tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[dict[str, int]] = []

    def count(path: Path, content: bytes) -> None:
        written[-1][path.name] = len(content)
        replace_file(path, content)

    monkeypatch.setattr(writer_module, "replace_file", count)
    runs = [make_run(seed=seed) for seed in range(100, 170)]
    with ResultWriter(tmp_path / "a", ENVIRONMENT) as writer:
        for run, epochs in runs:
            written.append({})
            writer.keep(run.run_id, b"state")
            writer.add(run, epochs)
    exports = [number for number, files in enumerate(written, start=1) if RUNS in files]
    assert exports == [1, 2, 3, 5, 9, 17, 33, 65, 70], "ever more seldom, and at the end"
    alone = [sum(files.values()) for files in written if RUNS not in files]
    assert len(alone) == 61
    assert len(set(alone)) == 1
    assert all(len(files) == 2 for files in written if RUNS not in files), "its state, and its rows"


def test_what_a_killed_writer_left_is_read_without_writing(killed: Path) -> None:
    before = read_files(killed)
    results, whole = load_results(killed), load_results(killed.parent / "whole")
    for name in FILES:
        pd.testing.assert_frame_equal(results.frames[name], whole.frames[name])
    assert results.runs["seed"].tolist() == [*SEEDS]
    assert list_results(killed.parent) == [killed, killed.parent / "whole"]
    assert read_files(killed) == before


def test_the_next_writer_takes_over_what_a_killed_one_left(killed: Path) -> None:
    earlier = load_results(killed)
    with ResultWriter(killed, ENVIRONMENT) as writer:
        writer.resume(earlier, list(earlier.runs["run_id"]), {})
        assert writer.statuses == ["ok"] * len(SEEDS)
    assert read_files(killed) == read_files(killed.parent / "whole")


@pytest.mark.parametrize("end", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_whole_csv_files(
    tmp_path: Path, killed: Path, make_run: MakeRun, end: type[BaseException]
) -> None:
    with suppress(end), ResultWriter(tmp_path / "a", ENVIRONMENT) as writer:
        for seed in SEEDS:
            writer.add(*make_run(seed=seed))
        raise end
    assert read_files(tmp_path / "a") == read_files(tmp_path / "whole")


def test_rows_stand_in_the_order_of_the_plan_and_not_of_their_ends(
    tmp_path: Path, killed: Path, make_run: MakeRun
) -> None:
    order = [make_run(seed=seed)[0].run_id for seed in SEEDS]
    with ResultWriter(tmp_path / "a", ENVIRONMENT) as writer:
        writer.resume(Results.empty("a", ENVIRONMENT), order, {})
        for seed in reversed(SEEDS):
            writer.add(*make_run(seed=seed))
    assert read_files(tmp_path / "a") == read_files(tmp_path / "whole")


def test_a_run_that_stands_in_the_csv_files_too_counts_once(killed: Path) -> None:
    whole = killed.parent / "whole"
    for name in ("epochs.csv", RUNS):  # a kill after each of these, and before the file was removed
        shutil.copy(whole / name, killed / name)
        results = load_results(killed)
        assert results.runs["seed"].tolist() == [*SEEDS]
        assert len(results.epochs) == 2 * len(SEEDS)
    with ResultWriter(killed, ENVIRONMENT) as writer:
        writer.resume(results, list(results.runs["run_id"]), load_unfinished(killed))
    assert read_files(killed) == read_files(whole)


def test_an_edit_is_told_and_accepted_beside_runs_that_wait(killed: Path) -> None:
    path = killed / RUNS
    path.write_text(path.read_text().replace(",1000,ok", ",1001,ok"))
    with pytest.raises(ResultsError, match=r"was edited, in runs\.csv"):
        load_results(killed)
    assert len(accept_edits(killed)) == 5
    assert not (killed / ".finished").exists()
    assert load_results(killed).runs["parameters"].tolist() == [1001] * 5 + [1000] * 3


def test_rows_that_are_missing_are_told_beside_runs_that_wait(killed: Path) -> None:
    path = killed / RUNS
    header, _, *rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join([header, *rows]))
    with pytest.raises(ResultsError, match="rows were deleted, added or renamed: 5 runs when it"):
        load_results(killed)


@pytest.mark.parametrize("content", [b"", b"torn", b"[]", b"3", b'{"runs.csv": 3}', b"{}", b"\xff"])
def test_a_file_that_holds_no_finished_run_is_named(killed: Path, content: bytes) -> None:
    (killed / ".finished" / "000000005").write_bytes(content)
    with pytest.raises(ResultsError, match=r"\.finished/000000005 holds no finished run: "):
        load_results(killed)


def test_a_run_of_an_earlier_schema_may_wait_too(killed: Path) -> None:
    path = killed / ".finished" / "000000006"
    texts = json.loads(path.read_text())
    (row,) = csv.DictReader(texts[RUNS].splitlines())
    kept = [each.name for each in columns(RunRecord) if each.since <= 6]
    aged = {**row, "schema_version": "6"}
    texts[RUNS] = f"{','.join(kept)}\n{','.join(aged[name] for name in kept)}\n"
    path.write_text(json.dumps(texts))
    runs = load_results(killed).runs.set_index("seed")
    assert runs["schema_version"].to_dict() == {**dict.fromkeys(SEEDS, SCHEMA_VERSION), 16: 6}
    assert runs["rows_digest"].isna().to_dict() == {**dict.fromkeys(SEEDS, False), 16: True}
