"""One run: from its spec, task and data to its records, however it ends."""

import logging
import math
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

import torch

from seqbench.errors import UnsupportedError
from seqbench.harness.agreement import check_agreement
from seqbench.harness.checkpoint import dump_checkpoint
from seqbench.harness.load import LoadWatch
from seqbench.harness.measuring import (
    Measuring,
    fastest_product,
    forget_compiled,
    median_rate,
)
from seqbench.harness.memory import PeakMemory
from seqbench.harness.sampling import Sampling
from seqbench.harness.training import Evaluation, Training, warm_up
from seqbench.models.products import TRAINING_PASSES, count_flops
from seqbench.models.sequence_model import build_model, count_parameters
from seqbench.records import EpochRecord, EvaluationRecord, ProfileRecord, RunRecord, TimingRecord
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData

log = logging.getLogger(__name__)


class Run:
    """One run on its way to its record; what it leaves besides lies in its lists.

    Parameters
    ----------
    spec, task, data
        What is run, the data in main memory.
    suite, environment_id
        Stand in every row.
    """

    def __init__(
        self, spec: RunSpec, task: Task, data: TaskData, suite: str, environment_id: str
    ) -> None:
        self.spec = spec
        self.task = task
        self.data = data
        self.suite = suite
        self.environment_id = environment_id
        self.started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.epochs: list[EpochRecord] = []
        self.evaluations: list[EvaluationRecord] = []
        self.timings: list[TimingRecord] = []
        self.profile: list[ProfileRecord] = []
        self.checkpoint: bytes | None = None
        self._parameters: int | None = None
        self._flops_per_sample: int | None = None
        self._peak_memory_bytes: int | None = None
        self._target_time_s: float | None = None

    def execute(
        self,
        epoch_finished: Callable[[EpochRecord], object],
        sampling: Sampling | None = None,
        *,
        keep_weights: bool = False,
    ) -> RunRecord:
        """Run to the end, to a loss that is not finite, or to an error; record which it was.

        Parameters
        ----------
        epoch_finished
            Is told of each epoch, off the clock.
        sampling
            How carefully speed is measured; None for not.
        keep_weights
            Whether `checkpoint` holds the trained weights afterwards.
        """
        try:
            self._measure(sampling)
            if self.spec.epochs and not self._train(epoch_finished, keep_weights):
                fault = f"a loss was not finite in epoch {len(self.epochs)}"
                return self._record("diverged", fault)
        except UnsupportedError as error:
            return self._record("unsupported", str(error))
        except Exception as error:  # any error of a variant or task ends its run and no other
            log.debug("%s failed", self.spec.run_id, exc_info=True)
            message = (str(error).strip() or type(error).__name__).splitlines()[-1]
            return self._record("failed", f"{type(error).__name__}: {message}")
        return self._record("ok")

    def _measure(self, sampling: Sampling | None) -> None:
        """Count, check the implementation, measure the limits and, if asked for, the speed."""
        with torch.device("meta"):
            model = build_model(
                self.spec,
                features=self.task.features,
                outputs=self.task.outputs,
                time=self.task.time,
            )
        self._parameters = count_parameters(model)
        self._flops_per_sample = count_flops(model, self.task.time)
        data = self.data.to(self.spec.device)
        forget_compiled()
        check_agreement(self.spec, self.task, data)
        measuring = Measuring(self.spec, self.task, data)
        self.timings += measuring.measure_limits()
        if sampling is not None:
            memory = PeakMemory(self.spec.device)
            self.timings += measuring.measure_speed(sampling)
            self._peak_memory_bytes = memory.bytes
            self.profile += measuring.profile_step()

    def _train(self, epoch_finished: Callable[[EpochRecord], object], keep_weights: bool) -> bool:
        """Train all epochs; tell whether every loss was finite."""
        data = self.data.to(self.spec.device)
        warm_up(self.spec, self.task, data)
        memory = PeakMemory(self.spec.device)
        training = Training(self.spec, self.task, data)
        for epoch in range(1, self.spec.epochs + 1):
            record = self._train_epoch(training, epoch)
            self.epochs.append(record)
            epoch_finished(record)
            if not (math.isfinite(record.train_loss) and math.isfinite(record.test_loss)):
                return False
        self._peak_memory_bytes = memory.bytes
        if keep_weights:
            self.checkpoint = dump_checkpoint(training.model)
        return True

    def _train_epoch(self, training: Training, epoch: int) -> EpochRecord:
        before = sum(each.epoch_time_s for each in self.epochs)

        def evaluate(batches: int, seconds: float) -> Evaluation:
            """Score the model within or after the epoch, off the clock."""
            evaluation = training.evaluate(training.data.test)
            if self.spec.eval_every is not None:
                self.evaluations.append(
                    EvaluationRecord(
                        run_id=self.spec.run_id,
                        epoch=epoch,
                        batches=batches,
                        train_time_s=before + seconds,
                        test_loss=evaluation.loss,
                        score=evaluation.score,
                    )
                )
            self._note_target(evaluation.score, before + seconds)
            return evaluation

        with LoadWatch().watching() as seen:
            train_loss, epoch_time_s = training.train_epoch(self.spec.eval_every, evaluate)
        evaluation = evaluate(-(-len(self.data.train) // self.spec.batch_size), epoch_time_s)
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
            load=seen[0],
        )

    def _note_target(self, score: float, train_time_s: float) -> None:
        target = self.spec.target
        if target is None or self._target_time_s is not None:
            return
        if score >= target if self.task.higher_is_better else score <= target:
            self._target_time_s = train_time_s

    def _record(self, status: str, error: str | None = None) -> RunRecord:
        scores = [epoch.score for epoch in self.epochs]
        best = max if self.task.higher_is_better else min
        finished = status == "ok"
        trained = finished and bool(self.epochs)
        train_rate, eval_rate = self._rates() if finished else (None, None)
        flops_per_s = (
            TRAINING_PASSES * self._flops_per_sample * train_rate
            if self._flops_per_sample is not None and train_rate
            else None
        )
        peak = fastest_product(self.timings)
        return RunRecord(
            run_id=self.spec.run_id,
            suite=self.suite,
            spec=self.spec,
            parameters=self._parameters,
            status=status,
            error=error,
            metric=self.task.metric,
            higher_is_better=self.task.higher_is_better,
            baseline_score=self.task.baseline(self.data),
            final_score=scores[-1] if trained else None,
            best_score=best(scores) if trained else None,
            epoch_time_s=median(each.epoch_time_s for each in self.epochs) if trained else None,
            train_samples_per_s=train_rate,
            eval_samples_per_s=eval_rate,
            target_time_s=self._target_time_s,
            flops_per_sample=self._flops_per_sample,
            flops_per_s=flops_per_s,
            peak_flops_per_s=peak,
            peak_fraction=flops_per_s / peak if flops_per_s and peak else None,
            peak_memory_bytes=self._peak_memory_bytes,
            started_at=self.started_at,
            environment_id=self.environment_id,
            data_fingerprint=self.data.fingerprint,
        )

    def _rates(self) -> tuple[float | None, float | None]:
        """Return examples per second in training and in inference, from epochs or from samples."""
        if self.epochs:
            train = len(self.data.train) / median(each.epoch_time_s for each in self.epochs)
            test = len(self.data.test) / median(each.eval_time_s for each in self.epochs)
            return train, test
        return median_rate(self.timings, "train_step"), median_rate(self.timings, "inference")
