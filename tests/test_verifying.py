"""Verification: equal runs are called so, and a changed digit is found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from seqbench.harness.run import Job, describe_problem
from seqbench.harness.runner import InThisProcess, problem_of, run_jobs
from seqbench.harness.verifying import Verification, choose_rows, find_difference, verify_runs
from seqbench.progress import LogProgress
from seqbench.spec import RunSpec
from seqbench.store import Results, ResultWriter, load_results
from seqbench.tasks.task import Task, TaskData

ENVIRONMENT: dict[str, Any] = {"environment_id": "abc", "machine": {"cpu": "A"}}


class Published:
    """A result of three seeds, to be verified as it is, or after it was tampered with."""

    def __init__(self, folder: Path, specs: list[RunSpec], task: Task, data: TaskData) -> None:
        self.folder, self.task, self.data = folder, task, data
        self.executor = InThisProcess({problem_of(spec): (task, data) for spec in specs})
        jobs = [Job(spec=spec, suite="quick", environment_id="abc") for spec in specs]
        with ResultWriter(folder, ENVIRONMENT) as writer:
            run_jobs(jobs, self.executor, writer, LogProgress(Console(quiet=True), specs))

    @property
    def results(self) -> Results:
        return load_results(self.folder)

    def verify(
        self, sample: int | None = None, environment: dict[str, Any] = ENVIRONMENT
    ) -> Verification:
        specs = choose_rows(self.results, sample)
        problems = {
            problem_of(spec): describe_problem(spec.task, self.task, self.data) for spec in specs
        }
        return verify_runs(self.results, specs, problems, self.executor, environment)

    def tamper(self, file: str, column: str, change: Callable[[str], str], row: int = 1) -> None:
        path = self.folder / file
        lines = [line.split(",") for line in path.read_text().splitlines()]
        place = lines[0].index(column)
        lines[row][place] = change(lines[row][place])
        path.write_text("\n".join(",".join(line) for line in lines) + "\n")


@pytest.fixture
def published(
    tmp_path: Path, make_spec: Callable[..., RunSpec], tiny_task: Task, tiny_data: TaskData
) -> Published:
    specs = [make_spec(seed=seed, epochs=2) for seed in range(3)]
    return Published(tmp_path / "a", specs, tiny_task, tiny_data)


def change_last_digit(cell: str) -> str:
    return cell[:-1] + str((int(cell[-1]) + 1) % 10)


def test_the_same_runs_are_equal(published: Published) -> None:
    found = published.verify()
    assert [each.fault for each in found.runs] == [None] * 3
    assert found.holds
    assert (found.differences, found.likenesses) == ([], [])


def test_a_changed_digit_is_found_where_it_is(published: Published) -> None:
    published.tamper("epochs.csv", "train_loss", change_last_digit, row=4)
    found = published.verify()
    assert [each.fault is None for each in found.runs] == [True, False, True]
    assert str(found.runs[1].fault).startswith("differs at epoch 2 by ")
    assert str(found.runs[1].fault).endswith(" in train_loss")
    assert not found.holds


def test_an_epoch_that_is_missing_is_found(published: Published) -> None:
    path = published.folder / "epochs.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:1] + lines[2:]) + "\n")
    assert "differs at epoch 1" in str(published.verify().runs[0].fault)
    assert find_difference(published.results.epochs, []) == "has 0 epochs instead of 5"


def test_other_data_and_code_are_told(published: Published) -> None:
    published.tamper("runs.csv", "data_fingerprint", lambda cell: "0" * 64)
    published.tamper("runs.csv", "code_version", lambda cell: "0" * 12, row=2)
    assert [each.change for each in published.verify().runs] == ["data", "code", None]


def test_another_environment_that_gives_equal_numbers_is_no_matter(published: Published) -> None:
    found = published.verify(environment={"environment_id": "x", "machine": {"cpu": "B"}})
    assert found.holds
    assert found.differences == ["machine.cpu: A, B"]
    assert found.likenesses == []


@pytest.mark.parametrize(("shift", "alike"), [(0.0, True), (0.5, False)])
def test_where_the_environment_differs_scores_are_compared_over_seeds(
    published: Published, shift: float, alike: bool
) -> None:
    for row in range(1, 7):
        published.tamper("epochs.csv", "test_loss", change_last_digit, row=row)
        published.tamper("epochs.csv", "score", lambda cell: str(float(cell) + shift), row=row)
    for row in range(1, 4):
        published.tamper("runs.csv", "final_score", lambda cell: str(float(cell) + shift), row=row)
    other = {"environment_id": "x", "machine": {"cpu": "B"}}
    found = published.verify(environment=other)
    (likeness,) = found.likenesses
    assert likeness.holds is found.holds is alike
    assert "3 seeds, mean shift of the score" in likeness.text
    (likeness,) = published.verify(sample=1, environment=other).likenesses
    assert "one more of the 3 published ones falls between" in likeness.text


def test_a_sample_is_drawn_from_all_rows(published: Published) -> None:
    assert len(choose_rows(published.results, 2)) == 2
    assert len(choose_rows(published.results, 9)) == 3
