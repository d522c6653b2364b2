"""Verification: each outcome, from a result folder to what is said and the exit code."""

import csv
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from rich.console import Console

from seqbench.cli import main
from seqbench.columns import columns
from seqbench.commands.progress import LogProgress
from seqbench.errors import ExitCode
from seqbench.harness.environment import describe_environment
from seqbench.harness.job import EpochFinished, Job, RunOutcome
from seqbench.harness.problems import (
    Problem,
    ProblemKey,
    describe_problem,
    load_problems,
    problem_of,
)
from seqbench.harness.resume import make_jobs
from seqbench.harness.runner import InThisProcess, run_jobs
from seqbench.results.accepting import accept_edits
from seqbench.results.reader import load_results, read_results
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.verification.outcome import PublishedRun
from seqbench.verification.verify import choose_rows
from tests.processes import run_seqbench

Row = dict[str, str]


class WorkerInThisProcess(InThisProcess):
    """A worker without a process of its own, that trains what it has trained before no more."""

    _ended: ClassVar[dict[RunSpec, RunOutcome]] = {}
    _loaded: ClassVar[dict[ProblemKey, tuple[Task, TaskData]]] = {}

    def __init__(
        self,
        data: Path | None = None,
        plugins: Sequence[Path] = (),
        *,
        allow_changed_data: bool = False,
    ) -> None:
        super().__init__({})

    def __enter__(self) -> "WorkerInThisProcess":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def load(self, specs: Sequence[RunSpec]) -> dict[ProblemKey, Problem]:
        new = [spec for spec in specs if problem_of(spec) not in self._loaded]
        self._loaded.update(load_problems(new, Path()))
        self._problems = {problem_of(spec): self._loaded[problem_of(spec)] for spec in specs}
        return {key: describe_problem(key[0], *each) for key, each in self._problems.items()}

    def execute(self, job: Job, epoch_finished: EpochFinished) -> RunOutcome:
        if job.spec not in self._ended:
            self._ended[job.spec] = super().execute(job, lambda record, saved: None)
        ended = self._ended[job.spec]
        record = replace(
            ended.record, environment_id=job.environment_id, code_version=job.code_version
        )
        return replace(ended, record=record)


