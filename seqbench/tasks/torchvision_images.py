"""Image sets in torchvision's layout, as tensors: the one place that imports torchvision.

Torchvision gives the checksums, the download and the parsers; what is added here is that a
user's folder is only ever read, that a download takes its place whole or not at all, and that a
torchvision whose compiled operators do not fit torch still serves its data sets.
"""

import gzip
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from seqbench.errors import DataUnavailableError
from seqbench.tasks.data_folder import missing_data, new_folder

DOWNLOAD_STALL_S = 30

# Kept for as long as the process lives: the schemas go when their library object does.
_operator_schemas: list[torch.library.Library] = []


def import_datasets() -> Any:
    """Return ``torchvision.datasets``, also where torchvision's compiled operators do not load.

    A torchvision built for CUDA beside a CPU build of torch fails at import with "operator
    torchvision::nms does not exist": its Python code describes two operators that its library,
    which cannot be loaded there, would have defined. No data set uses them, so their bare schemas
    are enough. Beside a torch that it matches, torchvision is imported as it is.
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


def load_images(name: str, data_dir: Path) -> tuple[Any, Any]:
    """Return the training and the test split of a torchvision set that has MNIST's layout.

    Each has ``data``, UInt8 (examples, height, width), and ``targets``, (examples).

    Looks in ``data_dir/<name>/raw/`` for the files as they are downloaded (``….gz``, checked
    against torchvision's checksums) or else unpacked, and downloads them all if one is missing.
    Nothing is ever written there but a complete download.

    Raises
    ------
    DataUnavailableError
        If the files are not there and cannot be downloaded, or one of them is damaged.
    """
    dataset = getattr(import_datasets(), name)
    raw = data_dir / name / "raw"
    archives = [raw / file for file, _ in dataset.resources]
    if not all(path.is_file() or path.with_suffix("").is_file() for path in archives):
        _download(dataset, data_dir)
    try:
        with tempfile.TemporaryDirectory(prefix="seqbench-") as folder:
            unpacked = Path(folder, name, "raw")
            unpacked.mkdir(parents=True)
            for path, (_, checksum) in zip(archives, dataset.resources, strict=True):
                _unpack(path, checksum, unpacked / path.stem)
            return dataset(folder, train=True), dataset(folder, train=False)
    except (OSError, AssertionError, RuntimeError, ValueError, TypeError, IndexError) as error:
        raise DataUnavailableError(
            f"the {name} files in {raw} cannot be read: {error or type(error).__name__}. "
            f"Delete the damaged ones and they are downloaded again."
        ) from error


def _unpack(archive: Path, checksum: str, target: Path) -> None:
    """Write to ``target`` what ``archive``, or the unpacked file beside it, holds."""
    from torchvision.datasets.utils import check_integrity

    if not archive.is_file():
        shutil.copyfile(archive.with_suffix(""), target)
        return
    if not check_integrity(archive, checksum):
        raise ValueError(f"the MD5 checksum of {archive.name} is not {checksum}")
    with gzip.open(archive) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)


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
        raise missing_data(
            name,
            looked_for=f"{raw} (torchvision's layout: {files})",
            folder=f"{name}/raw",
            error=error,
        ) from error
    finally:
        socket.setdefaulttimeout(patience)
