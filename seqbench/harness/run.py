"""One run: from its spec, task and data to its records, however it ends."""

import logging
import math
from dataclasses import dataclass, field, replace

import torch

from seqbench.errors import (
    ContractError,
    SettingError,
    UnsupportedError,
    describe_error,
    read_message,
)
from seqbench.harness.capacity import check_memory
from seqbench.harness.compatibility import check_settings
from seqbench.harness.job import EpochFinished, Job, RunOutcome
from seqbench.harness.problems import Problem, describe_problem
from seqbench.harness.run_row import is_out_of_memory, record_checked
from seqbench.harness.state import Saved, Traces, begin_traces, dump_saved
from seqbench.models.model import VARIANTS
from seqbench.models.products import count_flops
from seqbench.models.sequence_model import (
    SequenceModel,
    build_model,
    count_parameters,
)
from seqbench.models.unseen_work import find_unseen_work
from seqbench.results.records import EpochRecord, EvaluationRecord
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData, cut_training, fingerprint
from seqbench.timing.contention import LoadWatch
from seqbench.timing.speed import Measuring, forget_compiled
from seqbench.training.accelerator import accelerator_of
from seqbench.training.allocator import no_garbage_collection
from seqbench.training.checkpoint import dump_checkpoint
from seqbench.training.determinism import Determinism
from seqbench.training.equivalence import check_equivalence
from seqbench.training.loop import Evaluation, Training
from seqbench.training.observation import observe
from seqbench.training.process_settings import settings_kept
from seqbench.training.random_streams import GlobalStream, derive_seed

log = logging.getLogger(__name__)


@dataclass
class Run:
    """One run in progress.

    Parameters
    ----------
    job
        What is run.
    task, data
        What it receives, in main memory.
    known
        Result of `describe_problem`, if known.
    """

    job: Job
    task: Task
    data: TaskData
    known: Problem | None = None
    traces: Traces = field(init=False)

    def __post_init__(self) -> None:
        self.spec = self.job.spec
        self.problem = self.known or describe_problem(self.spec.task, self.task, self.data)
        self.traces = self.job.saved.traces if self.job.saved else begin_traces()
        self.determinism = Determinism(self.traces.nondeterministic)
        self.traces.watched = True
        self.checkpoint: bytes | None = None

    def execute(self, epoch_finished: EpochFinished = lambda record, saved: None) -> RunOutcome:
        """Run to the end, to a loss that is not finite, or to an error; record which it was."""
        status, error = "ok", None
        try:
            with settings_kept(), self.determinism.active():
                if not self._go(epoch_finished):
                    status = "diverged"
                    error = f"a loss was not finite in epoch {len(self.traces.epochs)}"
        except UnsupportedError as reason:
            status, error = "unsupported", read_message(reason) or "no reason given"
        except KeyboardInterrupt:
            raise
        except BaseException as reason:  # whatever a variant or task raises ends its run alone
            log.debug("%s failed", self.spec.run_id, exc_info=True)
            status, error = "failed", describe_error(reason)
            if is_out_of_memory(reason):
                status = "out-of-memory"
        spoiled = fingerprint(self.data) != self.problem.fingerprint
        if spoiled and status != "failed":
            fault = f"modified the examples of {self.spec.task} during the run: modify a copy"
            culprit = ContractError("variant", self.spec.variant, fault)
            status, error = "failed", describe_error(culprit)
        record, traces = record_checked(self.job, self.problem, self.traces, status, error)
        return RunOutcome(record, traces, self.checkpoint, spoiled)

    def _go(self, epoch_finished: EpochFinished) -> bool:
        """Observe, measure and train; return whether every loss was finite."""
        try:
            check_settings(self.spec, self.task)
            cut_training(self.spec.task, self.data, self.spec.train_examples)
        except SettingError as misfit:
            raise UnsupportedError(str(misfit)) from misfit
        if self.job.saved is None:
            self._count_parameters()
        data = self.data.to(accelerator_of(self.spec.device).torch_device)
        forget_compiled()
        self._observe(data)
        if self.job.saved is None:
            self._measure(data)
        return self.spec.epochs == 0 or self._train(data, epoch_finished)

    def _count_parameters(self) -> None:
        """Count the weights, and see that the run is not too large for this machine."""
        with torch.device("meta"):
            model = self._build(self.spec)
        check_memory(self.spec, model, self.data, self.task.time)
        self.traces.parameters = count_parameters(model)

    def _count_operations(self) -> int | None:
        """Return the operations of a forward pass; None where the rule for them does not hold."""
        ordinary = VARIANTS[self.spec.variant].implementations[0]  # all do the same products
        stream = GlobalStream(derive_seed(self.spec.seed, "initialisation"), "cpu")
        with stream.active():
            model = self._build(replace(self.spec, implementation=ordinary)).eval()
            unseen = find_unseen_work(model, self.data.train.inputs)
        return None if unseen else count_flops(model, self.task.time)

    def _build(self, spec: RunSpec) -> SequenceModel:
        task = self.task
        return build_model(spec, features=task.features, outputs=task.outputs, time=task.time)

    def _observe(self, data: TaskData) -> None:
        """Find out how batches may be shared and whether the run repeats."""
        traces, seen = self.traces, observe(self.spec, self.task, data)
        traces.nondeterminism = traces.nondeterminism or seen.nondeterminism
        if self.job.saved is None:
            traces.shares, traces.one_share_reason = seen.shares, seen.one_share_reason
        elif seen.keeps_state:
            traces.nondeterminism = "it was resumed, and keeps state outside checkpoints"

    def _measure(self, data: TaskData) -> None:
        """Count, check the implementation, measure the limits and, if requested, the speed."""
        traces = self.traces
        traces.flops_per_sample = self._count_operations()
        check_equivalence(self.spec, self.task, data, traces.shares)
        counted = traces.flops_per_sample is not None
        measuring = Measuring(self.spec, self.task, data, traces.shares, counted=counted)
        with no_garbage_collection():  # one collection before both, which takes a while
            traces.timings += measuring.measure_limits()
            traces.peak_memory_bytes = measuring.measure_memory()
        if self.job.sampling is not None:
            traces.timings += measuring.measure_speed(self.job.sampling)
            traces.profile += measuring.profile_step()

    def _train(self, data: TaskData, epoch_finished: EpochFinished) -> bool:
        """Train the epochs that are left; return whether every loss was finite."""
        training = Training(self.spec, self.task, data, self.traces.shares)
        if self.job.saved:
            training.load_state_dict(self.job.saved.training)
        training.prepare()
        for epoch in range(len(self.traces.epochs) + 1, self.spec.epochs + 1):
            record = self._train_epoch(training, epoch)
            self.traces.epochs.append(record)
            if training.shares > 1 and training.drawn:
                self.traces.nondeterminism = "threads that shared a batch drew random numbers"
            if not (math.isfinite(record.train_loss) and math.isfinite(record.test_loss)):
                return False
            epoch_finished(record, self._save(training))
        if self.job.keep_weights:
            self.checkpoint = dump_checkpoint(training.model, self.spec, self.task)
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
