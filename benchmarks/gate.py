"""What `seqbench gate` measures here: a training step of six variants, and what they learn.

A step goes through the harness's own loop, on one thread, with a batch of noise in the shape of
row-mnist. Scores are those of a short training on the bundled digits.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from seqbench.gate.benchmark import Benchmark, Trained
from seqbench.harness.sharing import prepare_thread
from seqbench.harness.training import Training
from seqbench.models.model import fastest_implementation
from seqbench.spec import RunSpec
from seqbench.tasks.task import TASKS, Classification, Split, TaskData

BATCH = 32
EPOCHS = 5
VARIANTS = ("rnn", "birnn", "gru", "bigru", "lstm", "bilstm")


class Rows(Classification):
    """One batch of noise in the shape of row-mnist: 28 steps of 28 features, 10 classes."""

    features = 28
    time = 28
    outputs = 10

    def load(self, data_dir: Path) -> TaskData:
        stream = torch.Generator().manual_seed(0)
        inputs = torch.rand(BATCH, self.time, self.features, generator=stream)
        targets = torch.randint(self.outputs, (BATCH,), generator=stream)
        return TaskData(Split(inputs, targets), Split(inputs, targets))


def make_step(variant: str) -> Callable[[], object]:
    """Return an epoch of one training step: 2 layers of 128 units, a batch of 32."""
    prepare_thread(1)
    task = Rows()
    spec = RunSpec(
        task="row-mnist",
        variant=variant,
        seed=0,
        device="cpu",
        threads=1,
        implementation=fastest_implementation(variant, "cpu"),
        batch_size=BATCH,
    )
    return Training(spec, task, task.load(Path())).train_epoch


def train_on_digits(variant: str, seed: int) -> Trained:
    """Train for 5 epochs on row-digits, with 2 layers of 32 units."""
    prepare_thread(1)
    task = TASKS["row-digits"]()
    spec = RunSpec(
        task="row-digits",
        variant=variant,
        seed=seed,
        device="cpu",
        threads=1,
        implementation=fastest_implementation(variant, "cpu"),
        batch_size=32,
        hidden_size=32,
        learning_rate=5e-3,
        epochs=EPOCHS,
    )
    data = task.load(Path())
    training = Training(spec, task, data)
    losses = [training.train_epoch()[0] for _ in range(EPOCHS)]
    return Trained(training.evaluate(data.test).score, losses)


BENCHMARKS = [
    Benchmark(variant, make_step, {"variant": variant}, train_on_digits) for variant in VARIANTS
]
