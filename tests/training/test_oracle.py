"""Thirty steps of the harness beside an independent training, in float64: see `oracle`."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.gradients import default_dtype
from seqbench.spec import RunSpec
from seqbench.tasks.task import Classification, Regression, Split, Task, TaskData
from seqbench.training.loop import Training
from tests.members import cover_pairs
from tests.oracle import Trained, train

VARIANTS = ("rnn", "birnn", "lstm", "bilstm", "gru", "bigru")
EXAMPLES, BATCH, STEPS, EPOCHS = 40, 16, 12, 4
TIME, FEATURES, OUTPUTS = 4, 3, 5


class Labels(Classification):
    """A class for each sequence."""

    time, features, outputs = TIME, FEATURES, OUTPUTS

    def load(self, data_dir: Path | None = None) -> TaskData:
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(EXAMPLES, TIME, FEATURES, generator=generator, dtype=torch.float32)
        targets = self.draw(generator)
        split = Split(_as_default(inputs), _as_default(targets))
        return TaskData(split, split)

    def draw(self, generator: torch.Generator) -> Tensor:
        return torch.randint(OUTPUTS, (EXAMPLES,), generator=generator)


class Tags(Labels):
    """A class for each step."""

    readouts = ("each",)

    def draw(self, generator: torch.Generator) -> Tensor:
        return torch.randint(OUTPUTS, (EXAMPLES, TIME), generator=generator)


class Numbers(Labels, Regression):
    """Numbers for each sequence."""

    loss, score = Regression.loss, Regression.score
    count_answers = Regression.count_answers

    def draw(self, generator: torch.Generator) -> Tensor:
        return torch.randn(EXAMPLES, OUTPUTS, generator=generator, dtype=torch.float32)


def _as_default(values: Tensor) -> Tensor:
    return values.to(torch.get_default_dtype()) if values.is_floating_point() else values


SETTINGS: dict[int, dict[str, Any]] = {
    1: {"learning_rate": 0.01},
    2: {"learning_rate": 0.003, "clip_norm": 0.3},
    3: {"learning_rate": 0.02, "clip_norm": 0.5, "schedule": "one-cycle"},
}
"""By the number of threads."""


def train_here(spec: RunSpec, task: Task, start: dict[str, Tensor] | None = None) -> Trained:
    """Train with the harness, from other weights than its own if there are any given."""
    training = Training(spec, task, task.load(Path()), shares=spec.threads)
    if start is not None:
        training.model.load_state_dict({name: each.double() for name, each in start.items()})
    trained = Trained([], [], dict(training.model.named_parameters()))
    training.model.train()
    with training.active():
        for _ in range(EPOCHS):
            for batch in training.draw_batches():
                trained.losses.append(training.step(batch).item())
                trained.gradients.append(
                    {name: each.grad.clone() for name, each in trained.weights.items()}  # type: ignore[union-attr]
                )
    return trained


def worst_of(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """Return the greatest difference, as a share of the norm of what it should be."""
    assert ours.keys() == theirs.keys()
    norm = torch.linalg.vector_norm
    return max(
        float(norm((ours[name] - each).detach()) / norm(each).clamp(min=1e-12))
        for name, each in theirs.items()
    )


WAYS = [
    (variant, implementation, threads)
    for variant in VARIANTS
    for implementation in ("native", "fused")
    for threads in SETTINGS
    if implementation == "native" or "lstm" not in variant
]


@pytest.mark.parametrize(
    ("variant", "implementation", "threads", "readout"),
    cover_pairs(WAYS, [("last",), ("final",), ("mean",), ("max",), ("each",)]),
)
def test_the_harness_trains_as_an_independent_training_does(
    variant: str, implementation: str, threads: int, readout: str
) -> None:
    compare(Tags() if readout == "each" else Labels(), variant, implementation, readout, threads)


@pytest.mark.parametrize("variant", VARIANTS)
def test_so_it_does_with_numbers_to_predict(variant: str) -> None:
    compare(Numbers(), variant, "native", "final", threads=3)


@pytest.mark.parametrize("threads", SETTINGS)
@pytest.mark.parametrize(
    "chosen",
    [
        {"optimizer": "adam", "weight_decay": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
        {"optimizer": "rmsprop"},
        {"optimizer": "rmsprop", "momentum": 0.5, "weight_decay": 0.1},
    ],
    ids=lambda chosen: "-".join(map(str, chosen.values())),
)
def test_so_it_does_with_every_optimizer(chosen: dict[str, Any], threads: int) -> None:
    compare(Labels(), "lstm", "native", "last", threads, **chosen)


def compare(
    task: Task, variant: str, implementation: str, readout: str, threads: int, **chosen: Any
) -> None:
    settings = {**SETTINGS[threads], **chosen}
    spec = RunSpec(
        task="a-task",
        variant=variant,
        implementation=implementation,
        readout=readout,
        threads=threads,
        device="cpu",
        seed=threads,
        epochs=EPOCHS,
        batch_size=BATCH,
        hidden_size=6,
        num_layers=2,
        **settings,
    )
    data = task.load(Path())
    theirs = train(
        variant=variant,
        readout=readout,
        inputs=data.train.inputs,
        targets=data.train.targets,
        outputs=OUTPUTS,
        seed=spec.seed,
        hidden=6,
        layers=2,
        batch_size=BATCH,
        steps=STEPS,
        epochs=EPOCHS,
        **settings,
    )
    drawn = Training(spec, task, data).model.state_dict()
    with default_dtype(torch.float64):
        ours = train_here(spec, task, drawn)
    assert len(ours.losses) == len(theirs.losses) == STEPS
    torch.testing.assert_close(ours.losses, theirs.losses, rtol=1e-9, atol=0)
    for step, (mine, other) in enumerate(zip(ours.gradients, theirs.gradients, strict=True)):
        assert worst_of(mine, other) < 1e-9, step
    assert worst_of(ours.weights, theirs.weights) < 1e-9
