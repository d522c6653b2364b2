"""One run: from its spec, task and data to its records, however it ends."""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

import torch

from seqbench.errors import ContractError, UnsupportedError
from seqbench.harness.checkpoint import dump_checkpoint
from seqbench.harness.determinism import Determinism
from seqbench.harness.equivalence import check_equivalence
from seqbench.harness.load import LoadWatch
from seqbench.harness.measuring import (
    Measuring,
    fastest_product,
    forget_compiled,
    median_rate,
)
from seqbench.harness.observation import observe
from seqbench.harness.sampling import Sampling
from seqbench.harness.saving import Saved, Traces, dump_saved
from seqbench.harness.training import Evaluation, Training
from seqbench.models.products import TRAINING_PASSES, count_flops
from seqbench.models.sequence_model import build_model, count_parameters
from seqbench.records import EpochRecord, EvaluationRecord, RunRecord
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData, check_baseline, fingerprint

log = logging.getLogger(__name__)

EpochFinished = Callable[[EpochRecord, bytes], object]
"""Is told of each epoch, off the clock, with what it takes to go on from there."""

_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


@dataclass(frozen=True)
class Problem:
    """What a run is fed with, in a few words: what stands of it in the row."""

    metric: str
    higher_is_better: bool
    baseline_score: float
    fingerprint: str
    train_examples: int
    test_examples: int
    test_answers: int


