"""What `seqbench gate` measures here: a training step of six variants, and what they learn.

A step executes the harness's own loop, on one thread, with a batch of noise in the shape of
row-mnist. Scores are those of a short training on the bundled digits. Each variant runs in its
fastest implementation, so that the gate watches over the layers that are written here.
"""

from collections.abc import Callable
from pathlib import Path

from benchmarks.rows import Rows
from seqbench.gate.benchmark import Benchmark, Trained
from seqbench.models.model import fastest_implementation
from seqbench.spec import RunSpec
from seqbench.tasks.task import TASKS
from seqbench.training.loop import Training
from seqbench.training.threads import prepare_thread

BATCH = 32
EPOCHS = 5
VARIANTS = ("rnn", "birnn", "gru", "bigru", "lstm", "bilstm")


def make_step(variant: str) -> Callable[[], object]:
    """Return an epoch of one training step: 2 layers of 128 units, a batch of 32."""
    prepare_thread(1)
    task = Rows(BATCH)
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
