"""Measuring: which phases there are, what stands in their rows, and that nothing else changes."""

from collections.abc import Callable
from dataclasses import replace
from statistics import median

import pytest
import torch

from seqbench.errors import DisagreementError, UnsupportedError
from seqbench.harness.job import Job
from seqbench.harness.run import Run
from seqbench.models.products import count_flops
from seqbench.models.sequence_model import build_model
from seqbench.results.records import PHASES, Load, TimingRecord
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.timing.contention import Counters, LoadWatch
from seqbench.timing.sampler import Sampling
from seqbench.timing.speed import Measuring, fastest_product, median_rate
from seqbench.training import equivalence
from seqbench.training.clock import SampleClock
from seqbench.training.equivalence import check_equivalence
from seqbench.training.loop import Training

MakeSpec = Callable[..., RunSpec]
BRIEF = Sampling(budget_s=0.01, least=2, most=3)


def make_run(spec: RunSpec, task: Task, data: TaskData, sampling: Sampling | None = None) -> Run:
    return Run(Job(spec=spec, suite="quick", environment_id="abc", sampling=sampling), task, data)


def timing(phase: str, seconds: float, contended: bool = False, **fields: int) -> TimingRecord:
    defaults = {"sample": 0, "calls": 1, "examples": 10, "time_steps": 50}
    return TimingRecord(
        run_id="a", phase=phase, seconds=seconds, load=Load(contended=contended),
        **(defaults | fields),
    )  # fmt: skip


