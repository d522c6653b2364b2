"""Image sets of MNIST's layout, as tensors: found, checked, downloaded, read.

Torchvision gives the names, the checksums of the archives and the download; this is the one place
that imports it. What is added here is that a user's folder is only ever read, that every file that
is read is checked, packed or not, that a download is put in place atomically, and that a
torchvision whose compiled operators do not fit torch still serves its data sets.
"""

import gzip
import hashlib
import re
import socket
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from seqbench.errors import DataUnavailableError
from seqbench.tasks.data_folder import missing_data, new_folder, note_change, walk_files

DOWNLOAD_STALL_S = 30

UNPACKED = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
"""MD5 of MNIST's files unpacked. Published are those of archives; these are of what is in them.

Of Fashion-MNIST none are known here, so its unpacked files count only next to their archives."""

_SETS = ("MNIST", "FashionMNIST", "KMNIST")
"""Sets whose files have one set of names: the file of one, or one in its folder, is of no other."""

_LARGEST = 2**26  # bytes of a file that is nearly called like one of a set; those have fewer

_GZIP = b"\x1f\x8b"

# Kept for as long as the process lives: the schemas go when their library object does.
_operator_schemas: list[torch.library.Library] = []


@dataclass(frozen=True)
class Images:
    """One split of a set."""

    data: UInt8[Tensor, "examples height width"]
    targets: UInt8[Tensor, " examples"]


@dataclass(frozen=True)
class Wanted:
    """A file of a set: its name unpacked, and the checksums of what was published of it."""

    name: str
    checksums: frozenset[str]


@dataclass(frozen=True)
class Found:
    """A file by such a name, and whether it is the one that was published."""

    path: Path
    content: bytes
    published: bool


def import_datasets() -> Any:
    """Return ``torchvision.datasets``, also where torchvision's compiled operators do not load.

    A torchvision built for CUDA with a CPU build of torch fails at import with "operator
    torchvision::nms does not exist": its Python code describes two operators that its library,
    which cannot be loaded there, would have defined. No data set uses them, so their bare schemas
    are enough. With a matching torch, torchvision is imported unchanged.
    """
    try:
        from torchvision import datasets
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        schemas = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            schemas.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _operator_schemas.append(schemas)
        from torchvision import datasets
    return datasets


def load_images(name: str, data_dir: Path) -> tuple[Images, Images]:
    """Return the training and the test split of a torchvision set that has MNIST's layout.

    Looks in ``data_dir/<name>/raw/``, and then in all of ``data_dir``, for files with the names and
    the checksums of the set, packed or not, and downloads them all to the former if none is there.
    Nothing is ever written but a complete download.

    Raises
    ------
    DataUnavailableError
        If the files are not there and cannot be downloaded, one of them cannot be read, or one is
        not the published one and changed data is not allowed.
    """
    dataset = getattr(import_datasets(), name)
    raw = data_dir / name / "raw"
    wanted, foreign = _list_wanted(dataset), _list_foreign(name)
    found = [_find(each, foreign, name, data_dir) for each in wanted]
    if None in found:
        missing = [each.name for each, file in zip(wanted, found, strict=True) if file is None]
        for file in found:
            if file is not None and file.path.parent != raw:
                raise DataUnavailableError(
                    f"{file.path.parent} has some of the files of {name}, but "
                    f"{', '.join(missing)} are missing in {data_dir}: add them, or move the "
                    f"others away, and all are downloaded"
                )
        _download(dataset, data_dir)
        found = [_find(each, foreign, name, data_dir) for each in wanted]
    parts = [_parse_noted(file, name) for file in found if file is not None]
    return Images(parts[0], parts[1]), Images(parts[2], parts[3])


def _list_wanted(dataset: Any) -> list[Wanted]:
    """Return the files of a set: images and labels to train on, then those to test on."""
    unpacked = UNPACKED if dataset.__name__ == "MNIST" else {}
    names = [(file.removesuffix(".gz"), checksum) for file, checksum in dataset.resources]
    return [
        Wanted(name, frozenset({checksum, unpacked.get(name, checksum)}))
        for name, checksum in names
    ]


