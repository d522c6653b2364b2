"""What is left to do: what lies in a folder counts for exactly the same run, and is told apart."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from seqbench.errors import ResultsError
from seqbench.harness.job import Job
from seqbench.harness.problems import Problem, ProblemKey, describe_problem, problem_of
from seqbench.harness.resume import Remainder, find_remainder
from seqbench.harness.runner import InThisProcess, run_jobs
from seqbench.results.accepting import accept_edits
from seqbench.results.reader import load_results
from seqbench.results.records import SCHEMA_VERSION, EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.timing.sampler import Sampling

MakeSpec = Callable[..., RunSpec]
ENVIRONMENT = {"environment_id": "abc", "machine": {"cpu": "A"}, "code": {"commit": "1"}}


@dataclass
class Quiet:
    """Progress that can interrupt after an epoch of a variant."""

    interrupt: tuple[str, int] | None = None

    def run_started(self, spec: RunSpec, epochs_done: int = 0) -> None: ...

    def epoch_finished(self, record: EpochRecord) -> None:
        if (record.variant, record.epoch) == self.interrupt:
            raise KeyboardInterrupt

    def run_finished(self, record: RunRecord) -> None: ...


class Bench:
    """A result folder, and a way to start the same command again and again."""

    def __init__(self, folder: Path, task: Task, data: TaskData) -> None:
        self.folder, self.task, self.data = folder, task, data

    def find(
        self,
        jobs: list[Job],
        environment: dict[str, Any] = ENVIRONMENT,
        *,
        retry_failed: bool = False,
    ) -> Remainder:
        problems: dict[ProblemKey, Problem] = {
            problem_of(job.spec): describe_problem(job.spec.task, self.task, self.data)
            for job in jobs
        }
        return find_remainder(jobs, problems, self.folder, environment, retry_failed=retry_failed)

    def run(
        self,
        jobs: list[Job],
        interrupt: tuple[str, int] | None = None,
        *,
        environment: dict[str, Any] = ENVIRONMENT,
        retry_failed: bool = False,
    ) -> Remainder:
        executor = InThisProcess({problem_of(job.spec): (self.task, self.data) for job in jobs})
        with ResultWriter(self.folder, environment) as writer:
            left = self.find(jobs, environment, retry_failed=retry_failed)
            if left.earlier is not None:
                writer.resume(left.earlier, left.order, left.unfinished)
            try:
                run_jobs(left.jobs, executor, writer, Quiet(interrupt))
            except KeyboardInterrupt:
                assert interrupt is not None
        return left


@pytest.fixture
def bench(tmp_path: Path, tiny_task: Task, tiny_data: TaskData) -> Bench:
    return Bench(tmp_path / "a", tiny_task, tiny_data)


@pytest.fixture
def make_job(make_spec: MakeSpec) -> Callable[..., Job]:
    def make(code: str = "1", **settings: Any) -> Job:
        spec = make_spec(**settings)
        return Job(spec=spec, suite="quick", environment_id="abc", code_version=code)

    return make


MakeJob = Callable[..., Job]


def test_a_finished_result_leaves_nothing_to_do(bench: Bench, make_job: MakeJob) -> None:
    jobs = [make_job(variant=each) for each in ("rnn", "gru")]
    bench.run(jobs)
    before = load_results(bench.folder)
    left = bench.run(jobs)
    assert left.jobs == []
    assert left.notes == ["2 of 2 runs are finished already"]
    assert load_results(bench.folder).runs.equals(before.runs)
    assert not (bench.folder.parent / ".earlier").exists()


def test_an_interrupted_run_goes_on_after_its_last_epoch(bench: Bench, make_job: MakeJob) -> None:
    jobs = [make_job(variant=each, epochs=3) for each in ("rnn", "gru", "lstm")]
    bench.run(jobs, interrupt=("gru", 2))
    left = bench.run(jobs)
    assert left.notes == [
        "1 of 3 runs are finished already",
        "row-digits gru seed 0 resumes after epoch 2 of 3",
    ]
    results = load_results(bench.folder)
    assert results.runs["variant"].tolist() == ["rnn", "gru", "lstm"]
    assert results.epochs["epoch"].tolist() == [1, 2, 3] * 3
    assert not (bench.folder / ".unfinished").exists()


def test_the_first_run_too_goes_on(bench: Bench, make_job: MakeJob) -> None:
    jobs = [make_job(epochs=3)]
    bench.run(jobs, interrupt=("rnn", 1))
    assert bench.run(jobs).notes == ["row-digits rnn seed 0 resumes after epoch 1 of 3"]
    assert not (bench.folder.parent / ".earlier").exists()


def test_rows_stand_in_the_order_of_the_plan(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job(variant="lstm")])
    bench.run([make_job(variant=each) for each in ("rnn", "lstm", "gru")])
    results = load_results(bench.folder)
    assert results.runs["variant"].tolist() == ["rnn", "lstm", "gru"]
    assert results.epochs["variant"].tolist() == ["rnn", "rnn", "lstm", "lstm", "gru", "gru"]


def test_another_version_of_the_code_is_another_run(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job(variant="rnn"), make_job(variant="gru")])
    left = bench.run([make_job(variant="rnn"), make_job(variant="gru", code="2")])
    assert [job.spec.variant for job in left.jobs] == ["gru"]
    assert "1 run is run again: its code has changed" in left.notes
    assert load_results(bench.folder).runs["code_version"].tolist() == ["1", "2"]
    (aside,) = (bench.folder.parent / ".earlier").iterdir()
    assert load_results(aside).runs["code_version"].tolist() == ["1", "1"]


def test_other_data_makes_another_run(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job()])
    bench.data = replace(bench.data, test=bench.data.test.first(19))
    left = bench.find([make_job()])
    assert len(left.jobs) == 1
    assert left.notes == ["1 run is run again: its data has changed"]


def test_other_settings_are_named(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job()])
    left = bench.find([make_job(hidden_size=5, clip_norm=1.0)])
    assert left.notes == ["1 run is run again: clip_norm was None, is 1.0; hidden_size was 4, is 5"]
    assert bench.find([make_job(seed=1)]).notes == [], "one that is new has not changed"


def test_a_widened_grid_has_runs_that_are_new_and_none_that_changed(
    bench: Bench, make_job: MakeJob
) -> None:
    bench.run([make_job()])
    left = bench.run([make_job(), make_job(hidden_size=5)])
    assert left.notes == ["1 of 2 runs are finished already"]
    assert load_results(bench.folder).runs["hidden_size"].tolist() == [4, 5]
    assert not (bench.folder.parent / ".earlier").exists()


def rename_runs(folder: Path, old: str, new: str) -> None:
    """Give a stored run another id, in all files, as an older rule for ids would have."""
    for file in folder.glob("*.csv"):
        file.write_text(file.read_text().replace(old, new))
    for kept in (folder / "checkpoints").glob(f"{old}.*"):
        kept.rename(kept.with_name(kept.name.replace(old, new)))
    accept_edits(folder)


def test_a_run_is_found_by_its_settings_and_keeps_its_id(bench: Bench, make_job: MakeJob) -> None:
    jobs = [replace(make_job(seed=seed), keep_weights=True) for seed in range(3)]
    bench.run(jobs[:2])
    old = "row-digits-rnn-s1-of-old"
    rename_runs(bench.folder, jobs[1].spec.run_id, old)
    left = bench.run([jobs[1], jobs[2], jobs[0]])
    assert [job.spec.seed for job in left.jobs] == [2]
    results = load_results(bench.folder)
    expected = [old, jobs[2].spec.run_id, jobs[0].spec.run_id]
    assert results.runs["run_id"].tolist() == expected
    assert results.epochs["run_id"].tolist() == [each for each in expected for _ in range(2)]
    bench.run([jobs[1]])
    assert load_results(bench.folder).runs["run_id"].tolist() == [old]
    assert [path.stem for path in (bench.folder / "checkpoints").iterdir()] == [old]


def test_a_folder_keeps_its_id_of_an_environment_that_is_the_same(
    bench: Bench, make_job: MakeJob
) -> None:
    bench.run([make_job(seed=0)])
    newer = {
        "environment_id": "xyz",
        "machine": {"cpu": "A", "memory_bytes": 1, "usable_cores": 2},
        "software": {"packages": {"ipython": "9"}},
    }
    later = replace(make_job(seed=1), environment_id="xyz")
    bench.run([make_job(seed=0), later], environment=newer)
    results = load_results(bench.folder)
    assert results.runs["environment_id"].tolist() == ["abc", "abc"]
    assert results.environment == {**newer, "environment_id": "abc"}
    pinned = {**newer, "machine": {"cpu": "A", "usable_cores": 1}}
    assert bench.find([make_job()], pinned).notes == [
        "the earlier result is of another environment (machine.usable_cores: 2, 1): "
        "everything is run again"
    ]


def test_a_run_goes_on_in_an_environment_that_is_the_same(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job(epochs=3)], interrupt=("rnn", 1))
    later = replace(make_job(epochs=3), environment_id="xyz")
    left = bench.run([later], environment={**ENVIRONMENT, "environment_id": "xyz"})
    assert left.notes == ["row-digits rnn seed 0 resumes after epoch 1 of 3"]
    assert load_results(bench.folder).runs["environment_id"].tolist() == ["abc"]


def age(folder: Path, schema: int) -> None:
    """Let all rows be of an earlier schema."""
    path = folder / "runs.csv"
    header, *rows = csv.reader(path.read_text().splitlines())
    place = header.index("schema_version")
    aged = [[*row[:place], str(schema), *row[place + 1 :]] for row in rows]
    path.write_text("\n".join(map(",".join, [header, *aged])) + "\n")


def test_the_code_of_an_earlier_schema_is_not_compared_and_that_is_said(
    bench: Bench, make_job: MakeJob
) -> None:
    bench.run([make_job()])
    age(bench.folder, 5)
    left = bench.find([make_job(code="2")])
    assert left.jobs == []
    assert left.notes == [
        "1 of 1 runs are finished already",
        "1 of them are of an earlier schema, whose digest of the code followed another rule: "
        "whether their code is the same was not compared; --restart runs all again",
    ]
    bench.data = replace(bench.data, test=bench.data.test.first(19))
    assert bench.find([make_job()]).notes == ["1 run is run again: its data has changed"]


def test_rows_of_code_with_known_faults_are_run_again(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job()])
    age(bench.folder, 4)
    left = bench.run([make_job()])
    assert left.notes == [
        "1 run is run again: it has schema 4, whose code computed some gradients incorrectly"
    ]
    assert set(load_results(bench.folder).runs["schema_version"]) == {SCHEMA_VERSION}


def test_what_is_not_gone_on_with_is_told_and_kept_aside(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job(), make_job(variant="gru", epochs=3)], interrupt=("gru", 1))
    left = bench.run([make_job(), make_job(seed=1)])
    run_id = make_job(variant="gru", epochs=3).spec.run_id
    assert left.notes[1].startswith(f"the saved state of {run_id} is of a run that is not planned")
    (aside,) = (bench.folder.parent / ".earlier").iterdir()
    assert [path.name for path in (aside / ".unfinished").iterdir()] == [run_id]


def test_a_measured_run_counts_where_no_speed_is_asked_for(bench: Bench, make_job: MakeJob) -> None:
    brief = Sampling(budget_s=0.01, least=2, most=3)
    bench.run([replace(make_job("1+a"), sampling=brief)])
    assert bench.find([make_job("1")]).jobs == []
    assert bench.find([replace(make_job("1+a"), sampling=brief)]).jobs == []
    again = bench.find([replace(make_job("1+b"), sampling=brief)])
    assert again.notes == ["1 run is run again: its code has changed"]


def test_another_environment_leaves_nothing_that_counts(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job()])
    other = {**ENVIRONMENT, "machine": {"cpu": "B"}}
    left = bench.find([make_job()], other)
    assert left.earlier is None
    assert len(left.jobs) == 1
    assert left.notes == [
        "the earlier result is of another environment (machine.cpu: A, B): everything is run again"
    ]
    newer = {**ENVIRONMENT, "code": {"commit": "2"}}
    assert bench.find([make_job()], newer).jobs == [], "each row has its own code's version"


def test_a_subset_keeps_its_rows_and_the_rest_is_aside(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job(seed=seed) for seed in range(3)])
    left = bench.run([make_job(seed=seed) for seed in range(2)])
    assert left.jobs == []
    assert load_results(bench.folder).runs["seed"].tolist() == [0, 1]
    (aside,) = (bench.folder.parent / ".earlier").iterdir()
    assert load_results(aside).runs["seed"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("void", ["code", "environment", "data"])
def test_what_is_void_stays_until_a_run_has_ended(
    bench: Bench, make_job: MakeJob, void: str
) -> None:
    """However often it is killed before, the earlier result is read, and no epoch is done twice."""
    jobs = [make_job(epochs=3), make_job(epochs=3, variant="gru")]
    bench.run(jobs)
    before = load_results(bench.folder)
    environment = ENVIRONMENT
    if void == "code":
        jobs = [make_job("2", epochs=3), make_job("2", epochs=3, variant="gru")]
    elif void == "data":
        bench.data = replace(bench.data, test=bench.data.test.first(19))
    else:
        environment = {"environment_id": "xyz", "machine": {"cpu": "B"}}
        jobs = [replace(job, environment_id="xyz") for job in jobs]
    bench.run(jobs, interrupt=("rnn", 1), environment=environment)
    assert load_results(bench.folder).runs.equals(before.runs)
    left = bench.run(jobs, interrupt=("rnn", 2), environment=environment)
    assert "row-digits rnn seed 0 resumes after epoch 1 of 3" in left.notes
    assert load_results(bench.folder).runs.equals(before.runs)
    assert not (bench.folder.parent / ".earlier").exists()
    left = bench.run(jobs, interrupt=("gru", 1), environment=environment)
    assert "row-digits rnn seed 0 resumes after epoch 2 of 3" in left.notes
    assert load_results(bench.folder).runs["variant"].tolist() == ["rnn"]
    left = bench.run(jobs, environment=environment)
    assert left.notes[0] == "1 of 2 runs are finished already"
    results = load_results(bench.folder)
    assert results.runs["variant"].tolist() == ["rnn", "gru"]
    assert results.environment == environment
    (aside,) = (bench.folder.parent / ".earlier").iterdir()
    assert load_results(aside).runs.equals(before.runs)


def test_failed_runs_wait_to_be_asked_for(
    bench: Bench, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [make_job(variant=each) for each in ("rnn", "gru")]
    with monkeypatch.context() as patch:
        patch.setattr("seqbench.models.gru.MAKERS", {})
        bench.run(jobs)
    assert load_results(bench.folder).runs["status"].tolist() == ["ok", "failed"]
    left = bench.run(jobs)
    assert left.jobs == []
    assert "1 of them failed; --retry-failed runs those again" in left.notes
    left = bench.run(jobs, retry_failed=True)
    assert [job.spec.variant for job in left.jobs] == ["gru"]
    assert load_results(bench.folder).runs["status"].tolist() == ["ok", "ok"]


def test_what_was_not_measured_or_not_kept_is_done_again(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job()])
    brief = Sampling(budget_s=0.01, least=2, most=3)
    left = bench.find([replace(make_job(), sampling=brief)])
    assert left.notes == ["1 run is run again: its speed was not measured"]
    left = bench.run([replace(make_job(), keep_weights=True)])
    assert left.notes == ["1 run is run again: its weights were not saved"]
    assert bench.find([replace(make_job(), keep_weights=True)]).jobs == []


def test_weights_of_a_run_that_is_void_do_not_stay_as_those_of_the_new_one(
    bench: Bench, make_job: MakeJob
) -> None:
    bench.run([replace(make_job(seed=seed), keep_weights=True) for seed in (0, 1)])
    bench.run([make_job(seed=0), make_job("2", seed=1)])
    kept = [path.stem for path in (bench.folder / "checkpoints").iterdir()]
    assert kept == [make_job(seed=0).spec.run_id]
    left = bench.find([replace(make_job("2", seed=1), keep_weights=True)])
    assert left.notes == ["1 run is run again: its weights were not saved"]


@pytest.mark.parametrize("change", ["code", "damage"])
def test_a_run_on_its_way_that_does_not_count_begins_again(
    bench: Bench, make_job: MakeJob, change: str
) -> None:
    bench.run([make_job(epochs=3)], interrupt=("rnn", 2))
    (kept,) = (bench.folder / ".unfinished").iterdir()
    if change == "damage":
        kept.write_bytes(kept.read_bytes()[:-100])
    left = bench.run([make_job(epochs=3, code="2" if change == "code" else "1")])
    told = {
        "code": "row-digits rnn seed 0 starts over: its code changed since",
        "damage": "the saved state of row-digits rnn seed 0 cannot be read and it starts over",
    }
    assert left.notes[0].startswith(told[change])
    assert left.jobs[0].saved is None
    assert load_results(bench.folder).epochs["epoch"].tolist() == [1, 2, 3]


def test_rows_that_cannot_be_read_stop_everything(bench: Bench, make_job: MakeJob) -> None:
    bench.run([make_job()])
    path = bench.folder / "runs.csv"
    path.write_text(path.read_text() + "torn")
    before = path.read_bytes()
    with pytest.raises(ResultsError, match=r"runs.csv, line 3: 1 cells where \d+ belong"):
        bench.run([make_job()])
    assert path.read_bytes() == before