class Published:
    """A result of the bundled digits, to be verified as it is, or after it was edited."""

    def __init__(self, folder: Path, specs: Sequence[RunSpec]) -> None:
        self.folder = folder
        environment = describe_environment()
        worker = WorkerInThisProcess()
        worker.load(specs)
        with ResultWriter(folder, environment) as writer:
            jobs = make_jobs(specs, environment, "quick")
            run_jobs(jobs, worker, writer, LogProgress(Console(quiet=True), specs))

    def edit(self, file: str, change: Callable[[Row], object]) -> None:
        """Let ``change`` edit each row, a dictionary of cells, in its place."""
        path = self.folder / file
        with path.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        for row in rows:
            change(row)
        with path.open("w", newline="") as lines:
            writer = csv.DictWriter(lines, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def scale_losses(self, factor: float, epochs: Sequence[int] = (1, 2)) -> None:
        def scale(row: Row) -> None:
            if int(row["epoch"]) in epochs:
                for column in ("train_loss", "test_loss"):
                    row[column] = repr(float(row[column]) * factor)

        self.edit("epochs.csv", scale)

    def shift_scores(self, shifts: Mapping[int, float]) -> None:
        """Publish final scores that today's are ``shifts`` above, by seed; other losses too."""
        before = {run.spec.seed: run.row["final_score"] for run in self.runs}
        self.scale_losses(1.1)

        def shift(row: Row) -> None:
            seed = int(row["seed"])
            column = "score" if "score" in row else "final_score"
            if seed in shifts and row.get("epoch", "2") == "2":
                row[column] = repr(before[seed] - shifts[seed])

        self.edit("epochs.csv", shift)
        self.edit("runs.csv", shift)
        self.mend_best_scores()

    def mend_best_scores(self) -> None:
        """Let each run's best score be that of its best epoch again."""
        with (self.folder / "epochs.csv").open(newline="") as lines:
            epochs = list(csv.DictReader(lines))

        def mend(row: Row) -> None:
            scores = [float(each["score"]) for each in epochs if each["run_id"] == row["run_id"]]
            row["best_score"] = repr(max(scores))

        self.edit("runs.csv", mend)

    def move_to_another_machine(self) -> None:
        path = self.folder / "environment.json"
        environment = json.loads(path.read_text())
        environment["machine"]["cpu"] = "another one"
        path.write_text(json.dumps(environment))

    @property
    def runs(self) -> list[PublishedRun]:
        return choose_rows(read_results(self.folder), None)


@pytest.fixture
def publish(
    tmp_path: Path, make_spec: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Published]:
    """Return a maker of a result of ``seeds`` seeds and two epochs."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as the command does

    def make(seeds: int = 2, hidden_sizes: Sequence[int] = (4,), **settings: object) -> Published:
        specs = [
            make_spec(seed=seed, hidden_size=size, **{"batch_size": 128} | settings)
            for seed in range(seeds)
            for size in hidden_sizes
        ]
        return Published(tmp_path / "sample", specs)

    return make


@pytest.fixture
def verify(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str]]]:
    """Return what runs the command on a result: its exit code and what it says, line by line."""
    monkeypatch.setattr("seqbench.harness.worker.Worker", WorkerInThisProcess)

    def run(published: Published, *options: str) -> tuple[int, list[str]]:
        accept_edits(published.folder)
        monkeypatch.setattr(sys, "argv", ["seqbench", "verify", str(published.folder), *options])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), (told.out + told.err).splitlines()

    return run


def change_last_bit(cell: str) -> str:
    return repr(math.nextafter(float(cell), math.inf))


def test_the_same_runs_are_equal_to_the_last_bit(
    publish: Callable[..., Published], verify: Callable[..., tuple[int, list[str]]]
) -> None:
    published = publish(2)
    assert verify(published) == (
        ExitCode.OK,
        ["bitwise equal: 2 runs", "  row-digits rnn: bitwise equal, n = 2"],
    )
    published.move_to_another_machine()
    code, lines = verify(published)
    assert code == ExitCode.OK
    assert len(lines) == 3
    assert lines[2].startswith("another environment: machine.cpu: another one, ")


def test_a_process_of_its_own_gives_the_same(publish: Callable[..., Published]) -> None:
    published = publish(1)
    done = run_seqbench("verify", published.folder, cwd=published.folder, strict=True)
    assert done.returncode == ExitCode.OK, done.stderr
    assert done.stdout.startswith("bitwise equal: 1 run\n")


def test_a_changed_last_bit_is_rounding_and_named_where_it_is(
    publish: Callable[..., Published], verify: Callable[..., tuple[int, list[str]]]
) -> None:
    published = publish(2)

    def change(row: Row) -> None:
        if (row["seed"], row["epoch"]) == ("1", "2"):
            row["train_loss"] = change_last_bit(row["train_loss"])

    published.edit("epochs.csv", change)
    code, lines = verify(published, "--runs")
    assert code == ExitCode.EQUAL_TO_ROUNDING
    assert lines[0] == "equal to rounding: 2 runs, 1 of them bitwise"
    assert lines[2] == "    seed 0: bitwise equal"
    assert lines[3].startswith("    seed 1: epoch 2, train_loss differs by ")
    assert lines[4] == "the bound is 1e-05, relative, or one example of an accuracy"
    assert "difference: row-digits rnn seed 1, epoch 2, train_loss differs by " in lines[5]
    expected = "in the same environment 1 deterministic run should have been bitwise equal"
    assert lines[-1] == expected
    published.move_to_another_machine()
    code, lines = verify(published)
    assert code == ExitCode.EQUAL_TO_ROUNDING
    assert expected not in lines


@pytest.mark.parametrize(
    ("shifts", "outcome", "told"),
    [
        (
            [0, 0, 0],
            ExitCode.EQUIVALENT,
            "equivalent, n = 3; mean shift 0.00 points, 90 % CI -0.1",
        ),
        ([1, 0, -1], ExitCode.EQUIVALENT, "equivalent, n = 3; mean shift 0.00 points, 90 % CI "),
        ([1, 1, 1], ExitCode.EQUIVALENT, "equivalent, n = 3; mean shift 0.28 points, 90 % CI "),
        ([-36] * 3, ExitCode.VERIFICATION_DIFFERS, "mean shift -10.00 points, 99 % CI -10.65 to"),
        ([-36, -108], ExitCode.VERIFICATION_UNDECIDED, "undecided, n = 2; mean shift -20.00 "),
        ([-36, 0], ExitCode.VERIFICATION_UNDECIDED, "undecided, n = 2; mean shift -5.00 points"),
        ([0], ExitCode.VERIFICATION_UNDECIDED, "one seed has no spread: at least two are needed"),
    ],
)
def test_other_losses_leave_it_to_the_scores(
    publish: Callable[..., Published],
    verify: Callable[..., tuple[int, list[str]]],
    shifts: list[int],
    outcome: ExitCode,
    told: str,
) -> None:
    published = publish(len(shifts))
    published.shift_scores({seed: answers / 360 for seed, answers in enumerate(shifts)})
    published.move_to_another_machine()
    code, lines = verify(published, "--margin", "0.02")
    assert (code, len(lines)) == (outcome, 3), lines
    assert told in lines[1]
    assert lines[2].startswith("another environment: ")


def test_the_worst_group_is_the_outcome_of_all(
    publish: Callable[..., Published], verify: Callable[..., tuple[int, list[str]]]
) -> None:
    published = publish(3, hidden_sizes=(4, 5))

    def shift(row: Row) -> None:
        if row["run_id"] in chosen and row.get("epoch", "2") == "2":
            column = "score" if "score" in row else "final_score"
            row[column] = repr(float(row[column]) + 0.1)

    chosen = [run.row["run_id"] for run in published.runs if run.spec.hidden_size == 5]
    for file in ("epochs.csv", "runs.csv"):
        published.edit(file, shift)
    published.mend_best_scores()
    code, lines = verify(published, "--margin", "0.02")
    assert code == ExitCode.VERIFICATION_DIFFERS
    assert lines[0] == "differs: 1 of 2 groups, row-digits rnn hidden_size=5"
    assert lines[1] == "  row-digits rnn hidden_size=4: bitwise equal, n = 3"
    assert lines[2].startswith("  row-digits rnn hidden_size=5: differs, n = 3; mean shift -10.00")


def test_data_that_changed_is_a_difference_and_is_not_trained_on(
    publish: Callable[..., Published],
    verify: Callable[..., tuple[int, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published = publish(2)
    published.edit("runs.csv", lambda row: row.update(data_fingerprint="0" * 64))
    monkeypatch.setattr(WorkerInThisProcess, "execute", None)
    code, lines = verify(published)
    assert code == ExitCode.VERIFICATION_DIFFERS
    assert lines == [
        "differs: 1 of 1 group, row-digits rnn",
        "  row-digits rnn: differs, n = 2; seed 0, 1: its data changed",
    ]


def test_a_run_that_ends_badly_is_a_difference(
    publish: Callable[..., Published], verify: Callable[..., tuple[int, list[str]]]
) -> None:
    published = publish(2)

    def change(row: Row) -> None:
        if row["seed"] == "0":
            row["implementation"] = "scan"

    published.edit("runs.csv", change)
    code, lines = verify(published)
    assert code == ExitCode.VERIFICATION_DIFFERS
    assert "seed 0: its status is unsupported: rnn has no implementation scan" in "".join(lines)


def test_code_that_changed_and_runs_that_draw_freely_are_told_apart(
    publish: Callable[..., Published], verify: Callable[..., tuple[int, list[str]]]
) -> None:
    published = publish(3)
    published.scale_losses(1 + 1e-9)

    def change(row: Row) -> None:
        if row["seed"] == "0":
            row["code_version"] = "0" * 12
        elif row["seed"] == "1":
            row["deterministic"] = "false"

    published.edit("runs.csv", change)
    code, lines = verify(published)
    assert code == ExitCode.EQUAL_TO_ROUNDING
    assert lines[4:] == [
        "in the same environment 1 deterministic run should have been bitwise equal",
        "the code of 1 run that is not equal has changed",
        "1 run is marked as nondeterministic and need not be equal",
    ]


def test_a_margin_that_means_nothing_is_bad_use(
    publish: Callable[..., Published], verify: Callable[..., tuple[int, list[str]]]
) -> None:
    published = publish(2)
    for margin in ("0", "nan", "inf"):
        code, lines = verify(published, "--margin", margin)
        assert code == ExitCode.BAD_USE
        assert "--margin must be a number greater than 0, not " in lines[0]
    other = {"task": "pixel-digits", "metric": "my_own"}
    published.edit("runs.csv", lambda row: row["seed"] == "1" and row.update(other))
    code, lines = verify(published, "--margin", "0.01")
    assert code == ExitCode.BAD_USE
    assert "must be omitted for results with several metrics (accuracy and my_own)" in lines[0]


def test_the_default_margin_is_2_percent_of_the_way_from_the_baseline(
    publish: Callable[..., Published], verify: Callable[..., tuple[int, list[str]]]
) -> None:
    published = publish(2)
    published.shift_scores({0: 0.0, 1: -0.1})
    rows = [run.row for run in published.runs]
    mean = sum(row["final_score"] for row in rows) / 2
    expected = 100 * 0.02 * abs(mean - rows[0]["baseline_score"])
    code, lines = verify(published)
    assert code == ExitCode.VERIFICATION_UNDECIDED
    assert f"margin ±{expected:.2f} points; about " in lines[1]
    needed = lines[1].split("; about ")[1].split()[0]
    assert lines[0].endswith(f"about {needed} seeds would probably decide, or a wider --margin")
    assert verify(published, "--sample", "1")[1][0].endswith("to use all seeds of a group")
    baseline = rows[0]["baseline_score"]
    published.shift_scores(
        {run.spec.seed: run.row["final_score"] - baseline for run in published.runs}
    )
    assert verify(published)[1][0].endswith("not better than the baseline's: set --margin")


@pytest.mark.parametrize(
    ("column", "cell", "told"),
    [
        ("baseline_score", "0.5", "its baseline's score is 0.1"),
        ("parameters", "1", "parameters instead of 1"),
    ],
)
def test_other_figures_of_a_row_are_held_against_the_rerun_too(
    publish: Callable[..., Published],
    verify: Callable[..., tuple[int, list[str]]],
    column: str,
    cell: str,
    told: str,
) -> None:
    published = publish(1)
    published.edit("runs.csv", lambda row: row.update({column: cell}))
    code, lines = verify(published)
    assert code == ExitCode.VERIFICATION_DIFFERS
    assert told in " ".join(lines)


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_a_result_of_an_older_schema_is_verified(
    publish: Callable[..., Published],
    verify: Callable[..., tuple[int, list[str]]],
    version: int,
) -> None:
    published = publish(2)
    ids: dict[str, str] = {}

    def age(row: Row, record: type) -> None:
        """Give the run another digest, and leave out the columns that came later."""
        row["run_id"] = ids.setdefault(row["run_id"], f"row-digits-rnn-old-{len(ids)}")
        for column in columns(record):
            if column.since > version:
                row.pop(column.name, None)
        if record is RunRecord:
            row["schema_version"] = str(version)

    published.edit("runs.csv", lambda row: age(row, RunRecord))
    published.edit("epochs.csv", lambda row: age(row, EpochRecord))
    for file in ("evaluations.csv", "timings.csv", "profile.csv"):
        (published.folder / file).unlink()
    assert load_results(published.folder).runs["run_id"].tolist() == list(ids.values())
    code, lines = verify(published)
    assert (code, lines[0]) == (ExitCode.OK, "bitwise equal: 2 runs")


def test_another_implementation_is_equal_to_rounding_and_another_setting_is_not(
    publish: Callable[..., Published], verify: Callable[..., tuple[int, list[str]]]
) -> None:
    published = publish(1, implementation="fused")
    published.edit("runs.csv", lambda row: row.update(implementation="native"))
    code, _ = verify(published)
    assert code == ExitCode.EQUAL_TO_ROUNDING
    published = publish(1, learning_rate=1.01e-3)
    published.edit("runs.csv", lambda row: row.update(learning_rate="0.001"))
    code, lines = verify(published)
    assert code == ExitCode.VERIFICATION_UNDECIDED, lines


def test_a_sample_is_drawn_from_all_rows(publish: Callable[..., Published]) -> None:
    results = load_results(publish(3).folder)
    assert len(choose_rows(results, 2)) == 2
    assert len(choose_rows(results, 9)) == 3


def test_a_result_of_a_plugin_names_the_plugin_that_it_needs(
    publish: Callable[..., Published], verify: Callable[..., tuple[int, list[str]]]
) -> None:
    published = publish(2)
    path = published.folder / "environment.json"
    environment = json.loads(path.read_text())
    command = "seqbench run --variant my-own --plugin my_models.py --plugin 'your tasks.py'"
    for file in ("runs.csv", "epochs.csv"):
        published.edit(file, lambda row: row.update(variant="my-own", task="my-data"))
    path.write_text(json.dumps(environment | {"command": command}))
    code, lines = verify(published)
    assert code == ExitCode.BAD_USE
    assert "task my-data and variant my-own came from a plugin: add" in lines[0]
    assert "--plugin my_models.py --plugin 'your tasks.py', with its path" in lines[0]
    path.write_text(json.dumps(environment | {"command": "seqbench run"}))
    code, lines = verify(published)
    assert code == ExitCode.BAD_USE
    assert "is not registered: name its plugin" in lines[0]


def test_how_far_epochs_are_apart_is_said_where_scores_decide(
    publish: Callable[..., Published], verify: Callable[..., tuple[int, list[str]]]
) -> None:
    published = publish(3)
    published.scale_losses(2.0, epochs=(1,))
    code, lines = verify(published, "--margin", "0.02")
    assert code == ExitCode.EQUIVALENT
    told = lines[1].partition("; largest deviation: ")[2]
    assert told.startswith("seed ")
    assert (
        ", epoch 1, train_loss differs by -" in told or ", epoch 1, test_loss differs by -" in told
    )
    assert told.endswith("(50,000 times the bound)")
