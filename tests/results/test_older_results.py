"""Results of schemas 5 and 6, as they were written: see tests/data/README.md."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seqbench.analysis.comparison import compare_results
from seqbench.harness.plan import plan_runs
from seqbench.harness.problems import Problem, describe_problem, problem_of
from seqbench.harness.resume import Remainder, find_remainder, make_jobs
from seqbench.report.page import write_report
from seqbench.results.pooling import pool_results
from seqbench.results.reader import index_runs, load_results
from seqbench.results.records import SCHEMA_VERSION, EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec
from seqbench.tasks.task import make_task
from seqbench.timing.sampler import Sampling

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
DATA = Path(__file__).parents[1] / "data"
STORED = [
    "row-digits-rnn-s0-130a4a12",
    "row-digits-gru-s0-764d4ffd",
    "row-digits-rnn-s1-903f3e4b",
    "row-digits-gru-s1-fab800a4",
]
UNFINISHED = "row-digits-lstm-s0-b305ab01"
FIXED = {"task": ("row-digits",), "device": ("cpu",), "threads": (1,), "hidden_size": (8,)}


@pytest.fixture
def older(tmp_path: Path) -> Path:
    for name in ("schema-5", "schema-5-measured"):
        shutil.copytree(DATA / name, tmp_path / name)
    return tmp_path / "schema-5"


@pytest.fixture(scope="module")
def problem() -> Problem:
    task = make_task(plan_runs([{**FIXED, "variant": ("rnn",), "seed": (0,)}])[0])
    return describe_problem("row-digits", task, task.load(Path()))


def plan(*variants: str, **axes: tuple[Any, ...]) -> list[RunSpec]:
    return plan_runs([{**FIXED, "epochs": (2,), "seed": (0, 1), "variant": variants, **axes}])


def same_environment(folder: Path) -> dict[str, Any]:
    """Return the folder's environment as today's seqbench would describe it."""
    recorded: dict[str, Any] = json.loads((folder / "environment.json").read_text())
    recorded["machine"] |= {"usable_cores": 2, "affinity": None, "cpu_quota": None}
    recorded["machine"]["memory_bytes"] += 4096
    recorded["software"]["packages"]["ipython"] = "9.0"
    return recorded | {"environment_id": "of-today", "command": "seqbench run"}


def find(
    folder: Path, specs: list[RunSpec], problem: Problem, sampling: Sampling | None = None
) -> tuple[Remainder, Mapping[str, Any]]:
    environment = same_environment(folder)
    jobs = make_jobs(specs, environment, "custom", sampling)
    problems = {problem_of(spec): problem for spec in specs}
    return find_remainder(jobs, problems, folder, environment), environment


def test_it_is_read_as_it_was_written_and_found_by_settings(older: Path) -> None:
    results = load_results(older)
    assert results.runs["run_id"].tolist() == STORED
    assert set(results.runs["schema_version"]) == {5}
    assert results.runs["code_version"].isna().all(), "a digest by another rule"
    found = index_runs(results.runs)
    assert [found[spec]["run_id"] for spec in plan("rnn", "gru")] == STORED
    assert not {spec.run_id for spec in found} & set(STORED)


def test_it_is_reported_compared_and_pooled(older: Path, tmp_path: Path) -> None:
    results, measured = (
        load_results(tmp_path / name) for name in (older.name, f"{older.name}-measured")
    )
    page = write_report(results, tmp_path / "report").read_text()
    assert "| row-digits (cpu) | gru" in page
    assert "train_step" in set(measured.timings["phase"])
    write_report(measured, tmp_path / "report-measured")
    assert compare_results(results, results).table["equal"].tolist() == [2, 2]
    pool_results([results, measured], tmp_path / "both")
    both = load_results(tmp_path / "both")
    assert both.runs["run_id"].tolist() == [*STORED, *measured.runs["run_id"]]
    assert set(both.runs["schema_version"]) == {5}


def test_all_that_is_finished_counts_and_keeps_its_id(older: Path, problem: Problem) -> None:
    specs = plan("rnn", "gru", "lstm")
    left, environment = find(older, specs, problem)
    assert [job.spec.variant for job in left.jobs] == ["lstm", "lstm"]
    assert left.notes[0] == "4 of 6 runs are finished already"
    assert left.notes[1].startswith("4 of them are of an earlier schema, whose digest of the code")
    assert left.notes[2].startswith(f"the saved state of {UNFINISHED} is of a run that is not")
    stored = json.loads((older / "environment.json").read_text())["environment_id"]
    assert {job.environment_id for job in left.jobs} == {stored}
    assert left.earlier is not None
    before = load_results(older).runs
    with ResultWriter(older, environment) as writer:
        writer.resume(left.earlier, left.order, left.unfinished)
    after = load_results(older)
    assert after.runs.equals(before)
    assert after.environment["environment_id"] == stored
    assert after.environment["machine"]["usable_cores"] == 2
    assert writer.kept_aside is not None
    assert (writer.kept_aside / ".unfinished" / UNFINISHED).is_file()


def test_a_measured_run_counts_as_measured(older: Path, problem: Problem) -> None:
    folder = older.with_name("schema-5-measured")
    left, _ = find(folder, plan("rnn", epochs=(1,), seed=(0,)), problem, Sampling())
    assert left.jobs == []
    left, _ = find(older, plan("rnn"), problem, Sampling())
    assert left.notes[:1] == ["2 runs are run again: its speed was not measured"]


def test_other_settings_and_other_machines_do_not_count(
    older: Path, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, _ = find(older, plan("rnn", hidden_size=(9,)), problem)
    assert "2 runs are run again: hidden_size was 8, is 9" in left.notes
    environment = same_environment(older)
    environment["machine"]["cpu"] = "another"
    jobs = make_jobs(plan("rnn"), environment, "custom")
    left = find_remainder(jobs, {problem_of(jobs[0].spec): problem}, older, environment)
    assert left.earlier is None
    assert left.notes[0].startswith("the earlier result is of another environment (machine.cpu: ")
    monkeypatch.setattr("seqbench.harness.stored_run.OLDEST_SCHEMA", 6)
    left, _ = find(older, plan("rnn"), problem)
    assert left.notes[0].startswith("2 runs are run again: it has schema 5, whose code")


def test_every_committed_result_is_read_and_none_was_edited() -> None:
    folders = sorted(path.parent for path in DATA.parents[1].glob("results/*/runs.csv"))
    folders = [folder for folder in folders if (folder / "epochs.csv").is_file()]
    assert len(folders) >= 10
    for folder in folders:
        assert not load_results(folder).runs.empty


@pytest.fixture
def latest(tmp_path: Path) -> Path:
    """Return a copy of the results of schema 6."""
    shutil.copytree(DATA / "schema-6", tmp_path / "schema-6")
    return tmp_path / "schema-6"


def test_schema_6_counts_if_its_code_is_the_same(latest: Path, problem: Problem) -> None:
    stored = load_results(latest)
    assert set(stored.runs["schema_version"]) == {6}
    assert stored.runs["code_version"].notna().all()
    environment = same_environment(latest)
    for code, left_over in (("the same", 0), ("another", 4)):
        jobs = [
            replace(job, code_version=row["code_version"] if code == "the same" else code)
            for spec, row in index_runs(stored.runs).items()
            for job in make_jobs([spec], environment, "quick")
        ]
        problems = {problem_of(job.spec): problem for job in jobs}
        left = find_remainder(jobs, problems, latest, environment)
        assert len(left.jobs) == left_over
    assert "4 runs are run again: its code has changed" in left.notes


def test_schema_6_is_gone_on_with_and_its_rows_stay_as_they_are(
    latest: Path, make_run: MakeRun
) -> None:
    before = load_results(latest)
    run, epochs = make_run(seed=9)
    run = replace(run, environment_id=before.environment["environment_id"])
    with ResultWriter(latest, before.environment) as writer:
        writer.resume(before, [run.run_id, *before.runs["run_id"]], {})
        writer.add(run, epochs)
    after = load_results(latest)
    assert after.runs["schema_version"].tolist() == [SCHEMA_VERSION, 6, 6, 6, 6]
    older = after.runs.iloc[1:].reset_index(drop=True)
    pd.testing.assert_frame_equal(older, before.runs)
    write_report(after, latest.parent / "report")
