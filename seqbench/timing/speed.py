"""Speed, measured apart from training: steps, their halves, inference, latency, and the limits.

What is timed is the harness's own step on a model of its own, which is discarded, so that measuring
leaves no trace in what is trained.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import median

import torch
from torch import Tensor

from seqbench.models.products import TRAINING_PASSES, count_bytes, count_flops
from seqbench.results.records import Load, ProfileRecord, TimingRecord
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.timing import peak
from seqbench.timing.contention import LoadWatch
from seqbench.timing.peak import Limit
from seqbench.timing.profiler import profile_steps
from seqbench.timing.sampler import Sample, Sampler, Sampling
from seqbench.training.clock import SampleClock
from seqbench.training.loop import Training
from seqbench.training.precision import DTYPES, products_in
from seqbench.training.threads import Sharing

WARM_UP_STEPS = 3


def forget_compiled() -> None:
    """Reset torch.compile, so that a run pays for its own compilation."""
    if dynamo := sys.modules.get("torch._dynamo"):
        dynamo.reset()
        dynamo.utils.compilation_time_metrics.clear()


def seconds_compiling() -> float:
    """Return what torch.compile has taken since `forget_compiled`; 0 where it was not used."""
    dynamo = sys.modules.get("torch._dynamo")
    return float(dynamo.utils.calculate_time_spent().get("total_wall_time", 0.0)) if dynamo else 0.0


class Measuring:
    """Takes the timings of one run.

    Parameters
    ----------
    spec, task, data
        As for `Training`; the spec's batch size and the task's length are the shape measured.
    shares
        How many threads share a batch in training.
    counted
        Whether operations are counted by formula: not where the rule for them does not hold.
    clock, watch
        What times, and what watches the machine: to be replaced in tests.
    """

    def __init__(
        self,
        spec: RunSpec,
        task: Task,
        data: TaskData,
        shares: int = 1,
        *,
        counted: bool = True,
        clock: SampleClock | None = None,
        watch: LoadWatch | None = None,
    ) -> None:
        self.run_id = spec.run_id
        self.spec = replace(spec, schedule="constant")  # one that ends would end the measuring
        self.task = task
        self.data = data
        self.shares = shares
        self.counted = counted
        self.clock = clock or SampleClock(spec.device)
        self.watch = watch or LoadWatch(spec.threads)

    def measure_limits(self) -> list[TimingRecord]:
        """Return samples of the hardware peaks, with the run's threads and precision."""
        short = Sampling(width=0.05, budget_s=peak.BUDGET_S, least=3, most=20)
        sampler = Sampler(self.clock, short, self.watch)
        records: list[TimingRecord] = []

        def sample(limit: Limit) -> float:
            """Record samples; return the seconds of the fastest call."""
            taken = sampler.sample(limit.work)
            start = sum(record.phase == limit.phase for record in records)
            records.extend(
                self._record(limit.phase, start + i, each, 0, limit.flops, limit.bytes)
                for i, each in enumerate(taken)
            )
            return min(each.seconds / each.calls for each in taken)

        device, precision = self.spec.device, self.spec.precision
        with Sharing(self.spec.threads, 1).active(), products_in(precision, device):
            for size in peak.MATRIX_SIZES[device]:
                if sample(peak.multiply(size, device, precision)) >= peak.SATURATED_S:
                    break
            sample(peak.copy(device))
        return records

    def measure_speed(self, sampling: Sampling) -> list[TimingRecord]:
        """Return samples of every phase of the model's work."""
        sampler = Sampler(self.clock, sampling, self.watch)
        training = Training(self.spec, self.task, self.data, self.shares)
        training.prepare()
        training.model.train()
        batch = training.draw_batches()[0]
        with training.active():
            first = sampler.take(lambda: training.step(batch))
            records = [self._record("first_step", 0, first, len(batch))]
            flops = count_flops(training.model, self.task.time)
            itemsize = DTYPES[self.spec.precision].itemsize
            for phase, call, examples, passes in self._list_phases(training, batch):
                moved = count_bytes(training.model, examples, self.task.time, itemsize)
                work = (passes * examples * flops, passes * moved) if self.counted else (None, None)
                records += [
                    self._record(phase, i, each, examples, *work)
                    for i, each in enumerate(sampler.sample(call, single=phase == "latency"))
                ]
        if compiling := seconds_compiling():
            spent = Sample(1, compiling, Load())
            records.append(self._record("compile", 0, spent, len(batch)))
        return records

    def measure_memory(self) -> int:
        """Return the bytes that the model and a training step on a full batch need."""
        with self._warm_training() as (training, batch):
            return training.measure_memory(batch)

    def profile_step(self) -> list[ProfileRecord]:
        """Return what a training step spends, operator by operator."""
        with self._warm_training() as (training, batch):
            taken = profile_steps(lambda: training.step(batch), self.clock)
        return [
            ProfileRecord(
                run_id=self.run_id,
                operator=each.operator,
                calls=each.calls,
                seconds=each.seconds,
                steps=taken.steps,
                steps_s=taken.seconds,
                threads=training.shares,
            )
            for each in taken.operators
        ]

    @contextmanager
    def _warm_training(self) -> Iterator[tuple[Training, Tensor]]:
        """Return a training that has taken its first steps, ready for more, and a full batch."""
        training = Training(self.spec, self.task, self.data, self.shares)
        training.prepare()
        training.model.train()
        batch = training.draw_batches()[0]
        with training.active():
            for _ in range(WARM_UP_STEPS):
                training.step(batch)
            yield training, batch

    def _list_phases(
        self, training: Training, batch: Tensor
    ) -> Iterator[tuple[str, Callable[[], object], int, int]]:
        """Yield each phase's name, work, examples of a call and forward passes that it equals."""
        examples = len(batch)
        training.model.train()
        yield "train_step", lambda: training.step(batch), examples, TRAINING_PASSES
        if self.spec.cuda_graph:  # what is captured is the step alone
            return
        yield "forward", lambda: training.forward(batch), examples, 1
        losses = training.forward(batch)
        yield (
            "backward",
            lambda: training.backward(losses, keep=True),
            examples,
            TRAINING_PASSES - 1,
        )
        training.model.eval()
        with torch.inference_mode():
            inputs = self.data.train.inputs[: training.shares * self.spec.batch_size]
            yield "inference", lambda: training.infer(inputs), len(inputs), 1
            one = self.data.test.inputs[:1]
            yield "latency", lambda: training.infer(one), 1, 1

    def _record(
        self,
        phase: str,
        sample: int,
        taken: Sample,
        examples: int,
        flops: int | None = None,
        moved: int | None = None,
    ) -> TimingRecord:
        return TimingRecord(
            run_id=self.run_id,
            phase=phase,
            sample=sample,
            calls=taken.calls,
            seconds=taken.seconds,
            examples=examples,
            time_steps=examples * self.task.time,
            flops=flops,
            bytes=moved,
            load=taken.load,
        )


def fastest_product(timings: Iterable[TimingRecord]) -> float | None:
    """Return the floating-point operations per second of the fastest of the limits' products."""
    rates = (
        each.calls * each.flops / each.seconds
        for each in timings
        if each.phase == "matmul" and each.flops is not None
    )
    return max(rates, default=None)


def median_rate(timings: Iterable[TimingRecord], phase: str) -> float | None:
    """Return a phase's median of examples per second, contended samples left out if others are."""
    taken = [each for each in timings if each.phase == phase]
    calm = [each for each in taken if not each.load.contended] or taken
    rates = [each.calls * each.examples / each.seconds for each in calm]
    return median(rates) if rates else None