def test_every_phase_is_there_with_its_work(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(variant="gru", implementation="native")
    records = Measuring(spec, tiny_task, tiny_data).measure_speed(BRIEF)
    assert set(PHASES) - {each.phase for each in records} == {"compile", "matmul", "copy"}
    assert {each.run_id for each in records} == {spec.run_id}
    model = build_model(spec, features=tiny_task.features, outputs=tiny_task.outputs)
    forward = 16 * count_flops(model, tiny_task.time)
    flops = {each.phase: each.flops for each in records}
    assert flops["forward"] == flops["inference"] == forward, "one thread, one batch"
    assert (flops["backward"], flops["train_step"]) == (2 * forward, 3 * forward)
    assert flops["latency"] == forward / 16
    examples = {each.phase: (each.examples, each.time_steps) for each in records}
    assert examples["train_step"] == (16, 16 * 5)
    assert examples["latency"] == (1, 5)
    samples = [each.sample for each in records if each.phase == "forward"]
    assert samples == list(range(len(samples)))


def test_the_limits_are_measured_in_the_runs_precision(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    for precision, itemsize in (("float32", 4), ("bfloat16", 2)):
        spec = make_spec(precision=precision)
        records = Measuring(spec, tiny_task, tiny_data).measure_limits()
        products = {each.flops: each.bytes for each in records if each.phase == "matmul"}
        assert products == {2 * n**3: 3 * n * n * itemsize for n in (16, 32)}
        assert {each.bytes for each in records if each.phase == "copy"} == {2 * 4096}


@pytest.mark.parametrize(("seconds", "sizes"), [(0.004, {16, 32}), (0.006, {16})])
def test_a_larger_product_is_measured_only_while_they_are_short(
    seconds: float,
    sizes: set[int],
    make_spec: MakeSpec,
    tiny_task: Task,
    tiny_data: TaskData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    multiply = torch.mm

    def slow_multiply(*matrices: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        now[0] += seconds
        return multiply(*matrices, out=out)

    monkeypatch.setattr(torch, "mm", slow_multiply)
    monkeypatch.setattr(torch.Tensor, "copy_", lambda *_: now.__setitem__(0, now[0] + seconds))
    quiet = LoadWatch(1, lambda: Counters(now[0], 0.0, {}))
    clock = SampleClock("cpu", now=lambda: now[0])
    records = Measuring(make_spec(), tiny_task, tiny_data, clock=clock, watch=quiet)
    products = {each.flops for each in records.measure_limits() if each.phase == "matmul"}
    assert products == {2 * n**3 for n in sizes}


def test_a_known_step_gives_a_known_rate(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def look() -> float:  # a look at the clock takes time, or other work would take none
        now[0] += 0.01
        return now[0]

    def slow_step(training: Training, batch: torch.Tensor) -> torch.Tensor:
        now[0] += 0.5
        return torch.zeros(())

    monkeypatch.setattr(Training, "step", slow_step)
    quiet = LoadWatch(1, lambda: Counters(now[0], 0.0, {}))
    clock = SampleClock("cpu", now=look)
    measuring = Measuring(make_spec(), tiny_task, tiny_data, clock=clock, watch=quiet)
    records = measuring.measure_speed(Sampling(budget_s=0.6, least=2, most=2))
    assert median_rate(records, "train_step") == pytest.approx(16 / 0.51)


def test_rates_leave_out_contended_samples_unless_there_are_no_others() -> None:
    records = [timing("train_step", 1.0), timing("train_step", 9.0, contended=True)]
    assert median_rate(records, "train_step") == 10.0
    assert median_rate(records[1:], "train_step") == pytest.approx(10 / 9)
    assert median_rate(records, "inference") is None


def test_the_faster_product_is_the_peak() -> None:
    small = [timing("matmul", seconds, flops=100) for seconds in (1.0, 2.0, 10.0)]
    large = [timing("matmul", seconds, flops=900, calls=2) for seconds in (10.0, 12.0, 30.0)]
    assert fastest_product(small) == 100 / 1.0
    assert fastest_product(small + large) == 2 * 900 / 10.0
    assert fastest_product([timing("copy", 1.0)]) is None


def test_measuring_changes_nothing_in_the_training(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(variant="lstm", dropout=0.5)
    losses = []
    for sampling in (None, BRIEF):
        run = make_run(spec, tiny_task, tiny_data, sampling)
        run.execute()
        losses.append([(each.train_loss, each.test_loss) for each in run.traces.epochs])
    assert losses[0] == losses[1]


def test_a_run_that_is_only_measured_has_rates_and_no_scores(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    run = make_run(make_spec(epochs=0), tiny_task, tiny_data, BRIEF)
    record = run.execute().record
    assert (record.status, record.final_score, record.epoch_time_s) == ("ok", None, None)
    assert record.train_samples_per_s == median_rate(run.traces.timings, "train_step")
    assert record.flops_per_sample is not None
    assert record.train_samples_per_s is not None
    expected = 3 * record.flops_per_sample * record.train_samples_per_s
    assert record.flops_per_s == pytest.approx(expected)
    assert record.peak_flops_per_s is not None
    assert record.peak_flops_per_s == fastest_product(run.traces.timings)
    assert record.peak_fraction == pytest.approx(expected / record.peak_flops_per_s)


def test_a_trained_run_has_a_peak_fraction_too(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    run = make_run(make_spec(), tiny_task, tiny_data)
    record = run.execute().record
    rate = len(tiny_data.train) / median(each.epoch_time_s for each in run.traces.epochs)
    assert record.flops_per_sample is not None
    assert record.peak_flops_per_s is not None
    expected = 3 * record.flops_per_sample * rate / record.peak_flops_per_s
    assert record.peak_fraction == pytest.approx(expected)
    assert {each.phase for each in run.traces.timings} == {"matmul", "copy"}
    assert all(each.load.other_cpu_s is not None for each in run.traces.epochs)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"implementation": "scan"}, "rnn has no implementation scan, only native or fused or"),
        ({"precision": "tf32"}, "tf32 is not supported on a CPU"),
        ({"precision": "float16"}, "float16 training is supported on GPUs only"),
        ({"cuda_graph": True}, "a CUDA graph needs --device cuda"),
        ({"implementation": "fused", "precision": "bfloat16"}, "computes in float32 only"),
    ],
)
def test_what_cannot_be_done_here_is_a_row_with_the_reason(
    make_spec: MakeSpec,
    tiny_task: Task,
    tiny_data: TaskData,
    settings: dict[str, object],
    reason: str,
) -> None:
    run = make_run(make_spec(**settings), tiny_task, tiny_data, BRIEF)
    record = run.execute().record
    assert record.status == "unsupported"
    assert reason in str(record.error)
    assert not run.traces.epochs


def test_half_precision_is_really_computed_in(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(precision="bfloat16", variant="rnn", implementation="reference")
    training = Training(spec, tiny_task, tiny_data)
    batch = torch.arange(16)
    with training.active():
        halved = training.differentiate(batch)[0]
        whole = Training(replace(spec, precision="float32"), tiny_task, tiny_data)
        exact = whole.differentiate(batch)[0]
    assert halved.dtype == exact.dtype == torch.float32
    assert halved != exact
    torch.testing.assert_close(halved, exact, rtol=0.02, atol=0)


@pytest.mark.parametrize("implementation", ["fused", "compiled", "reference"])
def test_implementations_agree_before_they_are_timed(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData, implementation: str
) -> None:
    check_equivalence(make_spec(implementation=implementation), tiny_task, tiny_data, 1)


def test_blank_steps_under_a_maximum_are_no_disagreement(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    tiny_data.train.inputs[:, :3] = 0.0  # equal states: the last bit decides where the maximum is
    tiny_data.train.inputs[::2] = 0.0
    spec = make_spec(variant="rnn-orthogonal", readout="max", hidden_size=32)
    check_equivalence(replace(spec, implementation="fused"), tiny_task, tiny_data, 1)


@pytest.mark.parametrize(
    ("wrong", "told"), [("outputs", "in outputs"), ("gradient", "in the gradient of encoder")]
)
def test_one_that_computes_something_else_is_named(
    make_spec: MakeSpec,
    tiny_task: Task,
    tiny_data: TaskData,
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
    told: str,
) -> None:
    real = equivalence.read_step

    def bend(training: Training) -> dict[str, torch.Tensor]:
        found = real(training)
        name = next(each for each in found if wrong in each)
        if training.spec.implementation == "fused":
            found[name] = found[name] * 1.01
        return found

    monkeypatch.setattr(equivalence, "read_step", bend)
    with pytest.raises(DisagreementError, match=f"rnn in fused, float32, differs .* {told}"):
        check_equivalence(make_spec(implementation="fused"), tiny_task, tiny_data, 1)


def test_half_precision_may_differ_by_its_rounding_only(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(implementation="reference", precision="bfloat16")
    check_equivalence(spec, tiny_task, tiny_data, 1)


def test_an_unknown_precision_of_a_device_is_refused_before_anything_is_built(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    with pytest.raises(UnsupportedError, match="tf32"):
        Training(make_spec(precision="tf32"), tiny_task, tiny_data)
