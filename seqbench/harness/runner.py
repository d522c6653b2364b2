"""The runner: specs in, records out, one run after the other."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from seqbench.harness.job import EpochFinished, Job, RunOutcome
from seqbench.harness.problems import (
    Problem,
    ProblemKey,
    describe_problem,
    load_problems,
    problem_of,
)
from seqbench.harness.run import Run
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec
from seqbench.tasks.data_folder import locate_data
from seqbench.tasks.task import Task, TaskData


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
