"""Character tasks: equal to their definitions, and honest about a text that is missing."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqbench.errors import DataUnavailableError, ExitCode, SettingError
from seqbench.tasks import tiny_shakespeare
from seqbench.tasks.contract import check_baseline
from seqbench.tasks.data_folder import reading_data
from seqbench.tasks.hello import Hello
from seqbench.tasks.shakespeare_chars import ShakespeareChars
from seqbench.tasks.task import Task, TaskData
from seqbench.tasks.tiny_shakespeare import load_text


def test_hello_asks_for_the_next_letter() -> None:
    data = Hello().load(Path("no-such-folder"))
    for split in (data.train, data.test):
        spelled = [["helo"[token] for token in row[0]] for row in (split.inputs, split.targets)]
        assert spelled == [list("hell"), list("ello")]
    assert check_baseline("task", Hello(), data) == "ello".count("l") / 4


def test_hello_cannot_be_spelled_without_a_memory() -> None:
    data = Hello().load(Path("no-such-folder"))
    by_letter = torch.eye(4)[torch.tensor([1, 2, 2, 0])]  # after h e, after e l, after l l
    assert Hello().score(by_letter[data.test.inputs], data.test.targets) == 3 / 4


@pytest.fixture(scope="session")
def shakespeare(shakespeare_folder: Path) -> TaskData:
    return ShakespeareChars().load(shakespeare_folder)


def test_shakespeare_is_the_text_in_order(shakespeare_folder: Path, shakespeare: TaskData) -> None:
    text = (shakespeare_folder / "tinyshakespeare" / "input.txt").read_text()
    characters = sorted(set(text))
    assert len(characters) == 65 == ShakespeareChars.features
    boundary = math.floor(0.9 * len(text))
    parts = (text[:boundary], text[boundary:])
    for part, split in zip(parts, (shakespeare.train, shakespeare.test), strict=True):
        assert len(split) == (len(part) - 1) // 100
        spelled = "".join(characters[token] for token in split.inputs.flatten().tolist())
        assert part.startswith(spelled)
        spelled = "".join(characters[token] for token in split.targets.flatten().tolist())
        assert part[1:].startswith(spelled)


def test_shakespeares_baseline_is_the_unigram_entropy(
    shakespeare_folder: Path, shakespeare: TaskData
) -> None:
    text = (shakespeare_folder / "tinyshakespeare" / "input.txt").read_text()
    assert (len(shakespeare.train), len(shakespeare.test)) == (10_038, 1_115)
    begin = math.floor(0.9 * len(text)) + 1
    trained, tested = Counter(text[1:1_003_801]), Counter(text[begin : begin + 111_500])
    bits = -sum(
        count * math.log2((trained[character] + 1) / (1_003_800 + 65))
        for character, count in tested.items()
    )
    assert check_baseline("task", ShakespeareChars(), shakespeare) == pytest.approx(
        bits / 111_500, rel=1e-6
    )
    few = shakespeare.train.first(500)
    shares = [count / 50_000 for count in Counter(text[1:50_001]).values()]
    entropy = -sum(share * math.log2(share) for share in shares)
    assert check_baseline("task", ShakespeareChars(), TaskData(few, few)) == pytest.approx(
        entropy, abs=0.001
    )


def test_shakespeares_fingerprint_is_pinned(shakespeare: TaskData) -> None:
    pinned = "8c4a465c51a29ae3fe39f796968ac48700275d2bf395e8ab5ec1c6e72f77b0af"
    assert shakespeare.fingerprint == pinned


@settings(max_examples=25)
@given(length=st.integers(1, 299))
def test_windows_do_not_overlap_and_leave_nothing_out_but_the_end(
    stand_in_folder: Path, load_small: Callable[[Task], TaskData], length: int
) -> None:
    text = (stand_in_folder / "tinyshakespeare" / "input.txt").read_text()
    rank = {character: number for number, character in enumerate(sorted(set(text)))}
    data = load_small(ShakespeareChars(length))
    for split, part in ((data.train, text[:2700]), (data.test, text[2700:])):
        tokens = [rank[character] for character in part]
        windows = range(0, len(part) - length, length)
        assert split.inputs.tolist() == [tokens[w : w + length] for w in windows]
        assert split.targets.tolist() == [tokens[w + 1 : w + 1 + length] for w in windows]


def test_bits_are_nats_over_ln_2(shakespeare: TaskData) -> None:
    few = shakespeare.test.first(10)
    outputs = torch.randn(10, 100, 65, generator=torch.Generator().manual_seed(0))
    task = ShakespeareChars()
    nats = task.loss(outputs, few.targets).item()
    assert task.score(outputs, few.targets) == pytest.approx(nats / math.log(2))
    assert task.score(torch.zeros(10, 100, 65), few.targets) == pytest.approx(math.log2(65))


def test_a_window_longer_than_the_test_text_is_refused() -> None:
    with pytest.raises(SettingError, match="111539"):
        ShakespeareChars(111_540)
    ShakespeareChars(111_539)


@pytest.mark.usefixtures("no_network")
def test_without_text_and_network_one_message_tells_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where"
    with pytest.raises(DataUnavailableError) as caught:
        load_text(folder)
    message = str(caught.value)
    place = str(folder / "tinyshakespeare" / "input.txt")
    for told in ("tiny Shakespeare", place, "--data", "SEQBENCH_DATA", "quick", "network is not"):
        assert told in message
    assert caught.value.exit_code is ExitCode.BAD_USE
    assert list(tmp_path.iterdir()) == [], "nothing is left half-written"


@pytest.mark.usefixtures("no_network")
def test_another_file_in_its_place_is_named_and_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "tinyshakespeare" / "input.txt"
    place.parent.mkdir()
    place.write_text("To be, or")
    with pytest.raises(DataUnavailableError, match="SHA-256") as caught:
        load_text(tmp_path)
    assert str(place) in str(caught.value)
    assert place.read_text() == "To be, or"


@pytest.mark.parametrize(
    "place", ["input.txt", "shakespeare.txt", "tiny_shakespeare/text", "data/nlp/corpus.dat"]
)
@pytest.mark.usefixtures("no_network")
def test_the_text_is_taken_by_whatever_name_it_lies_there(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    text = (served / "input.txt").read_bytes()
    monkeypatch.setattr(tiny_shakespeare, "SHA256", hashlib.sha256(text).hexdigest())
    monkeypatch.setattr(tiny_shakespeare, "BYTES", len(text))
    path = tmp_path / "mine" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    (path.parent / "another").write_bytes(text[::-1])
    assert load_text(tmp_path / "mine") == text
    assert load_text(path.parent) == text


@pytest.mark.parametrize("named", ["", "tinyshakespeare"])
@pytest.mark.parametrize("text", ["To be, or", "", "\r\n" * 10])
@pytest.mark.usefixtures("no_network")
def test_another_text_is_refused_or_named(tmp_path: Path, text: str, named: str) -> None:
    place = tmp_path / "tinyshakespeare" / "input.txt"
    place.parent.mkdir()
    place.write_bytes(text.encode())
    with pytest.raises(DataUnavailableError, match="is not the published tiny Shakespeare"):
        load_text(tmp_path / named)
    with reading_data(allow_changed=True) as changes:
        assert load_text(tmp_path / named) == text.encode()
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert changes == [f"input.txt of tiny Shakespeare with SHA-256 {digest}"]


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "tinyshakespeare" / "input.txt").mkdir(parents=True)
    with pytest.raises(DataUnavailableError, match="cannot be read"):
        load_text(tmp_path)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Serve a text, for which a folder is returned, in place of the real one."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "input.txt").write_text("Speak, speak.")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/input.txt"
    monkeypatch.setattr(tiny_shakespeare, "URL", url)
    yield folder
    server.shutdown()
    server.server_close()


def test_a_download_is_checked_and_takes_its_place_whole(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checksum = hashlib.sha256((served / "input.txt").read_bytes()).hexdigest()
    monkeypatch.setattr(tiny_shakespeare, "SHA256", checksum)
    cache = tmp_path / "new" / "cache"
    assert load_text(cache) == b"Speak, speak."
    assert [path.name for path in cache.rglob("*")] == ["tinyshakespeare", "input.txt"]
    (served / "input.txt").write_text("changed")
    assert load_text(cache) == b"Speak, speak.", "what is there is not downloaded again"


@pytest.mark.parametrize("problem", ["another text", "no text"])
def test_a_download_that_is_not_the_text_leaves_nothing(
    served: Path, tmp_path: Path, problem: str
) -> None:
    if problem == "no text":
        (served / "input.txt").unlink()
    with pytest.raises(DataUnavailableError, match="404" if problem == "no text" else "SHA-256"):
        load_text(tmp_path / "new" / "cache")
    assert [path.name for path in tmp_path.iterdir()] == ["served"]


def test_the_real_text_is_accepted_and_nothing_is_written(shakespeare_folder: Path) -> None:
    folder = shakespeare_folder / "tinyshakespeare"
    before = [(path.name, path.stat().st_mtime_ns) for path in folder.iterdir()]
    assert len(load_text(shakespeare_folder)) == tiny_shakespeare.BYTES
    assert [(path.name, path.stat().st_mtime_ns) for path in folder.iterdir()] == before
