"""Schedules, targets and evaluations within an epoch: against numbers worked out by hand."""

from collections.abc import Callable
from functools import partial
from math import cos, pi

import pytest
import torch

from seqbench.harness.job import Job
from seqbench.harness.run import Run
from seqbench.spec import RunSpec
from seqbench.tasks.task import Split, Task, TaskData
from seqbench.training.clock import Stopwatch
from seqbench.training.loop import Evaluation, Training
from seqbench.training.observation import Observation
from seqbench.training.optimizer import CapturedStep, Update

MakeSpec = Callable[..., RunSpec]


def test_one_cycle_goes_up_and_then_down_to_nothing(make_spec: MakeSpec) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    spec = make_spec(schedule="one-cycle", learning_rate=0.1)
    steps = 40
    update = Update(spec, [weight], steps)
    rates = []
    for _ in range(steps):
        rates.append(update._optimizer.param_groups[0]["lr"])
        weight.grad = torch.zeros(1)
        update._optimizer.step()
        if len(rates) < steps:
            update.advance()
    # Smith and Topin: from a 25th up over 30 % of the steps, down to a 10,000th of the beginning
    peak = 0.3 * steps - 1
    expected = [
        0.1 + (0.004 - 0.1) * (1 + cos(pi * step / peak)) / 2
        if step <= peak
        else 4e-7 + (0.1 - 4e-7) * (1 + cos(pi * (step - peak) / (steps - 1 - peak))) / 2
        for step in range(steps)
    ]
    assert rates == pytest.approx(expected, rel=1e-6)


def test_a_schedule_reaches_over_all_epochs(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    training = Training(make_spec(schedule="one-cycle", epochs=2), tiny_task, tiny_data)
    training.train_epoch()
    between = training.update._optimizer.param_groups[0]["lr"]
    training.train_epoch()
    after = training.update._optimizer.param_groups[0]["lr"]
    assert 0 < after < between < 1e-3


@pytest.mark.parametrize("shares", [1, 2])
def test_a_gradient_reaches_its_own_weight_however_it_lies_in_memory(
    make_spec: MakeSpec, shares: int
) -> None:
    """Adam's first step is the learning rate against the sign of the gradient."""
    weight = torch.nn.Parameter(torch.zeros(3, 4))
    update = Update(make_spec(learning_rate=0.1), [weight], 1)
    gradient = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).t()
    assert not gradient.is_contiguous()
    update.apply([(gradient / shares,) for _ in range(shares)])
    torch.testing.assert_close(weight.detach(), -0.1 * gradient.sign(), rtol=1e-4, atol=1e-6)


def test_shares_of_a_batch_are_summed_and_cut_together(make_spec: MakeSpec) -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    update = Update(make_spec(clip_norm=1.0), [weight], 1)
    update.apply([(torch.tensor([3.0, 0.0]),), (torch.tensor([0.0, 4.0]),)])
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, torch.tensor([0.6, 0.8]), rtol=1e-5, atol=0)


@pytest.mark.parametrize("shares", [1, 2])
def test_a_gradient_that_is_one_tensor_for_two_parameters_counts_once_for_each(
    make_spec: MakeSpec, shares: int
) -> None:
    """As the two biases of a layer have it, which are only ever added to each other."""
    biases = [torch.nn.Parameter(torch.zeros(2)) for _ in range(2)]
    gradients = [torch.tensor([3.0, 4.0]) * 2**share for share in range(shares)]
    norm = 5.0 * 2**0.5 * (2**shares - 1)  # of both biases together
    update = Update(make_spec(clip_norm=norm / 2), biases, 1)
    update.apply([(each, each) for each in gradients])
    for bias in biases:
        assert bias.grad is not None
        assert bias.grad.tolist() == pytest.approx(
            [3.0 * (2**shares - 1) / 2, 4.0 * (2**shares - 1) / 2]
        )


def test_a_captured_step_needs_cuda(make_spec: MakeSpec) -> None:
    with pytest.raises(Exception, match="needs --device cuda"):
        CapturedStep(lambda batch: batch, make_spec())


class Scripted:
    """An evaluation whose scores are given, and a clock on which each step takes a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
        self.left = iter(scores)
        now = [0.0]

        def step(training: Training, batch: torch.Tensor) -> torch.Tensor:
            now[0] += 1.0
            return torch.zeros(())

        def evaluate(training: Training, split: Split) -> Evaluation:
            now[0] += 1000.0  # must stay off the clock
            return Evaluation(0.5, next(self.left), 1.0)

        monkeypatch.setattr(Training, "step", step)
        monkeypatch.setattr(Training, "evaluate", evaluate)
        seen = lambda *settings: Observation(shares=1)  # noqa: E731
        monkeypatch.setattr("seqbench.harness.run.observe", seen)
        watch = partial(Stopwatch, now=lambda: now[0], wait=lambda device: None)
        monkeypatch.setattr("seqbench.training.loop.Stopwatch", watch)


@pytest.mark.parametrize(
    ("scores", "reached"),
    # 40 examples in batches of 4: 10 steps an epoch, evaluated after 4, 8 and 10 of them
    [
        ([0.1, 0.5, 0.9, 0.9, 0.9, 0.9], 10.0),
        ([0.1, 0.8, 0.2, 0.9, 0.9, 0.9], 8.0),
        ([0.1, 0.1, 0.1, 0.1, 0.8, 0.1], 18.0),
        ([0.1] * 6, None),
    ],
)
def test_the_time_to_a_target_leaves_evaluations_out(
    make_spec: MakeSpec,
    tiny_task: Task,
    tiny_data: TaskData,
    monkeypatch: pytest.MonkeyPatch,
    scores: list[float],
    reached: float | None,
) -> None:
    Scripted(monkeypatch, scores)
    spec = make_spec(batch_size=4, epochs=2, eval_every=4, target=0.8)
    run = Run(Job(spec=spec, suite="quick", environment_id="abc"), tiny_task, tiny_data)
    record = run.execute().record
    assert record.status == "ok", record.error
    assert record.target_time_s == reached
    assert record.epoch_time_s == 10.0
    told = [
        (each.epoch, each.batches, each.train_time_s, each.score) for each in run.traces.evaluations
    ]
    when = [(1, 4, 4.0), (1, 8, 8.0), (1, 10, 10.0), (2, 4, 14.0), (2, 8, 18.0), (2, 10, 20.0)]
    assert told == [(*moment, score) for moment, score in zip(when, scores, strict=True)]


def test_evaluating_more_often_changes_nothing_in_the_training(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    losses = []
    for every in (None, 1, 2):
        training = Training(make_spec(variant="lstm", dropout=0.5), tiny_task, tiny_data)
        evaluate = lambda *_, training=training: training.evaluate(training.data.test)  # noqa: E731
        losses.append([training.train_epoch(every, evaluate)[0] for _ in range(2)])
    assert losses[0] == losses[1] == losses[2]


def test_a_step_ends_with_the_weights_within_their_bounds(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    training = Training(make_spec(variant="indrnn", learning_rate=3.0), tiny_task, tiny_data)
    limit = 2 ** (1 / tiny_task.time)
    recurrent = [each for name, each in training.model.named_parameters() if "recurrent" in name]
    training.train_epoch()
    for weights in recurrent:  # the first step of Adam is as long as its rate
        assert weights.abs().max().item() == pytest.approx(limit)