def _list_foreign(name: str) -> frozenset[str]:
    """Return the checksums of what was published of other sets."""
    sets = [getattr(import_datasets(), each) for each in _SETS if each != name]
    wanted = [file for each in sets for file in _list_wanted(each)]
    return frozenset(checksum for file in wanted for checksum in file.checksums)


def _find(wanted: Wanted, foreign: frozenset[str], name: str, data_dir: Path) -> Found | None:
    """Return the published file, in any folder; else another one by its name; None for none."""
    other = None
    for path in _list_candidates(wanted, data_dir / name / "raw", data_dir):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise DataUnavailableError(f"{path} is not a regular file")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataUnavailableError(f"{path} cannot be read: {error.strerror}") from error
        checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if checksum in wanted.checksums:
            return Found(path, content, published=True)
        set_name = _set_of(path)
        if not _is_called_so(wanted, path):
            continue
        if other is None and (set_name == name or (set_name is None and checksum not in foreign)):
            other = Found(path, content, published=False)
    return other


def _list_candidates(wanted: Wanted, raw: Path, data_dir: Path) -> Iterator[Path]:
    """Yield the files that are called so, or nearly so, those in the set's own folder first."""
    own = [path for path in (raw / f"{wanted.name}.gz", raw / wanted.name) if path.is_file()]
    yield from own
    split, kind, *_ = wanted.name.split("-")
    for path in walk_files(data_dir):
        nearly = split in _plain(path.name) and kind in _plain(path.name)
        small = nearly and path.is_file() and path.stat().st_size <= _LARGEST
        if path not in own and (small or _is_called_so(wanted, path)):
            yield path


def _is_called_so(wanted: Wanted, path: Path) -> bool:
    return _plain(path.name.lower().removesuffix(".gz")) == _plain(wanted.name)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _set_of(path: Path) -> str | None:
    """Return the set named by a file's folders, the innermost one; None if none is."""
    known = {name.lower(): name for name in _SETS}
    called = map(_plain, reversed(path.parent.parts))
    return next((known[part] for part in called if part in known), None)


def _parse_noted(file: Found, name: str) -> Tensor:
    """Return what a file of a set holds, and note it if it is not the published one."""
    packed = file.content.startswith(_GZIP)
    if not file.published:
        known = packed or name == "MNIST"
        note = "" if known else "Unpacked files of this set cannot be checked: keep the archives."
        note_change(name, file.path, file.content, note)
    try:
        return _parse(gzip.decompress(file.content) if packed else file.content)
    except (OSError, EOFError, zlib.error, ValueError, struct.error, IndexError) as error:
        fault = f"the {name} file {file.path} cannot be read: {error}"
        raise DataUnavailableError(fault) from error


def _parse(content: bytes) -> Tensor:
    """Return the bytes of a file in the IDX format: zeros, type, axes, sizes, values."""
    if content[:3] != bytes([0, 0, 8]):
        raise ValueError("it has no header of an IDX file of bytes")
    axes = content[3]
    sizes = struct.unpack_from(f">{axes}I", content, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    return torch.from_numpy(values.reshape(sizes).copy())


def _download(dataset: Any, data_dir: Path) -> None:
    """Let torchvision download into a temporary folder, and move the whole into its place."""
    name = dataset.__name__
    raw = data_dir / name / "raw"
    patience = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(DOWNLOAD_STALL_S)
        with (
            new_folder(data_dir),
            tempfile.TemporaryDirectory(prefix=f".{name}-", dir=data_dir) as folder,
        ):
            dataset(folder, train=True, download=True)
            raw.mkdir(parents=True, exist_ok=True)
            for file, _ in dataset.resources:
                Path(folder, name, "raw", file).replace(raw / file)
    except (OSError, RuntimeError) as error:
        files = ", ".join(file for file, _ in dataset.resources)
        near = [path.name for path in walk_files(data_dir) if _plain(name) in _plain(path.name)]
        seen = f"; {', '.join(near[:3])} in {data_dir} cannot be read as such files" if near else ""
        raise missing_data(
            name,
            looked_for=f"{raw} (torchvision's layout: {files}){seen}",
            folder=f"{name}/raw",
            error=error,
        ) from error
    finally:
        socket.setdefaulttimeout(patience)
