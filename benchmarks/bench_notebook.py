"""An epoch of row-mnist: the notebook's own loop beside ours, equal model, equal accuracy.

The notebook reads MNIST through torchvision's `DataLoader` and `ToTensor`, an image at a time, and
prints a loss every 100 steps. Both sides train on through the rounds, so that after the last one
their test accuracies can be set side by side.
"""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.conftest import Compare
from seqbench.harness.training import Training
from seqbench.spec import RunSpec
from seqbench.tasks.row_mnist import RowMnist
from seqbench.tasks.torchvision_images import import_datasets


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

    def __init__(self, root: Path, module: Callable[..., nn.RNNBase], bidirectional: bool) -> None:
        datasets = import_datasets()
        from torchvision.transforms import ToTensor

        torch.manual_seed(0)
        train = datasets.MNIST(root, train=True, transform=ToTensor())
        self.loader = DataLoader(train, batch_size=128, shuffle=True)
        self.model = NotebookModel(module, bidirectional)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001)

    def train_epoch(self) -> None:
        """Train for one epoch as the notebook does."""
        self.model.train()
        for step, (images, labels) in enumerate(self.loader):
            outputs = self.model(images.reshape(-1, 28, 28))
            loss = self.criterion(outputs, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if (step + 1) % 100 == 0:
                print(f"step {step + 1}/{len(self.loader)}, loss {loss.item():.4f}")


@pytest.fixture(scope="module")
def unpacked(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files unpacked, as torchvision itself leaves them."""
    root = tmp_path_factory.mktemp("unpacked")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in (data_folder / "MNIST" / "raw").glob("*.gz"):
        (raw / archive.stem).write_bytes(gzip.decompress(archive.read_bytes()))
    return root


@pytest.mark.parametrize("implementation", ["fused", "native"])
def bench_epoch_against_the_notebooks_loop(
    compare: Compare, data_folder: Path, unpacked: Path, implementation: str
) -> None:
    spec = RunSpec(
        task="row-mnist",
        variant="rnn",
        seed=0,
        device="cpu",
        threads=torch.get_num_threads(),
        implementation=implementation,
    )
    task = RowMnist()
    data = task.load(data_folder)
    ours = Training(spec, task, data)
    notebook = NotebookLoop(unpacked, nn.RNN, bidirectional=False)

    def accuracies() -> dict[str, str]:
        model = notebook.model.eval()
        with torch.inference_mode():
            right = (model(data.test.inputs).argmax(1) == data.test.targets).double().mean()
        mine = ours.evaluate(data.test).score
        return {"test accuracy ours": f"{mine:.4f}", "notebook's": f"{right:.4f}"}

    compare(ours.train_epoch, notebook.train_epoch, notes=accuracies)
