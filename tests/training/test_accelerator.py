"""A device that queues and captures, played by the CPU: what is asked of it, and when."""

import ast
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import seqbench
from seqbench.errors import UnsupportedError
from seqbench.harness.job import Job
from seqbench.harness.run import Run
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.timing.contention import LoadWatch
from seqbench.timing.sampler import Sampler, Sampling
from seqbench.timing.speed import Measuring
from seqbench.training.accelerator import ACCELERATORS, Accelerator
from seqbench.training.clock import SampleClock
from seqbench.training.loop import Training

MakeSpec = Callable[..., RunSpec]


class Mark:
    """An event: a moment of the wall clock."""

    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, end_event: "Mark") -> float:
        return 1000 * (end_event.at - self.at)


class Recorded:
    """A graph: nothing is done while it is recorded, and each replay writes into one tensor."""

    def __init__(self, card: "Card") -> None:
        self.card = card

    def warm_up(self, work: Callable[[], object]) -> None:
        self.card.asked.append("warm up")
        work()

    def record(self, work: Callable[[], Tensor]) -> Tensor:
        self.card.asked.append("record")
        self.work, self.result = work, torch.full((), float("nan"))
        return self.result

    def replay(self) -> None:
        self.card.asked.append("replay")
        self.result.copy_(self.work())


class Card(Accelerator):
    """The CPU behind the interface of a card; ``asked`` is what was asked of it."""

    queues = True
    counts_memory = True

    def __init__(self) -> None:
        self.asked: list[str] = []

    def synchronize(self) -> None:
        self.asked.append("synchronize")

    def make_event(self) -> Mark:
        return Mark()

    def reset_peak(self) -> None:
        self.asked.append("reset peak")

    def read_memory(self) -> tuple[int, int]:
        return 1000, 3000

    def check_precision(self, precision: str) -> None:
        pass

    def make_capture(self) -> Recorded:
        return Recorded(self)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    played = Card()
    monkeypatch.setitem(ACCELERATORS, "cuda", played)
    return played


def train(spec: RunSpec, task: Task, data: TaskData, epochs: int = 2) -> Training:
    training = Training(spec, task, data)
    training.prepare()
    for _ in range(epochs):
        training.train_epoch()
    return training


def assert_equal(one: Training, other: Training) -> None:
    for (name, mine), theirs in zip(
        one.model.state_dict().items(), other.model.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs), name


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"schedule": "one-cycle", "clip_norm": 0.1},
        {"variant": "lstm", "dropout": 0.3, "num_layers": 2, "implementation": "reference"},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.1},
    ],
)
def test_a_captured_training_equals_one_step_by_step_to_the_last_bit(
    settings: dict[str, Any],
    card: Card,
    make_spec: MakeSpec,
    tiny_task: Task,
    tiny_data: TaskData,
) -> None:
    spec = make_spec(device="cuda", epochs=2, cuda_graph=True, **settings)
    one = Training(spec, tiny_task, tiny_data)  # not prepared
    for _ in range(2):
        one.train_epoch()
    other = train(spec, tiny_task, tiny_data)
    assert_equal(one, other)
    plain = train(replace(spec, cuda_graph=False), tiny_task, tiny_data)
    for mine, theirs in zip(other.parameters, plain.parameters, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
    # 40 examples: two full batches of 16 and one of 8 an epoch
    assert [each for each in card.asked if each != "synchronize"] == [
        *["warm up"] * 3, "record", *["replay"] * 4,
    ]  # fmt: skip


def test_a_resumed_graph_goes_on_with_its_schedule(
    card: Card, make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(device="cuda", epochs=3, cuda_graph=True, schedule="one-cycle")
    whole = train(spec, tiny_task, tiny_data, 3)
    state = train(spec, tiny_task, tiny_data, 1).state_dict()
    resumed = Training(spec, tiny_task, tiny_data)
    (group,) = resumed.update._optimizer.param_groups
    rate = group["lr"]
    resumed.load_state_dict(state)
    (group,) = resumed.update._optimizer.param_groups
    assert group["lr"] is rate
    resumed.prepare()
    resumed.train_epoch()
    resumed.train_epoch()
    assert_equal(resumed, whole)


def test_too_few_examples_for_a_batch_are_no_graph(
    card: Card, make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(device="cuda", cuda_graph=True, batch_size=41)
    with pytest.raises(UnsupportedError, match="40 of 41 examples"):
        Training(spec, tiny_task, tiny_data).prepare()


def test_dropout_whose_state_cudnn_keeps_is_no_graph(
    card: Card, make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    settings: dict[str, Any] = {"variant": "lstm", "dropout": 0.3, "num_layers": 2}
    spec = make_spec(device="cuda", cuda_graph=True, **settings)
    with pytest.raises(UnsupportedError, match="dropout between native layers"):
        Training(spec, tiny_task, tiny_data).prepare()


@pytest.mark.parametrize(("seconds", "calls"), [(1e-3, 20), (0.5, 8)])
def test_samples_on_a_card_fill_its_queue(seconds: float, calls: int, card: Card) -> None:
    card.least_sample_s, card.least_calls = 20e-3, 8
    now = [0.0]

    class Timed(Mark):
        def record(self) -> None:
            self.at = now[0]

    def work() -> None:
        now[0] += seconds

    clock = SampleClock("cuda", make_event=Timed)
    samples = Sampler(clock, Sampling(least=3, most=3), LoadWatch(1)).sample(work)
    assert {each.calls for each in samples} == {calls}
    assert samples[0].seconds == pytest.approx(calls * seconds)


def test_of_a_captured_step_no_part_is_measured_apart(
    card: Card, make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(device="cuda", cuda_graph=True)
    measuring = Measuring(spec, tiny_task, tiny_data, watch=LoadWatch(1))
    records = measuring.measure_speed(Sampling(least=2, most=2, budget_s=1e-3))
    assert {each.phase for each in records} == {"first_step", "train_step"}
    assert card.asked.count("record") == 1


def test_a_run_on_a_card_waits_for_it_and_captures_off_the_clock(
    card: Card, make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(device="cuda", cuda_graph=True, epochs=2)
    seen: list[list[str]] = []
    outcome = Run(
        Job(spec=spec, suite="quick", environment_id="abc"), tiny_task, tiny_data
    ).execute(lambda record, saved: seen.append(list(card.asked)))
    assert outcome.record.status == "ok", outcome.record.error
    assert outcome.record.peak_memory_bytes is not None
    first = seen[0]
    training = first[len(first) - first[::-1].index("record") :]
    assert training.count("replay") == 2
    assert "warm up" not in training
    # two for each block on the clock: the order, the steps, the evaluation
    assert training.count("synchronize") == 6
    assert [each for each in seen[1][len(first) :] if each != "synchronize"] == ["replay"] * 2


NAMED = {"seqbench/training/accelerator.py", "seqbench/gate/peaks.py"}
"""Where torch's interface to CUDA is used; the gate measures code that knows no seqbench."""


def test_cuda_is_asked_in_one_place() -> None:
    root = Path(seqbench.__file__).parents[1]
    found = {
        str(path.relative_to(root))
        for path in (root / "seqbench").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "cuda"
    }
    assert found == NAMED
