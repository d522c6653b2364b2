"""Tiny Shakespeare, the text: found, or downloaded, and checked either way."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from seqbench.errors import DataUnavailableError
from seqbench.tasks.data_folder import missing_data, new_folder, note_change, walk_files

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
FILE = Path("tinyshakespeare", "input.txt")
BYTES = 1_115_394
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
DOWNLOAD_STALL_S = 30


def load_text(data_dir: Path) -> bytes:
    """Return the text: ASCII, one byte a character.

    Looks for ``data_dir/tinyshakespeare/input.txt``, then for a copy of it by any name in
    ``data_dir``, and downloads it if there is none. A file that is there is only ever read.

    Raises
    ------
    DataUnavailableError
        If the file is not there and cannot be downloaded, cannot be read, or is another one and
        changed data is not allowed.
    """
    places = [data_dir / FILE]
    if data_dir.name == FILE.parent.name:  # it was the text's own folder that was named
        places.append(data_dir / FILE.name)
    place = next((each for each in places if each.exists()), places[0])
    for path in _list_candidates(data_dir, place):
        if _checksum(text := _read(path)) == SHA256:
            return text
    if not place.exists():
        return _download(place)
    note_change("tiny Shakespeare", place, text := _read(place))
    return text


def _list_candidates(data_dir: Path, place: Path) -> Iterator[Path]:
    """Yield the file in its place, then all that are as long as the text."""
    if place.exists():
        yield place
    for path in walk_files(data_dir):
        with suppress(OSError):  # removed concurrently
            if path.stat().st_size == BYTES and path != place:
                yield path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataUnavailableError(f"{path} cannot be read: {error.strerror}") from error


def _download(place: Path) -> bytes:
    """Download the text into memory, and move it to ``place`` whole once it has been checked."""
    try:
        with urlopen(URL, timeout=DOWNLOAD_STALL_S) as answer:
            text: bytes = answer.read(BYTES + 1)  # one more than it should be is too many already
        if _checksum(text) != SHA256:
            raise OSError(f"the file from {URL} has the SHA-256 {_checksum(text)}, not {SHA256}")
        with (
            new_folder(place.parent),
            tempfile.TemporaryDirectory(prefix=".download-", dir=place.parent) as folder,
        ):
            whole = Path(folder, place.name)
            whole.write_bytes(text)
            whole.replace(place)
    except (OSError, HTTPException) as error:
        raise missing_data(
            "tiny Shakespeare", looked_for=str(place), folder=str(FILE), error=error
        ) from error
    return text


def _checksum(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
