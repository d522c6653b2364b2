"""The runner: specs in, records out, one run after the other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from seqbench.errors import ContractError, SeqbenchError, SettingError, describe_error
from seqbench.harness.job import EpochFinished, Job, Problem, RunOutcome, describe_problem
from seqbench.harness.run import Run
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec
from seqbench.tasks.contract import check_data
from seqbench.tasks.data_folder import locate_data, reading_data
from seqbench.tasks.task import Task, TaskData, cut_training, make_task
from seqbench.training.process_settings import settings_kept

ProblemKey = tuple[str, int | None, int | None]
"""What decides which examples a run receives: task, length, training examples."""


class Progress(Protocol):
    """Receives events of the runs; never while the clock runs."""

    def run_started(self, spec: RunSpec, epochs_done: int = 0) -> None: ...

    def epoch_finished(self, record: EpochRecord) -> None: ...

    def run_finished(self, record: RunRecord) -> None: ...


class Executor(Protocol):
    """What does a run: here, or in a separate process."""

    def execute(self, job: Job, epoch_finished: EpochFinished) -> RunOutcome: ...


class LoadingExecutor(Executor, Protocol):
    """What loads the data of runs, too."""

    def load(self, specs: Sequence[RunSpec]) -> dict[ProblemKey, Problem]: ...


def problem_of(spec: RunSpec) -> ProblemKey:
    """Return what decides which examples the run receives."""
    return spec.task, spec.length, spec.train_examples


def load_problems(
    specs: Sequence[RunSpec], data_dir: Path, *, allow_changed: bool = False
) -> dict[ProblemKey, tuple[Task, TaskData]]:
    """Return each problem that the specs pose: its task with its data, in main memory.

    Parameters
    ----------
    specs
        The runs to come.
    data_dir
        Where tasks search their data.
    allow_changed
        Whether it may be others than the published ones; `TaskData.changed` names them then.

    Raises
    ------
    DataUnavailableError
        If the data of one is not there and cannot be obtained, or is not the published one.
    ContractError
        If a task gives other shapes than it declares, or fails to load.
    SettingError
        If each task has fewer training examples than its specs ask for. One among others has what
        there is: the runs that want more give the reason they cannot be done.
    """
    loaded: dict[ProblemKey, tuple[Task, TaskData]] = {}
    misfits = []
    whole: dict[tuple[str, int | None], tuple[Task, TaskData]] = {}
    for spec in {problem_of(spec): spec for spec in specs}.values():
        if (spec.task, spec.length) not in whole:
            task = make_task(spec)
            task.train_examples = _find_most_examples(spec, specs)
            with reading_data(allow_changed=allow_changed) as changes:
                data = load_data(spec.task, task, data_dir)
            data = replace(data, changed="; ".join(changes) or None)
            whole[spec.task, spec.length] = task, data
        task, data = whole[spec.task, spec.length]
        try:
            data = cut_training(spec.task, data, spec.train_examples)
        except SettingError as misfit:
            misfits.append(misfit)
        loaded[problem_of(spec)] = task, data
    if misfits and len(misfits) == len(loaded):
        raise misfits[0]
    return loaded


def _find_most_examples(spec: RunSpec, specs: Sequence[RunSpec]) -> int | None:
    """Return how many training examples of a task and length any run wants; None for all."""
    wanted = [
        each.train_examples
        for each in specs
        if (each.task, each.length) == (spec.task, spec.length)
    ]
    known = [each for each in wanted if each is not None]
    return max(known) if len(known) == len(wanted) else None


def load_data(name: str, task: Task, data_dir: Path) -> TaskData:
    """Return the data of the task called ``name``, checked.

    Raises
    ------
    DataUnavailableError
        If the data is missing, cannot be downloaded, or is not the published one.
    ContractError
        If the task fails to load, or returns other shapes than it declares.
    """
    try:
        with settings_kept():
            data = task.load(data_dir)
        return check_data(name, task, data)
    except (SeqbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a task of the user's may raise anything
        raise ContractError("task", name, f"cannot be loaded: {describe_error(error)}") from error


class InThisProcess:
    """Does runs where it is called.

    Parameters
    ----------
    problems
        What `load_problems` gave, where that is known before.
    data
        Where tasks search their data; None for the usual places.
    allow_changed_data
        Whether data may be others than the published ones, see `data_folder.reading_data`.
    """

    def __init__(
        self,
        problems: Mapping[ProblemKey, tuple[Task, TaskData]] | None = None,
        *,
        data: Path | None = None,
        allow_changed_data: bool = False,
    ) -> None:
        self._problems = dict(problems or {})
        self._data, self._allow_changed = data, allow_changed_data

    def load(self, specs: Sequence[RunSpec]) -> dict[ProblemKey, Problem]:
        """Load the data of ``specs``; return what is known of each problem that they pose.

        Raises
        ------
        SeqbenchError
            What `load_problems` raises.
        """
        folder = locate_data(self._data)
        self._problems = load_problems(specs, folder, allow_changed=self._allow_changed)
        return {key: describe_problem(key[0], *each) for key, each in self._problems.items()}

    def execute(self, job: Job, epoch_finished: EpochFinished) -> RunOutcome:
        """Do a run."""
        return Run(job, *self._problems[problem_of(job.spec)]).execute(epoch_finished)


def run_jobs(
    jobs: Iterable[Job], executor: Executor, writer: ResultWriter, progress: Progress
) -> list[RunRecord]:
    """Do the jobs in order and write each as it ends; one that fails does not stop the others.

    Parameters
    ----------
    jobs
        What to do.
    executor
        What does it.
    writer
        Gets the state to resume from after each epoch, and a run with all that it left when it has
        ended, so that an interruption (KeyboardInterrupt passes through) loses the epoch in
        progress only.
    progress
        Called at the start and end of each run and at the end of each epoch.
    """
    records = []
    for job in jobs:
        done = len(job.saved.traces.epochs) if job.saved else 0
        progress.run_started(job.spec, done)

        def keep(record: EpochRecord, saved: bytes, run_id: str = job.spec.run_id) -> None:
            writer.keep(run_id, saved)
            progress.epoch_finished(record)

        ended = executor.execute(job, keep)
        traces = ended.traces
        record = writer.add(
            ended.record,
            traces.epochs,
            traces.evaluations,
            traces.timings,
            traces.profile,
            ended.checkpoint,
        )
        progress.run_finished(record)
        records.append(record)
    return records
