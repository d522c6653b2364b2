"""An epoch of row-mnist: the notebook's own loop next to ours, equal model, equal accuracy.

The notebook reads MNIST through torchvision's `DataLoader` and `ToTensor`, an image at a time, and
prints a loss every 100 steps. Both sides train on through the rounds, so that after the last one
their test accuracies can be set side by side. `nox -s frameworks` sets loops in Lightning and in
Keras on JAX next to ours in the same way.
"""

import gzip
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.conftest import Compare, note_ratios
from seqbench.harness.plan import plan_runs
from seqbench.harness.suites import SUITES
from seqbench.spec import RunSpec
from seqbench.tasks.row_mnist import RowMnist
from seqbench.tasks.task import Split, TaskData, cut_training
from seqbench.tasks.torchvision_images import import_datasets
from seqbench.training.loop import Training
from seqbench.training.observation import observe

EVAL_EVERY = 59  # batches, as in the suite `speedrun`


class NotebookModel(nn.Module):
    """The notebook's classifier, written as there."""

    def __init__(self, module: Callable[..., nn.RNNBase], bidirectional: bool) -> None:
        super().__init__()
        self.rnn = module(28, 128, 2, batch_first=True, bidirectional=bidirectional)
        self.fc = nn.Linear(256 if bidirectional else 128, 10)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.rnn(x)
        result: Tensor = self.fc(out[:, -1, :])
        return result


