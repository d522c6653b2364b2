"""Image files of MNIST's layout: found, checked, read, downloaded, and told of if they are not."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from torch import Tensor

from seqbench.errors import DataUnavailableError, ExitCode
from seqbench.tasks import torchvision_images
from seqbench.tasks.data_folder import reading_data
from seqbench.tasks.torchvision_images import UNPACKED, import_datasets, load_images

FILES = tuple(UNPACKED)


@pytest.fixture
def small(stand_in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Let the small stand-ins be what was published as MNIST; return them by name, unpacked.

    Their archives have checksums too, and so have those of Fashion-MNIST.
    """
    contents = {}
    for name in ("MNIST", "FashionMNIST"):
        raw = stand_in_folder / name / "raw"
        plain = {file: (raw / file).read_bytes() for file in FILES}
        packed = [(f"{file}.gz", md5(pack(content))) for file, content in plain.items()]
        monkeypatch.setattr(getattr(import_datasets(), name), "resources", packed)
        contents[name] = plain
    checksums = {file: md5(content) for file, content in contents["MNIST"].items()}
    monkeypatch.setattr(torchvision_images, "UNPACKED", checksums)
    return contents["MNIST"]


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def pack(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack(content) if path.suffix == ".gz" else content)
    return path


def read_folder(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def as_tensor(content: bytes, header: int, *shape: int) -> Tensor:
    return torch.tensor(list(content[header:]), dtype=torch.uint8).view(-1, *shape)


def dotted(file: str) -> str:
    """Return a name as some mirrors have it: ``train-images.idx3-ubyte``."""
    return file.replace("-idx", ".idx")


LAYOUTS: dict[str, tuple[Callable[[str], str], str]] = {
    "torchvision's archives": (lambda file: f"MNIST/raw/{file}.gz", ""),
    "torchvision's files": (lambda file: f"MNIST/raw/{file}", ""),
    "without raw": (lambda file: f"MNIST/{file}.gz", ""),
    "flat": (lambda file: file, ""),
    "flat archives": (lambda file: f"{file}.gz", ""),
    "dots in names": (dotted, ""),
    "dots in a folder of another case": (lambda file: f"mnist/{dotted(file)}", ""),
    "a folder for each file": (lambda file: f"{file}/{file}", ""),
    "a folder for each file, dots": (lambda file: f"{file}/{dotted(file)}", ""),
    "underscores": (lambda file: f"data/{file.replace('-', '_')}", ""),
    "another ending": (lambda file: f"{file}.idx", ""),
    "shortened": (lambda file: f"{file[:12]}.gz", ""),
    "two folders deep": (lambda file: f"downloads/archive/{file}.gz", ""),
    "the set's folder named": (lambda file: f"MNIST/raw/{file}.gz", "MNIST"),
    "raw named": (lambda file: f"MNIST/raw/{file}", "MNIST/raw"),
    "half packed": (lambda file: f"MNIST/raw/{file}{'.gz' if 'images' in file else ''}", ""),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.usefixtures("no_network")
def test_files_are_taken_wherever_they_lie_and_nothing_is_written(
    small: dict[str, bytes], tmp_path: Path, layout: str
) -> None:
    place, named = LAYOUTS[layout]
    for file, content in small.items():
        write(tmp_path / place(file), content)
    (tmp_path / "train-images.old").symlink_to(tmp_path / "gone")
    before = read_folder(tmp_path)
    with reading_data(allow_changed=True) as changes:
        train, test = load_images("MNIST", tmp_path / named)
    assert changes == []
    assert torch.equal(train.data, as_tensor(small[FILES[0]], 16, 28, 28))
    assert torch.equal(train.targets, as_tensor(small[FILES[1]], 8))
    assert torch.equal(test.data, as_tensor(small[FILES[2]], 16, 28, 28))
    assert torch.equal(test.targets, as_tensor(small[FILES[3]], 8))
    assert read_folder(tmp_path) == before


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a flipped byte": lambda content: content[:-7] + bytes([content[-7] ^ 1]) + content[-6:],
    "another order": lambda content: content[:16] + content[:15:-1],
    "zeros": lambda content: content[:16] + bytes(len(content) - 16),
    "cut short": lambda content: content[:-1],
    "one byte more": lambda content: content + b"\0",
    "no bytes": lambda content: b"",
    "no images": lambda content: b"<html>not found</html>",
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("victim", FILES)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.usefixtures("no_network")
def test_a_changed_file_is_refused_and_left_alone_or_named_where_it_is_allowed(
    small: dict[str, bytes], tmp_path: Path, change: str, victim: str, suffix: str
) -> None:
    for file, content in small.items():
        changed = CHANGES[change](content) if file == victim else content
        write(tmp_path / "MNIST" / "raw" / f"{file}{suffix}", changed)
    before = read_folder(tmp_path)
    path = tmp_path / "MNIST" / "raw" / f"{victim}{suffix}"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(DataUnavailableError, match="is not the published MNIST") as caught:
        load_images("MNIST", tmp_path)
    for told in (str(path), digest, "--allow-changed-data"):
        assert told in str(caught.value)
    assert caught.value.exit_code is ExitCode.BAD_USE
    with reading_data(allow_changed=True) as changes:
        if change in ("a flipped byte", "another order", "zeros"):
            load_images("MNIST", tmp_path)
        else:
            with pytest.raises(DataUnavailableError, match="cannot be read"):
                load_images("MNIST", tmp_path)
    assert changes == [f"{path.name} of MNIST with SHA-256 {digest}"]
    assert read_folder(tmp_path) == before


@pytest.mark.usefixtures("no_network")
def test_a_pipe_is_refused_and_not_waited_for(small: dict[str, bytes], tmp_path: Path) -> None:
    for file in FILES[1:]:
        write(tmp_path / file, small[file])
    os.mkfifo(tmp_path / FILES[0])
    with pytest.raises(DataUnavailableError, match="is not a regular file"):
        load_images("MNIST", tmp_path)


@pytest.mark.usefixtures("no_network")
def test_an_archive_that_is_damaged_is_refused(small: dict[str, bytes], tmp_path: Path) -> None:
    for file, content in small.items():
        write(tmp_path / "MNIST" / "raw" / f"{file}.gz", content)
    victim = tmp_path / "MNIST" / "raw" / f"{FILES[2]}.gz"
    victim.write_bytes(victim.read_bytes()[:100])
    with pytest.raises(DataUnavailableError, match="is not the published MNIST"):
        load_images("MNIST", tmp_path)
    with (
        reading_data(allow_changed=True),
        pytest.raises(DataUnavailableError, match="cannot be read"),
    ):
        load_images("MNIST", tmp_path)


@pytest.mark.usefixtures("no_network")
def test_a_published_file_is_taken_before_a_changed_one(
    small: dict[str, bytes], tmp_path: Path
) -> None:
    for file, content in small.items():
        write(tmp_path / "MNIST" / "raw" / f"{file}.gz", content)
        write(tmp_path / "MNIST" / "raw" / file, content[::-1])
    train, _ = load_images("MNIST", tmp_path)
    assert torch.equal(train.targets, as_tensor(small[FILES[1]], 8))


@pytest.mark.usefixtures("no_network")
def test_unpacked_files_without_a_known_checksum_count_as_changed_data(
    small: dict[str, bytes], stand_in_folder: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    shutil.copytree(stand_in_folder / "FashionMNIST" / "raw", raw)
    with pytest.raises(DataUnavailableError, match="keep the archives"):
        load_images("FashionMNIST", tmp_path)
    with reading_data(allow_changed=True) as changes:
        load_images("FashionMNIST", tmp_path)
    assert len(changes) == 4
    for file in FILES:
        write(raw / f"{file}.gz", (raw / file).read_bytes())
    train, _ = load_images("FashionMNIST", tmp_path)
    assert len(train.data) == 40


@pytest.mark.parametrize("place", ["MNIST/raw", "MNIST", "", "elsewhere"])
@pytest.mark.usefixtures("no_network")
def test_one_set_is_never_taken_for_another(
    small: dict[str, bytes], stand_in_folder: Path, tmp_path: Path, place: str
) -> None:
    for file in FILES:
        content = (stand_in_folder / "FashionMNIST" / "raw" / file).read_bytes()
        write(tmp_path / place / f"{file}.gz", content)
    before = read_folder(tmp_path)
    told = "is not the published MNIST" if "MNIST" in place else "could not be downloaded"
    with pytest.raises(DataUnavailableError, match=told):
        load_images("MNIST", tmp_path)
    assert read_folder(tmp_path) == before


@pytest.mark.usefixtures("no_network")
def test_files_that_lack_others_elsewhere_are_told_of_and_nothing_is_downloaded_beside_them(
    small: dict[str, bytes], tmp_path: Path
) -> None:
    for file in FILES[:3]:
        write(tmp_path / file, small[file])
    with pytest.raises(DataUnavailableError, match=f"but {FILES[3]} are missing in"):
        load_images("MNIST", tmp_path)


def test_the_real_files_are_the_published_ones_packed_and_unpacked(
    mnist_folder: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in (mnist_folder / "MNIST" / "raw").glob("*.gz"):
        (raw / archive.stem).write_bytes(gzip.decompress(archive.read_bytes()))
    train, test = load_images("MNIST", tmp_path)
    archived_train, archived_test = load_images("MNIST", mnist_folder)
    assert torch.equal(train.data, archived_train.data)
    assert torch.equal(test.targets, archived_test.targets)


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


def test_torchvision_is_imported_only_when_a_task_needs_it() -> None:
    code = (
        "import sys, pathlib; from seqbench.tasks.task import TASKS;"
        "import seqbench.tasks; TASKS['row-digits']().load(pathlib.Path());"
        "assert not [m for m in sys.modules if m.startswith('torchvision')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
