"""An epoch of row-mnist: the notebook's own loop beside ours, equal model, equal accuracy.

The notebook reads MNIST through torchvision's `DataLoader` and `ToTensor`, an image at a time, and
prints a loss every 100 steps. Both sides train on through the rounds, so that after the last one
their test accuracies can be set side by side.
"""

import gzip
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.conftest import Compare, note_ratios
from seqbench.harness.training import Training, warm_up
from seqbench.plan import plan_runs
from seqbench.spec import RunSpec
from seqbench.suites import SUITES
from seqbench.tasks.row_mnist import RowMnist
from seqbench.tasks.task import Split, cut_training
from seqbench.tasks.torchvision_images import import_datasets

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
        """Train for one epoch as the notebook does, or until ``after_step`` says enough."""
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
    spec = RunSpec(
        task="row-mnist",
        variant=variant,
        seed=0,
        device="cpu",
        threads=torch.get_num_threads(),
        implementation=implementation,
    )
    task = RowMnist()
    data = task.load(data_folder)
    ours = Training(spec, task, data)
    notebook = NotebookLoop(unpacked, module, bidirectional=variant.startswith("bi"))

    def accuracies() -> dict[str, str]:
        mine, theirs = ours.evaluate(data.test).score, notebook.score(data.test)
        return {"test accuracy ours": f"{mine:.4f}", "notebook's": f"{theirs:.4f}"}

    compare(ours.train_epoch, notebook.train_epoch, rounds=rounds, notes=accuracies)


def bench_time_to_the_notebooks_score(
    benchmark: BenchmarkFixture, data_folder: Path, unpacked: Path
) -> None:
    """Time the last recipe of the suite `speedrun`, and the notebook's loop to its target."""
    (target,) = SUITES["speedrun"].grids[-1]["target"]
    specs = plan_runs([{**SUITES["speedrun"].grids[-1], "device": ("cpu",)}])
    task = RowMnist()
    data = cut_training(task.load(data_folder), specs[0].train_examples)
    warm_up(specs[0], task, data)
    ratios, scores, theirs = [], [], []
    left = iter(specs)

    def setup() -> tuple[tuple[Training], dict[str, object]]:
        spec = next(left)
        notebook = NotebookLoop(unpacked, nn.RNN, bidirectional=False, seed=spec.seed)
        theirs.append(notebook.train_until(target, data.test))
        return (Training(spec, task, data),), {}

    def run(training: Training) -> None:
        seconds = sum(training.train_epoch()[1] for _ in range(training.spec.epochs))
        scores.append(training.evaluate(data.test).score)
        ratios.append(seconds / theirs[-1])

    benchmark.pedantic(run, setup=setup, rounds=len(specs))
    told = {
        "to": f"{target:.4f}",
        "scores": " ".join(f"{score:.4f}" for score in scores),
        "notebook's mean": f"{mean(theirs):.1f} s",
    }
    benchmark.extra_info.update({"ratios": ratios, "other_times_s": theirs, **told})
    note_ratios("time to the notebook's score", ratios, told)
    assert min(scores) >= target
