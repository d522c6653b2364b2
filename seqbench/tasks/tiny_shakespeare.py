"""Tiny Shakespeare, the text: read where it lies, or downloaded, and checked either way."""

import hashlib
import tempfile
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from seqbench.errors import DataUnavailableError
from seqbench.tasks.data_folder import missing_data, new_folder

URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
FILE = Path("tinyshakespeare", "input.txt")
BYTES = 1_115_394
SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
DOWNLOAD_STALL_S = 30


def load_text(data_dir: Path) -> bytes:
    """Return the text: ASCII, one byte a character.

    Looks for ``data_dir/tinyshakespeare/input.txt`` and downloads it if it is not there. A file
    that is there is only ever read.

    Raises
    ------
    DataUnavailableError
        If the file is not there and cannot be downloaded, or is another one.
    """
    place = data_dir / FILE
    try:
        text = place.read_bytes()
    except FileNotFoundError:
        return _download(place)
    except OSError as error:
        raise DataUnavailableError(f"{place} cannot be read: {error.strerror}") from error
    if _checksum(text) != SHA256:
        raise DataUnavailableError(
            f"{place} is not tiny Shakespeare as everyone has it: its SHA-256 is "
            f"{_checksum(text)}, not {SHA256}. Move it away and the right one is downloaded."
        )
    return text


def _download(place: Path) -> bytes:
    """Download the text into memory, and move it to ``place`` whole once it has been checked."""
    try:
        with urlopen(URL, timeout=DOWNLOAD_STALL_S) as answer:
            text: bytes = answer.read(BYTES + 1)  # one more than it should be is too many already
        if _checksum(text) != SHA256:
            raise OSError(f"what {URL} gave has the SHA-256 {_checksum(text)}, not {SHA256}")
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