class NotebookLoop:
    """The notebook's data sets, loader, loss and optimiser, and its training loop."""

    def __init__(
        self, root: Path, module: Callable[..., nn.RNNBase], bidirectional: bool, seed: int = 0
    ) -> None:
        datasets = import_datasets()
        from torchvision.transforms import ToTensor

        torch.manual_seed(seed)
        train = datasets.MNIST(root, train=True, transform=ToTensor())
        self.loader = DataLoader(train, batch_size=128, shuffle=True)
        self.model = NotebookModel(module, bidirectional)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001)

    def train_epoch(self, after_step: Callable[[int], bool] = lambda step: False) -> None:
        """Train for one epoch as the notebook does, or until ``after_step`` returns true."""
        self.model.train()
        for step, (images, labels) in enumerate(self.loader):
            outputs = self.model(images.reshape(-1, 28, 28))
            loss = self.criterion(outputs, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if (step + 1) % 100 == 0:
                print(f"step {step + 1}/{len(self.loader)}, loss {loss.item():.4f}")
            if after_step(step + 1):
                return

    def train_until(self, target: float, test: Split) -> float:
        """Train until the test accuracy reaches ``target``; return the seconds without evaluations.

        It is evaluated as often as the suite `speedrun` does it, and gives up after six epochs.
        """
        spent, since, reached = 0.0, time.perf_counter(), False

        def look(step: int) -> bool:
            nonlocal spent, since, reached
            if step % EVAL_EVERY and step < len(self.loader):
                return False
            spent += time.perf_counter() - since
            reached = self.score(test) >= target
            since = time.perf_counter()
            return reached

        for _ in range(6):
            self.train_epoch(look)
            if reached:
                return spent
        return float("inf")

    def score(self, test: Split) -> float:
        """Return the accuracy on the test set."""
        self.model.eval()
        with torch.inference_mode():
            right = (self.model(test.inputs).argmax(1) == test.targets).double().mean()
        self.model.train()
        return float(right)


class LightningLoop:
    """The notebook's model, loss and optimiser under Lightning's `Trainer`, data in memory."""

    def __init__(self, module: Callable[..., nn.RNNBase], data: TaskData) -> None:
        self.lightning = pytest.importorskip("lightning", reason="see `nox -s frameworks`")

        class Learner(self.lightning.LightningModule):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.model = NotebookModel(module, bidirectional=False)

            def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
                return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return torch.optim.Adam(self.model.parameters(), lr=0.001)

        self.learner = Learner()
        examples = TensorDataset(data.train.inputs, data.train.targets)
        self.loader = DataLoader(examples, batch_size=128, shuffle=True)

    def train_epoch(self) -> None:
        """Train for one epoch, without logging, checkpoints and progress bar."""
        trainer = self.lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(self.learner, self.loader)

    def score(self, test: Split) -> float:
        """Return the accuracy on the test set."""
        with torch.inference_mode():
            right = self.learner.model(test.inputs).argmax(1) == test.targets
        return float(right.double().mean())


class KerasLoop:
    """The same model in Keras, which has JAX compile the whole step; data in memory."""

    def __init__(self, module: Callable[..., nn.RNNBase], data: TaskData) -> None:
        os.environ.setdefault("KERAS_BACKEND", "jax")
        pytest.importorskip("jax", reason="see `nox -s frameworks`")
        keras = pytest.importorskip("keras", reason="see `nox -s frameworks`")
        layer = keras.layers.LSTM if module is nn.LSTM else keras.layers.SimpleRNN
        self.model = keras.Sequential(
            [layer(128, return_sequences=True), layer(128), keras.layers.Dense(10)]
        )
        self.model.compile(
            optimizer=keras.optimizers.Adam(0.001),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        self.inputs, self.targets = data.train.inputs.numpy(), data.train.targets.numpy()

    def train_epoch(self) -> None:
        """Train for one epoch; the first one compiles."""
        self.model.fit(self.inputs, self.targets, batch_size=128, epochs=1, verbose=0)

    def score(self, test: Split) -> float:
        """Return the accuracy on the test set."""
        _, right = self.model.evaluate(test.inputs.numpy(), test.targets.numpy(), verbose=0)
        return float(right)


@pytest.fixture(scope="module")
def unpacked(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files unpacked, as torchvision itself leaves them."""
    root = tmp_path_factory.mktemp("unpacked")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in (data_folder / "MNIST" / "raw").glob("*.gz"):
        (raw / archive.stem).write_bytes(gzip.decompress(archive.read_bytes()))
    return root


@pytest.mark.parametrize(
    ("variant", "module", "implementation", "rounds"),
    [
        ("rnn", nn.RNN, "fused", 5),
        ("rnn", nn.RNN, "native", 5),
        ("lstm", nn.LSTM, "native", 3),
        ("bilstm", nn.LSTM, "native", 3),
    ],
)
def bench_epoch_against_the_notebooks_loop(
    compare: Compare,
    data_folder: Path,
    unpacked: Path,
    variant: str,
    module: Callable[..., nn.RNNBase],
    implementation: str,
    rounds: int,
) -> None:
    ours, data = prepare_ours(variant, implementation, data_folder)
    notebook = NotebookLoop(unpacked, module, bidirectional=variant.startswith("bi"))
    compare(
        ours.train_epoch,
        notebook.train_epoch,
        rounds=rounds,
        notes=lambda: tell_accuracies(ours, notebook, data.test),
    )


@pytest.mark.filterwarnings("ignore")  # what other packages deprecate is not ours to fix
@pytest.mark.parametrize(
    ("variant", "module", "implementation"),
    [("rnn", nn.RNN, "fused"), ("lstm", nn.LSTM, "native")],
)
@pytest.mark.parametrize("framework", [LightningLoop, KerasLoop])
def bench_epoch_against_other_frameworks(
    compare: Compare,
    data_folder: Path,
    framework: type[LightningLoop | KerasLoop],
    variant: str,
    module: Callable[..., nn.RNNBase],
    implementation: str,
) -> None:
    ours, data = prepare_ours(variant, implementation, data_folder)
    other = framework(module, data)
    compare(
        ours.train_epoch,
        other.train_epoch,
        rounds=3,
        notes=lambda: tell_accuracies(ours, other, data.test),
    )


def prepare_ours(variant: str, implementation: str, folder: Path) -> tuple[Training, TaskData]:
    """Return our training of a variant, and its data."""
    spec = RunSpec(
        task="row-mnist",
        variant=variant,
        seed=0,
        device="cpu",
        threads=torch.get_num_threads(),
        implementation=implementation,
    )
    task = RowMnist()
    data = task.load(folder)
    return Training(spec, task, data, observe(spec, task, data).shares), data


def tell_accuracies(
    ours: Training, other: NotebookLoop | LightningLoop | KerasLoop, test: Split
) -> dict[str, str]:
    """Return both sides' accuracies on the test set after all rounds."""
    mine, theirs = ours.evaluate(test).score, other.score(test)
    return {"test accuracy ours": f"{mine:.4f}", "the other's": f"{theirs:.4f}"}


def bench_time_to_the_notebooks_score(
    benchmark: BenchmarkFixture, data_folder: Path, unpacked: Path
) -> None:
    """Time the last recipe of the suite `speedrun`, and the notebook's loop to its target."""
    (target,) = SUITES["speedrun"].grids[-1]["target"]
    specs = plan_runs([{**SUITES["speedrun"].grids[-1], "device": ("cpu",)}])
    task = RowMnist()
    data = cut_training(specs[0].task, task.load(data_folder), specs[0].train_examples)
    shares = observe(specs[0], task, data).shares
    ratios, scores, theirs = [], [], []
    left = iter(specs)

    def setup() -> tuple[tuple[Training], dict[str, object]]:
        spec = next(left)
        notebook = NotebookLoop(unpacked, nn.RNN, bidirectional=False, seed=spec.seed)
        theirs.append(notebook.train_until(target, data.test))
        return (Training(spec, task, data, shares),), {}

    def run(training: Training) -> None:
        seconds = sum(training.train_epoch()[1] for _ in range(training.spec.epochs))
        scores.append(training.evaluate(data.test).score)
        ratios.append(seconds / theirs[-1])

    benchmark.pedantic(run, setup=setup, rounds=len(specs))
    notes = {
        "to": f"{target:.4f}",
        "scores": " ".join(f"{score:.4f}" for score in scores),
        "notebook's mean": f"{mean(theirs):.1f} s",
    }
    benchmark.extra_info.update({"ratios": ratios, "other_times_s": theirs, **notes})
    note_ratios("time to the notebook's score", ratios, notes)
    assert min(scores) >= target
