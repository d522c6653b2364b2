"""The runner: specs in, records out, one run after the other."""

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Protocol

from seqbench.harness.checkpoint import dump_checkpoint
from seqbench.harness.memory import PeakMemory
from seqbench.harness.training import Training, warm_up
from seqbench.models.sequence_model import count_parameters
from seqbench.records import EpochRecord, RunRecord
from seqbench.spec import RunSpec
from seqbench.store import ResultWriter
from seqbench.tasks.task import Task, TaskData, check_data, cut_training, make_task

log = logging.getLogger(__name__)


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
    keep_weights
        Whether the writer also gets each trained model's weights.
    """
    records = []
    for spec in specs:
        progress.run_started(spec)
        task, data = problems[problem_of(spec)]
        run = _Run(spec, task, data, suite, environment_id)
        record = run.execute(progress, keep_weights=keep_weights)
        writer.add(record, run.epochs, run.checkpoint)
        progress.run_finished(record)
        records.append(record)
    return records


class _Run:
    """One run on its way to its record."""

    def __init__(
        self, spec: RunSpec, task: Task, data: TaskData, suite: str, environment_id: str
    ) -> None:
        self.spec = spec
        self.task = task
        self.data = data
        self.suite = suite
        self.environment_id = environment_id
        self.started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.parameters: int | None = None
        self.peak_memory_bytes: int | None = None
        self.epochs: list[EpochRecord] = []
        self.checkpoint: bytes | None = None

    def execute(self, progress: Progress, *, keep_weights: bool) -> RunRecord:
        """Train to the end, to a loss that is not finite, or to an error; record which it was."""
        try:
            data = self.data.to(self.spec.device)
            warm_up(self.spec, self.task, data)
            memory = PeakMemory(self.spec.device)
            training = Training(self.spec, self.task, data)
            self.parameters = count_parameters(training.model)
            for epoch in range(1, self.spec.epochs + 1):
                record = self._train_epoch(training, epoch)
                self.epochs.append(record)
                progress.epoch_finished(record)
                if not (math.isfinite(record.train_loss) and math.isfinite(record.test_loss)):
                    return self._record("diverged", f"a loss was not finite in epoch {epoch}")
            self.peak_memory_bytes = memory.bytes
            if keep_weights:
                self.checkpoint = dump_checkpoint(training.model)
        except Exception as error:  # any error of a variant or task ends its run and no other
            log.debug("%s failed", self.spec.run_id, exc_info=True)
            message = (str(error).strip() or type(error).__name__).splitlines()[-1]
            return self._record("failed", f"{type(error).__name__}: {message}")
        return self._record("ok")

    def _train_epoch(self, training: Training, epoch: int) -> EpochRecord:
        train_loss, epoch_time_s = training.train_epoch()
        evaluation = training.evaluate(training.data.test)
        return EpochRecord(
            run_id=self.spec.run_id,
            suite=self.suite,
            task=self.spec.task,
            variant=self.spec.variant,
            seed=self.spec.seed,
            device=self.spec.device,
            epoch=epoch,
            train_loss=train_loss,
            test_loss=evaluation.loss,
            metric=self.task.metric,
            score=evaluation.score,
            epoch_time_s=epoch_time_s,
            train_samples_per_s=len(self.data.train) / epoch_time_s,
            eval_time_s=evaluation.seconds,
            eval_samples_per_s=len(self.data.test) / evaluation.seconds,
        )

    def _record(self, status: str, error: str | None = None) -> RunRecord:
        scores = [epoch.score for epoch in self.epochs]
        best = max if self.task.higher_is_better else min
        finished = status == "ok"
        epoch_time_s = median(each.epoch_time_s for each in self.epochs) if finished else None
        eval_time_s = median(each.eval_time_s for each in self.epochs) if finished else None
        return RunRecord(
            run_id=self.spec.run_id,
            suite=self.suite,
            spec=self.spec,
            parameters=self.parameters,
            status=status,
            error=error,
            metric=self.task.metric,
            higher_is_better=self.task.higher_is_better,
            baseline_score=self.task.baseline(self.data),
            final_score=scores[-1] if finished else None,
            best_score=best(scores) if finished else None,
            epoch_time_s=epoch_time_s,
            train_samples_per_s=len(self.data.train) / epoch_time_s if epoch_time_s else None,
            eval_samples_per_s=len(self.data.test) / eval_time_s if eval_time_s else None,
            peak_memory_bytes=self.peak_memory_bytes,
            started_at=self.started_at,
            environment_id=self.environment_id,
            data_fingerprint=self.data.fingerprint,
        )
