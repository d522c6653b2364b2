"""Tasks: equal to their definitions, and honest about data that is missing or damaged."""

import gzip
import hashlib
import shutil
import socket
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits

from seqbench.errors import DataUnavailableError, ExitCode
from seqbench.tasks.data_folder import locate_data
from seqbench.tasks.row_digits import RowDigits
from seqbench.tasks.row_mnist import RowMnist
from seqbench.tasks.torchvision_images import import_datasets, load_images


def test_row_digits_are_scikit_learns_images_row_by_row(tmp_path: Path) -> None:
    data = RowDigits().load(tmp_path)
    assert data.train.inputs.shape == (1437, 8, 8)
    assert data.test.inputs.shape == (360, 8, 8)
    digits = load_digits()
    images = {(image / 16).astype("float32").tobytes(): n for n, image in enumerate(digits.images)}
    used = []
    for split in (data.train, data.test):
        for sequence, target in zip(split.inputs, split.targets, strict=True):
            number = images[sequence.numpy().tobytes()]
            assert digits.target[number] == target
            used.append(number)
    assert len(set(used)) == len(images)


def test_row_digits_split_is_stratified_and_fixed(tmp_path: Path) -> None:
    data = RowDigits().load(tmp_path)
    shares = [split.targets.bincount() / len(split) for split in (data.train, data.test)]
    torch.testing.assert_close(*shares, rtol=0, atol=0.003)
    assert data.fingerprint == RowDigits().load(tmp_path).fingerprint
    assert data.fingerprint.startswith("8afedb161c9dae4c")
    assert RowDigits().baseline(data) == pytest.approx(36 / 360)


def test_row_mnist_is_mnist_row_by_row(mnist_folder: Path) -> None:
    data = RowMnist().load(mnist_folder)
    assert data.train.inputs.shape == (60000, 28, 28)
    assert data.test.inputs.shape == (10000, 28, 28)
    raw = mnist_folder / "MNIST" / "raw"
    pixels = gzip.decompress((raw / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    classes = gzip.decompress((raw / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    for number in (0, 4321, 9999):
        rows = pixels[784 * number : 784 * (number + 1)]
        expected = torch.tensor(list(rows)).view(28, 28).float() / 255
        assert torch.equal(data.test.inputs[number], expected)
        assert data.test.targets[number] == classes[number]
    assert RowMnist().baseline(data) == 0.1135


def test_row_mnist_equals_torchvisions_to_tensor(mnist_folder: Path, tmp_path: Path) -> None:
    unpack(mnist_folder, tmp_path)
    datasets = import_datasets()
    from torchvision.transforms import ToTensor

    plain = datasets.MNIST(tmp_path, train=False, transform=ToTensor())
    data = RowMnist().load(mnist_folder)
    for number in (0, 1, 9999):
        image, target = plain[number]
        assert torch.equal(data.test.inputs[number], image[0])
        assert data.test.targets[number] == target


def unpack(source: Path, target: Path) -> None:
    raw = target / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in (source / "MNIST" / "raw").glob("*.gz"):
        (raw / archive.stem).write_bytes(gzip.decompress(archive.read_bytes()))


def test_unpacked_files_do_as_well_as_archives(mnist_folder: Path, tmp_path: Path) -> None:
    unpack(mnist_folder, tmp_path)
    train, test = load_images("MNIST", tmp_path)
    archived_train, archived_test = load_images("MNIST", mnist_folder)
    assert torch.equal(train.data, archived_train.data)
    assert torch.equal(test.targets, archived_test.targets)


def test_loading_writes_nothing_to_the_data_folder(mnist_folder: Path) -> None:
    before = sorted(path.stat().st_mtime_ns for path in mnist_folder.rglob("*"))
    load_images("MNIST", mnist_folder)
    assert sorted(path.stat().st_mtime_ns for path in mnist_folder.rglob("*")) == before


@pytest.mark.parametrize("damage", ["truncated", "other content", "an unpacked file cut short"])
def test_damaged_files_are_named_and_left_alone(
    mnist_folder: Path, tmp_path: Path, damage: str
) -> None:
    raw = tmp_path / "MNIST" / "raw"
    if damage.startswith("an unpacked"):
        unpack(mnist_folder, tmp_path)
        victim = raw / "t10k-labels-idx1-ubyte"
        victim.write_bytes(victim.read_bytes()[:500])
    else:
        shutil.copytree(mnist_folder / "MNIST" / "raw", raw)
        victim = raw / "t10k-labels-idx1-ubyte.gz"
        victim.chmod(0o644)
        content = victim.read_bytes()
        victim.write_bytes(content[:100] if damage == "truncated" else content[::-1])
    kept = hashlib.sha256(victim.read_bytes()).hexdigest()
    with pytest.raises(DataUnavailableError, match="cannot be read") as caught:
        load_images("MNIST", tmp_path)
    assert str(raw) in str(caught.value)
    assert hashlib.sha256(victim.read_bytes()).hexdigest() == kept


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> Any:
        raise OSError("the network is not there")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_without_data_and_network_one_message_tells_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where"
    with pytest.raises(DataUnavailableError) as caught:
        load_images("MNIST", folder)
    message = str(caught.value)
    for told in ("MNIST", str(folder), "--data", "SEQBENCH_DATA", "quick", "train-images-idx3"):
        assert told in message
    assert caught.value.exit_code is ExitCode.BAD_USE
    assert list(tmp_path.iterdir()) == [], "nothing is left half-written"


@pytest.mark.usefixtures("no_network")
def test_a_failed_download_leaves_what_was_there(mnist_folder: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    shutil.copy(mnist_folder / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz", raw)
    with pytest.raises(DataUnavailableError, match="could not be downloaded"):
        load_images("MNIST", tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == [
        "MNIST",
        "raw",
        "t10k-labels-idx1-ubyte.gz",
    ]


def test_a_download_takes_its_place_whole(
    mnist_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = import_datasets()
    served = mnist_folder / "MNIST" / "raw"
    handler = partial(SimpleHTTPRequestHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        mirror = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(datasets.MNIST, "mirrors", [mirror])
        train, _ = load_images("MNIST", tmp_path / "cache")
        server.shutdown()
    assert train.data.shape == (60000, 28, 28)
    left = sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert left == sorted(path.name for path in served.glob("*.gz"))


def test_the_data_folder_is_chosen_then_named_by_the_variable_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEQBENCH_DATA", raising=False)
    assert locate_data().parts[-2:] == ("seqbench", "data")
    monkeypatch.setenv("SEQBENCH_DATA", str(tmp_path))
    assert locate_data() == tmp_path
    assert locate_data(Path("chosen")) == Path("chosen")


def test_torchvision_is_imported_only_when_a_task_needs_it() -> None:
    code = (
        "import sys, pathlib; from seqbench.tasks.task import TASKS;"
        "import seqbench.tasks; TASKS['row-digits']().load(pathlib.Path());"
        "assert not [m for m in sys.modules if m.startswith('torchvision')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
