"""The training loop: equal to the same loop by hand, and undisturbed by what is around it."""

from collections.abc import Callable
from itertools import chain

import pytest
import torch
from torch import nn

from seqbench.models.model import VARIANTS
from seqbench.models.sequence_model import build_model
from seqbench.spec import RunSpec
from seqbench.tasks.task import Split, Task, TaskData
from seqbench.training.loop import Training
from seqbench.training.observation import observe
from seqbench.training.random_streams import derive_seed

MakeSpec = Callable[..., RunSpec]


def weights(training: Training) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in training.model.parameters()]


def test_one_training_step_by_hand(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(batch_size=40, learning_rate=0.01)
    training = Training(spec, tiny_task, tiny_data)
    before = weights(training)
    outputs = training.model(tiny_data.train.inputs)
    by_hand = nn.functional.cross_entropy(outputs, tiny_data.train.targets)
    gradients = torch.autograd.grad(by_hand, list(training.model.parameters()))

    loss, seconds = training.train_epoch()

    assert loss == pytest.approx(by_hand.item(), rel=1e-6)
    assert seconds > 0
    for start, gradient, end in zip(before, gradients, weights(training), strict=True):
        # Adam's first step (Kingma and Ba, 2015): both moments, corrected, are g and g²
        expected = start - 0.01 * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(end, expected, rtol=0, atol=2e-5)


def test_an_epoch_equals_a_plain_loop(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(variant="gru", batch_size=16, seed=3)
    training = Training(spec, tiny_task, tiny_data)
    torch.manual_seed(derive_seed(3, "initialisation"))
    model = build_model(spec, features=3, outputs=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    order = torch.Generator().manual_seed(derive_seed(3, "order"))
    for _ in range(2):
        loss, _ = training.train_epoch()
        total = 0.0
        for batch in torch.randperm(40, generator=order).split(16):
            optimizer.zero_grad()
            outputs = model(tiny_data.train.inputs[batch])
            step_loss = nn.functional.cross_entropy(outputs, tiny_data.train.targets[batch])
            step_loss.backward()
            optimizer.step()
            total += step_loss.item() * len(batch)
        assert loss == pytest.approx(total / 40, rel=1e-12)
    for ours, plain in zip(training.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, plain)


def test_evaluation_by_hand(make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData) -> None:
    training = Training(make_spec(batch_size=7, dropout=0.9), tiny_task, tiny_data)
    evaluation = training.evaluate(tiny_data.test)
    model = training.model.eval()
    right, loss = 0, 0.0
    for sequence, target in zip(tiny_data.test.inputs, tiny_data.test.targets, strict=True):
        scores = model(sequence[None])[0].detach()
        right += int(scores.argmax() == target)
        loss += float(torch.logsumexp(scores, 0) - scores[target])
    assert evaluation.score == right / 20
    assert evaluation.loss == pytest.approx(loss / 20, rel=1e-5)


def test_observation_and_evaluation_do_not_change_the_training(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(variant="lstm", dropout=0.5)
    training = Training(spec, tiny_task, tiny_data)
    plain = [training.train_epoch()[0] for _ in range(2)]
    expected = weights(training)

    observe(spec, tiny_task, tiny_data)
    training = Training(spec, tiny_task, tiny_data)
    observe(spec, tiny_task, tiny_data)
    disturbed = []
    for _ in range(2):
        torch.rand(3)
        disturbed.append(training.train_epoch()[0])
        training.evaluate(tiny_data.test)
    assert disturbed == plain
    assert all(map(torch.equal, weights(training), expected))


def test_two_trainings_may_take_turns(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(dropout=0.5)
    alone = Training(spec, tiny_task, tiny_data)
    expected = [alone.train_epoch()[0] for _ in range(2)]
    pair = [Training(spec, tiny_task, tiny_data) for _ in range(2)]
    losses = [[training.train_epoch()[0] for training in pair] for _ in range(2)]
    assert losses == [[loss, loss] for loss in expected]


def test_what_is_done_in_a_pause_changes_nothing_of_the_epoch(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(dropout=0.5)
    undisturbed = Training(spec, tiny_task, tiny_data).train_epoch()[0]
    training = Training(spec, tiny_task, tiny_data)
    seen = []

    def evaluate(batches: int, seconds: float) -> None:
        seen.append(batches)
        training.evaluate(tiny_data.test)

    assert training.train_epoch(1, evaluate)[0] == undisturbed
    assert seen == [1, 2], "not after the last of three batches"


def test_every_variant_of_a_seed_sees_the_same_batches(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[list[int]]] = {}
    for variant in ("rnn", "bigru", "lstm", "lru", "tcn", "transformer"):
        for dropout in (0.0, 0.5):
            plain = VARIANTS[variant].implementations[0]
            spec = make_spec(variant=variant, dropout=dropout, implementation=plain)
            training = Training(spec, tiny_task, tiny_data)
            taken = seen.setdefault(f"{variant} {dropout}", [])
            step = training.step

            def spy(
                batch: torch.Tensor,
                taken: list[list[int]] = taken,
                step: Callable[[torch.Tensor], torch.Tensor] = step,
            ) -> torch.Tensor:
                taken.append(batch.tolist())
                return step(batch)

            monkeypatch.setattr(training, "step", spy)
            training.train_epoch()
            training.train_epoch()
    first = seen["rnn 0.0"]
    assert all(batches == first for batches in seen.values())
    assert sorted(chain.from_iterable(first[:3])) == list(range(40)), (
        "an epoch has every example once"
    )
    assert first[:3] != first[3:], "two epochs have different orders"


def test_the_mean_loss_weighs_a_short_last_batch_by_its_size(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(batch_size=39, learning_rate=1e-30)
    training = Training(spec, tiny_task, tiny_data)
    expected = training.evaluate(tiny_data.train).loss
    assert training.train_epoch()[0] == pytest.approx(expected, rel=1e-6)


def test_training_learns(make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData) -> None:
    training = Training(make_spec(learning_rate=0.02, hidden_size=16), tiny_task, tiny_data)
    losses = [training.train_epoch()[0] for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]
    assert training.evaluate(tiny_data.train).score >= 0.95


def test_a_split_moves_as_a_whole() -> None:
    split = Split(torch.zeros(2, 3, 4), torch.zeros(2))
    moved = TaskData(split, split).to("meta")
    for part in (moved.train, moved.test):
        assert part.inputs.device.type == part.targets.device.type == "meta"
