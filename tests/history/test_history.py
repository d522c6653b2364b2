"""A history: points, series, changes, and what is said of them."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seqbench.commands.history import history as show_history
from seqbench.errors import ExitCode, UsageError
from seqbench.history.change_points import LEAST_POINTS
from seqbench.history.findings import describe_history
from seqbench.history.report import write_history
from seqbench.history.revisions import read_folders
from seqbench.history.trends import ALL_MACHINES, CHANGE, NONE, TOO_FEW, History, trace_history
from seqbench.results.records import EpochRecord, Load, RunRecord
from seqbench.results.writer import ResultWriter
from tests.gate.test_gate_summary import strip_code
from tests.processes import run_seqbench

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
WriteResult = Callable[..., Path]
NOISE = np.random.default_rng(0).standard_normal(40)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, write_result: WriteResult) -> Path:
    """Return a folder of 28 results whose epoch time rises by a quarter on the 15th."""
    folder = tmp_path_factory.mktemp("made") / "nights"
    for day in range(1, 29):
        seconds = 0.5 * np.exp(0.02 * NOISE[day]) * (1.25 if day >= 15 else 1.0)
        score = 0.9 + 0.001 * NOISE[-day]
        torch = "1" if day < 15 else "2"
        write_result(folder / f"night-{day:02d}", day, float(seconds), float(score), torch=torch)
    return folder


def select(history: History, **wanted: Any) -> dict[str, Any]:
    """Return the one trend of the given keys."""
    rows = history.trends.to_dict("records")
    (row,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return {str(key): value for key, value in row.items()}


def test_a_run_counts_once_however_often_it_is_committed(
    tmp_path: Path, write_result: WriteResult
) -> None:
    write_result(tmp_path / "all" / "a", 1, 0.5)
    write_result(tmp_path / "all" / "b", 1, 0.5)  # the same runs again
    write_result(tmp_path / "all" / "c", 2, 0.7)
    points = trace_history(read_folders(tmp_path / "all")).points
    assert points["point"].tolist() == ["a", "c"]


def test_contended_epochs_are_left_out(tmp_path: Path, make_run: MakeRun) -> None:
    run, (calm, other) = make_run(0.9, 0.5)
    slow = replace(other, epoch_time_s=9.0, load=Load(contended=True))
    with ResultWriter(tmp_path / "all" / "a", {"environment_id": "abc"}) as writer:
        writer.add(run, [calm, slow])
    points = trace_history(read_folders(tmp_path / "all")).points
    assert points["epoch_time_s"].tolist() == [0.5]
    assert points["train_samples_per_s"].tolist() == pytest.approx([calm.train_samples_per_s])


def test_a_points_time_is_the_median_over_runs_however_many_epochs_each_has(
    tmp_path: Path, make_run: MakeRun
) -> None:
    with ResultWriter(tmp_path / "all" / "a", {"environment_id": "abc"}) as writer:
        for seed, seconds in enumerate((0.5, 0.7, 0.9)):
            run, epochs = make_run(0.9, seconds, seed=seed, epochs=4)
            calm = replace(epochs[0], epoch_time_s=seconds)
            flagged = [replace(each, load=Load(contended=seed > 0)) for each in epochs[1:]]
            writer.add(run, [calm, *flagged])
    (point,) = trace_history(read_folders(tmp_path / "all")).points.to_dict("records")
    assert point["epoch_time_s"] == 0.7
    assert point["train_samples_per_s"] == pytest.approx(1437 / 0.7)


def test_a_change_of_the_time_is_found_with_what_else_differed(nights: Path) -> None:
    history = trace_history(read_folders(nights))
    (change,) = history.changes.to_dict("records")
    assert (change["figure"], change["verdict"]) == ("epoch_time_s", CHANGE)
    assert (change["previous"], change["point"]) == ("night-14", "night-15")
    assert change["low"] < 1.25 < change["high"]
    assert change["effect"] == pytest.approx(change["after"] / change["before"])
    assert not change["better"]
    assert change["also"] == "software.torch.version: 1, 2"
    assert select(history, figure="score")["verdict"] == NONE
    assert set(history.trends["figure"]) == {"score", "epoch_time_s"}
    told = " ".join(describe_history(history))
    assert "epoch time worse" in told
    assert "No change was found in 1 series of 12 points or more" in told


def test_another_machine_begins_a_series_of_times_and_is_no_change(
    tmp_path: Path, write_result: WriteResult
) -> None:
    folder = tmp_path / "all"
    for day in range(1, 29):
        cpu, factor = ("A", 1.0) if day < 15 else ("B", 2.0)
        seconds = factor * 0.5 * np.exp(0.02 * NOISE[day])
        write_result(folder / f"{day:02d}", day, float(seconds), 0.9, cpu=cpu)
    history = trace_history(read_folders(folder))
    assert history.changes.empty
    times = [select(history, figure="epoch_time_s", machine=number) for number in (1, 2)]
    assert [row["points"] for row in times] == [14, 14]
    assert select(history, figure="score")["points"] == 28
    assert select(history, figure="score")["machine"] == ALL_MACHINES
    told = " ".join(describe_history(history))
    assert "15 was made on machine 2, the previous one on another: `machine.cpu: A, B`." in told


def test_machines_that_take_turns_have_a_series_each(
    tmp_path: Path, write_result: WriteResult
) -> None:
    for day in range(1, 7):
        write_result(tmp_path / "all" / f"{day}", day, cpu="AB"[day % 2])
    history = trace_history(read_folders(tmp_path / "all"))
    assert history.machines["machine"].tolist() == [1, 2, 1, 2, 1, 2]
    assert " ".join(describe_history(history)).count("was made on machine") == 1


def test_a_score_that_falls_is_worse_and_said_over_seeds(
    tmp_path: Path, write_result: WriteResult
) -> None:
    for day in range(1, 25):
        score = (0.9 if day < 13 else 0.8) + 0.004 * NOISE[day]
        write_result(tmp_path / "all" / f"{day:02d}", day, score=float(score))
    history = trace_history(read_folders(tmp_path / "all"))
    (change,) = history.changes.to_dict("records")
    assert (change["figure"], change["point"], change["better"]) == ("score", "13", False)
    assert change["effect"] == pytest.approx(-0.1, abs=0.01)
    assert change["seeds_low"] == pytest.approx(change["effect"], abs=0.01)


def test_few_points_show_nothing_and_say_how_many_it_takes(
    tmp_path: Path, write_result: WriteResult
) -> None:
    for day in range(1, LEAST_POINTS):
        write_result(tmp_path / "all" / f"{day:02d}", day, 0.5 if day < 6 else 5.0)
    history = trace_history(read_folders(tmp_path / "all"))
    assert set(history.trends["verdict"]) == {TOO_FEW}
    assert history.changes.empty
    told = " ".join(describe_history(history))
    assert "2 series with fewer than 12 points; the longest has 11" in told


def test_speed_measured_without_epochs_has_a_series_of_throughput(
    tmp_path: Path, make_run: MakeRun
) -> None:
    run, _ = make_run(epochs=0)
    measured = replace(run, final_score=None, best_score=None, epoch_time_s=None)
    with ResultWriter(tmp_path / "all" / "a", {"environment_id": "abc"}) as writer:
        writer.add(measured)
    history = trace_history(read_folders(tmp_path / "all"))
    assert history.trends["figure"].tolist() == ["train_samples_per_s"]
    write_history(history, tmp_path / "page", "seqbench history")


def test_results_without_a_run_that_ended_well_are_an_error(
    tmp_path: Path, make_run: MakeRun
) -> None:
    with ResultWriter(tmp_path / "all" / "a", {"environment_id": "abc"}) as writer:
        writer.add(*make_run(status="failed"))
    with pytest.raises(UsageError, match="no run of all completed"):
        trace_history(read_folders(tmp_path / "all"))


def test_the_same_results_give_the_same_bytes(nights: Path, tmp_path: Path) -> None:
    contents = []
    for name in ("first", "second"):
        history = trace_history(read_folders(nights))
        page = write_history(history, tmp_path / name, "seqbench history --folder nights")
        contents.append({path.name: path.read_bytes() for path in page.parent.iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"README.md", "history.png", "points.csv"}


def test_the_command_takes_a_name_or_a_folder(tmp_path: Path) -> None:
    for name, folder in ((None, None), ("sample", tmp_path)):
        with pytest.raises(UsageError, match="give one of them"):
            show_history(name, folder)


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "a`b",
    "``` x",
    "\x1b[31mred",
    "$x^$",
    "a|b [c](d)",
    "-->",
    os.fsdecode(b"gr\xf6\xdfe"),
    "n" * 200,
)


@pytest.mark.parametrize("outer", ["all", "<img src=y>--> z", "\x1b]0;title\x07"])
def test_names_of_folders_become_no_markup_and_reach_no_terminal(
    tmp_path: Path, write_result: WriteResult, outer: str
) -> None:
    folder = tmp_path / outer
    for day, name in enumerate(HOSTILE, 1):
        write_result(folder / name, day, cpu=f"A {name}")
    (write_result(folder / "<b>torn", 1) / "epochs.csv").unlink()
    history = trace_history(read_folders(folder))
    page = write_history(history, tmp_path / "page", f"seqbench history {outer}")
    text, screen = page.read_text(encoding="utf-8"), "\n".join(describe_history(history))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text + screen)
    head, *body = text.splitlines()
    assert head.startswith("<!-- Made by")
    assert head.index(">") == len(head) - 1
    prose = strip_code("\n".join(body))
    assert not re.search(r"(?<!\\)<", prose)
    assert re.findall(r"(?<!\\)\]\((.*?)\)", prose) == ["history.png", "points.csv"]
    assert len(pd.read_csv(page.parent / "points.csv")) == len(HOSTILE)


@pytest.mark.parametrize("place", ["file/reports", "/proc/none", "n" * 300])
def test_reports_that_cannot_be_written_are_refused_before_anything_is_read(
    tmp_path: Path, nights: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("here\n")
    monkeypatch.setattr("seqbench.history.revisions.read_folders", None)
    with pytest.raises(UsageError, match=r"cannot be written: .*; --reports names it"):
        show_history(None, nights, reports=tmp_path / place)


def test_a_screen_that_takes_nothing_does_not_lose_the_page(nights: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("the system has no /dev/full")
    with Path("/dev/full").open("wb") as full:
        done = run_seqbench("history", "--folder", nights, cwd=tmp_path, out=full.fileno())
    assert done.returncode == ExitCode.RESULTS_UNREADABLE
    assert "standard output cannot be written" in done.stderr
    assert (tmp_path / "reports/history/nights/README.md").is_file()
