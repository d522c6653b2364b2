"""The runner: specs in, records out, one run after the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from seqbench.harness.run import Run
from seqbench.harness.sampling import Sampling
from seqbench.records import EpochRecord, RunRecord
from seqbench.spec import RunSpec
from seqbench.store import ResultWriter
from seqbench.tasks.task import Task, TaskData, check_data, cut_training, make_task


class Progress(Protocol):
    """Who is told how the runs go; never on the clock."""

    def run_started(self, spec: RunSpec) -> None: ...

    def epoch_finished(self, record: EpochRecord) -> None: ...

    def run_finished(self, record: RunRecord) -> None: ...


Problem = tuple[str, int | None, int | None]
"""What decides which examples a run is fed with: task, length, training examples."""


def problem_of(spec: RunSpec) -> Problem:
    """Return what decides which examples the run is fed with."""
    return spec.task, spec.length, spec.train_examples


def load_problems(specs: Sequence[RunSpec], data_dir: Path) -> dict[Problem, tuple[Task, TaskData]]:
    """Return each problem that the specs pose: its task with its data, in main memory.

    Raises
    ------
    DataUnavailableError
        If the data of one is not there and cannot be had.
    ContractError
        If a task gives other shapes than it declares.
    SettingError
        If a task has fewer training examples than a spec asks for.
    """
    loaded = {}
    whole: dict[tuple[str, int | None], TaskData] = {}
    for spec in {problem_of(spec): spec for spec in specs}.values():
        task = make_task(spec)
        if (spec.task, spec.length) not in whole:
            whole[spec.task, spec.length] = check_data(spec.task, task, task.load(data_dir))
        data = cut_training(whole[spec.task, spec.length], spec.train_examples)
        loaded[problem_of(spec)] = task, data
    return loaded


def run_specs(
    specs: Sequence[RunSpec],
    problems: Mapping[Problem, tuple[Task, TaskData]],
    *,
    suite: str,
    environment_id: str,
    writer: ResultWriter,
    progress: Progress,
    sampling: Sampling | None = None,
    keep_weights: bool = False,
) -> list[RunRecord]:
    """Run the specs in order and write each as it ends; one that fails does not stop the others.

    Parameters
    ----------
    specs
        What to run.
    problems
        What `load_problems` gave for them.
    suite, environment_id
        Stand in every row.
    writer
        Gets a run with its epochs as soon as it has ended, so that an interruption
        (KeyboardInterrupt passes through) loses the run in progress only.
    progress
        Is told of the start and end of each run and the end of each epoch.
    sampling
        How carefully the speed of each run is measured, apart from its training; None for not.
    keep_weights
        Whether the writer also gets each trained model's weights.
    """
    records = []
    for spec in specs:
        progress.run_started(spec)
        task, data = problems[problem_of(spec)]
        run = Run(spec, task, data, suite, environment_id)
        record = run.execute(progress.epoch_finished, sampling, keep_weights=keep_weights)
        writer.add(record, run.epochs, run.evaluations, run.timings, run.profile, run.checkpoint)
        progress.run_finished(record)
        records.append(record)
    return records
