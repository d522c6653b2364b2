"""Image files in torchvision's layout: read, downloaded, and told of when missing or damaged."""

import gzip
import hashlib
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from seqbench.errors import DataUnavailableError, ExitCode
from seqbench.tasks.torchvision_images import import_datasets, load_images


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


def test_archives_are_held_to_torchvisions_checksums(
    stand_in_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fashion = import_datasets().FashionMNIST
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    checksums = []
    for file, _ in fashion.resources:
        plain = (stand_in_folder / "FashionMNIST" / "raw" / file).with_suffix("").read_bytes()
        (raw / file).write_bytes(gzip.compress(plain))
        checksums.append((file, hashlib.md5((raw / file).read_bytes()).hexdigest()))
    with pytest.raises(DataUnavailableError, match="MD5 checksum of train-images"):
        load_images("FashionMNIST", tmp_path)
    monkeypatch.setattr(fashion, "resources", checksums)
    train, test = load_images("FashionMNIST", tmp_path)
    assert train.data.shape == (40, 28, 28)
    assert test.targets.shape == (20,)


def test_torchvision_is_imported_only_when_a_task_needs_it() -> None:
    code = (
        "import sys, pathlib; from seqbench.tasks.task import TASKS;"
        "import seqbench.tasks; TASKS['row-digits']().load(pathlib.Path());"
        "assert not [m for m in sys.modules if m.startswith('torchvision')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