def describe_problem(name: str, task: Task, data: TaskData) -> Problem:
    """Return what stands in a row of the task called ``name`` and its data.

    Raises
    ------
    ContractError
        If the task's trivial answer has no score.
    """
    return Problem(
        task.metric,
        task.higher_is_better,
        check_baseline(name, task, data),
        data.fingerprint,
        len(data.train),
        len(data.test),
        int(task.count_answers(data.test.targets)),
    )


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to be done, and what stands in its rows besides.

    Parameters
    ----------
    spec, suite, environment_id, code_version, commit
        As in `RunRecord`.
    sampling
        How carefully speed is measured; None for not.
    keep_weights
        Whether the trained weights are kept.
    saved
        Where to go on; None to begin.
    """

    spec: RunSpec
    suite: str
    environment_id: str
    code_version: str | None = None
    commit: str | None = None
    sampling: Sampling | None = None
    keep_weights: bool = False
    saved: Saved | None = None

    def origin(self, fingerprint: str) -> dict[str, str]:
        """Return what a saved run must have in common with this one to be gone on with."""
        return {
            "settings": json.dumps(self.spec.chosen, sort_keys=True),
            "code": str(self.code_version),
            "data": fingerprint,
            "environment": self.environment_id,
        }


@dataclass(frozen=True)
class Ended:
    """What came of a run: its row, what it left besides, and its weights.

    ``spoiled`` tells that its examples are not any more what was loaded: others must not use them.
    """

    record: RunRecord
    traces: Traces
    checkpoint: bytes | None = None
    spoiled: bool = False


@dataclass
class Run:
    """One run on its way to its record.

    Parameters
    ----------
    job
        What is run.
    task, data
        What it is fed with, in main memory.
    """

    job: Job
    task: Task
    data: TaskData
    traces: Traces = field(init=False)

    def __post_init__(self) -> None:
        self.spec = self.job.spec
        self.problem = describe_problem(self.spec.task, self.task, self.data)
        self.traces = self.job.saved.traces if self.job.saved else begin_traces()
        self.determinism = Determinism(self.traces.nondeterministic)
        self.traces.watched = True
        self.checkpoint: bytes | None = None

    def execute(self, epoch_finished: EpochFinished = lambda record, saved: None) -> Ended:
        """Run to the end, to a loss that is not finite, or to an error; record which it was."""
        status, error = "ok", None
        try:
            with self.determinism.active():
                if not self._go(epoch_finished):
                    status = "diverged"
                    error = f"a loss was not finite in epoch {len(self.traces.epochs)}"
        except UnsupportedError as reason:
            status, error = "unsupported", str(reason)
        except Exception as reason:  # any error of a variant or task ends its run and no other
            log.debug("%s failed", self.spec.run_id, exc_info=True)
            status, error = "failed", describe_error(reason)
            if is_out_of_memory(reason):
                status = "out-of-memory"
        spoiled = fingerprint(self.data) != self.problem.fingerprint
        if spoiled and status != "failed":
            fault = f"changed the examples of {self.spec.task} while it ran: copy what is changed"
            culprit = ContractError("variant", self.spec.variant, fault)
            status, error = "failed", describe_error(culprit)
        record = record_run(self.job, self.problem, self.traces, status, error)
        return Ended(record, self.traces, self.checkpoint, spoiled)

    def _go(self, epoch_finished: EpochFinished) -> bool:
        """Observe, measure and train; tell whether every loss was finite."""
        data = self.data.to(self.spec.device)
        forget_compiled()
        self._observe(data)
        if self.job.saved is None:
            self._measure(data)
        return self.spec.epochs == 0 or self._train(data, epoch_finished)

    def _observe(self, data: TaskData) -> None:
        """Find out how batches may be shared and whether the run repeats."""
        traces, seen = self.traces, observe(self.spec, self.task, data)
        traces.nondeterminism = traces.nondeterminism or seen.nondeterminism
        if self.job.saved is None:
            traces.shares, traces.one_share_reason = seen.shares, seen.one_share_reason
        elif seen.keeps_state:
            traces.nondeterminism = "it was resumed, and keeps state that no checkpoint holds"

    def _measure(self, data: TaskData) -> None:
        """Count, check the implementation, measure the limits and, if asked for, the speed."""
        traces = self.traces
        with torch.device("meta"):
            model = build_model(
                self.spec,
                features=self.task.features,
                outputs=self.task.outputs,
                time=self.task.time,
            )
        traces.parameters = count_parameters(model)
        traces.flops_per_sample = count_flops(model, self.task.time)
        check_equivalence(self.spec, self.task, data, traces.shares)
        measuring = Measuring(self.spec, self.task, data, traces.shares)
        traces.timings += measuring.measure_limits()
        traces.peak_memory_bytes = measuring.measure_memory()
        if self.job.sampling is not None:
            traces.timings += measuring.measure_speed(self.job.sampling)
            traces.profile += measuring.profile_step()

    def _train(self, data: TaskData, epoch_finished: EpochFinished) -> bool:
        """Train the epochs that are left; tell whether every loss was finite."""
        training = Training(self.spec, self.task, data, self.traces.shares)
        if self.job.saved:
            training.load_state_dict(self.job.saved.training)
        for epoch in range(len(self.traces.epochs) + 1, self.spec.epochs + 1):
            record = self._train_epoch(training, epoch)
            self.traces.epochs.append(record)
            if training.shares > 1 and training.drawn:
                self.traces.nondeterminism = "threads that shared a batch drew random numbers"
            if not (math.isfinite(record.train_loss) and math.isfinite(record.test_loss)):
                return False
            epoch_finished(record, self._save(training))
        if self.job.keep_weights:
            self.checkpoint = dump_checkpoint(training.model)
        return True

    def _save(self, training: Training) -> bytes:
        origin = self.job.origin(self.problem.fingerprint)
        return dump_saved(Saved(origin, self.traces, training.state_dict()))

    def _train_epoch(self, training: Training, epoch: int) -> EpochRecord:
        before = sum(each.epoch_time_s for each in self.traces.epochs)

        def evaluate(batches: int, seconds: float) -> Evaluation:
            """Score the model within or after the epoch, off the clock."""
            evaluation = training.evaluate(training.data.test)
            if self.spec.eval_every is not None:
                self.traces.evaluations.append(
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

        with LoadWatch(self.spec.threads).watching() as seen:
            train_loss, epoch_time_s = training.train_epoch(self.spec.eval_every, evaluate)
        evaluation = evaluate(-(-len(self.data.train) // self.spec.batch_size), epoch_time_s)
        return EpochRecord(
            run_id=self.spec.run_id,
            suite=self.job.suite,
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
        if target is None or self.traces.target_time_s is not None:
            return
        if score >= target if self.task.higher_is_better else score <= target:
            self.traces.target_time_s = train_time_s


def begin_traces() -> Traces:
    """Return the traces of a run that begins now."""
    return Traces(started_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def describe_error(error: BaseException) -> str:
    """Return an error's kind and its last line, without characters that would not print."""
    message = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return f"{type(error).__name__}: {''.join(each for each in message if each.isprintable())}"


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory, of the machine or of the GPU, was not enough."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def record_run(
    job: Job, problem: Problem, traces: Traces, status: str, error: str | None = None
) -> RunRecord:
    """Return the row of a run that ended with ``status``, from what it left."""
    spec, epochs = job.spec, traces.epochs
    scores = [epoch.score for epoch in epochs]
    best = max if problem.higher_is_better else min
    finished = status == "ok"
    trained = finished and bool(epochs)
    train_rate, eval_rate = _rates(problem, traces) if finished else (None, None)
    flops_per_s = (
        TRAINING_PASSES * traces.flops_per_sample * train_rate
        if traces.flops_per_sample is not None and train_rate
        else None
    )
    peak = fastest_product(traces.timings)
    return RunRecord(
        run_id=spec.run_id,
        suite=job.suite,
        spec=spec,
        parameters=traces.parameters,
        status=status,
        error=error,
        metric=problem.metric,
        higher_is_better=problem.higher_is_better,
        baseline_score=problem.baseline_score,
        final_score=scores[-1] if trained else None,
        best_score=best(scores) if trained else None,
        epoch_time_s=median(each.epoch_time_s for each in epochs) if trained else None,
        train_samples_per_s=train_rate,
        eval_samples_per_s=eval_rate,
        target_time_s=traces.target_time_s,
        flops_per_sample=traces.flops_per_sample,
        flops_per_s=flops_per_s,
        peak_flops_per_s=peak,
        peak_fraction=flops_per_s / peak if flops_per_s and peak else None,
        peak_memory_bytes=traces.peak_memory_bytes if finished else None,
        shares=traces.shares,
        one_share_reason=traces.one_share_reason,
        deterministic=(
            not (traces.nondeterministic or traces.nondeterminism) if traces.watched else None
        ),
        nondeterministic_operators=", ".join(traces.nondeterministic) or None,
        nondeterminism=traces.nondeterminism,
        started_at=traces.started_at,
        environment_id=job.environment_id,
        data_fingerprint=problem.fingerprint,
        code_version=job.code_version,
        commit=job.commit,
    )


def _rates(problem: Problem, traces: Traces) -> tuple[float | None, float | None]:
    """Return examples per second in training and in inference, from epochs or from samples."""
    if traces.epochs:
        train = problem.train_examples / median(each.epoch_time_s for each in traces.epochs)
        test = problem.test_examples / median(each.eval_time_s for each in traces.epochs)
        return train, test
    return median_rate(traces.timings, "train_step"), median_rate(traces.timings, "inference")
