"""What several test files need: small data, real data where it lies, a result folder."""

import gc
import os
import shutil
import socket
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

# torch's threads sleep while they wait for each other: a core that waits is no test's to use
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
from hypothesis import settings
from torch import Tensor

from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec
from seqbench.tasks.data_folder import reading_data
from seqbench.tasks.task import Classification, Split, Task, TaskData
from seqbench.timing import peak as limits
from tests.processes import SMALL_LIMITS

# no test asks how long something takes; each run of the suite draws other examples
settings.register_profile("seqbench", deadline=None, max_examples=30)
settings.load_profile("seqbench")

DATA_FOLDERS = (os.environ.get("SEQBENCH_DATA"), Path(__file__).parents[2] / "shared" / "data")


class TinyTask(Classification):
    """Which half of the sequence is brighter? 40 sequences of 5 steps of 3 features."""

    features = 3
    time = 5
    outputs = 2

    def load(self, data_dir: Path) -> TaskData:
        inputs = torch.rand(60, 5, 3, generator=torch.Generator().manual_seed(0))
        targets = (inputs[:, 3:].mean((1, 2)) > inputs[:, :2].mean((1, 2))).long()
        return TaskData(Split(inputs[:40], targets[:40]), Split(inputs[40:], targets[40:]))


_outcomes: dict[str, set[str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember how each conformance test ended, whichever member it ran over."""
    if "conformance" in report.keywords and (report.when == "call" or report.skipped):
        _outcomes.setdefault(report.nodeid.partition("[")[0], set()).add(report.outcome)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail if a conformance test was skipped for all that is registered: it holds for nothing."""
    worker = hasattr(session.config, "workerinput")  # sees a part of the tests only
    if worker or session.config.option.keyword:  # a choice of members may well be all skipped
        return
    idle = [test for test, ended in _outcomes.items() if ended == {"skipped"}]
    for test in idle:
        print(f"\n{test} was skipped for everything registered")
    if idle:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_finish() -> None:
    """Keep what is imported by now out of the garbage collections with which runs begin."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _same_random_numbers_in_every_run() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep threads from waiting for each other over operations that are tiny here."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_compiled() -> Iterator[None]:
    """Run compiled steps as they stand: what torch.compile makes of them is torch's to test."""
    with torch.compiler.set_stance("force_eager"):
        yield


@pytest.fixture(scope="module", autouse=True)
def _short_collections(_nothing_is_compiled: None) -> None:
    """Keep what was imported since out of them too: a run begins with several."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Flush no file to the disk: nothing here loses power, and most of a write's time is that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the machine's limits on little matrices: every run does."""
    for name, small in SMALL_LIMITS.items():
        monkeypatch.setattr(limits, name, small)


@pytest.fixture
def tiny_task() -> TinyTask:
    return TinyTask()


@pytest.fixture
def tiny_data(tiny_task: TinyTask, tmp_path: Path) -> TaskData:
    return tiny_task.load(tmp_path)


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., RunSpec]:
    def make(**changes: Any) -> RunSpec:
        settings: dict[str, Any] = {
            "task": "row-digits",
            "variant": "rnn",
            "seed": 0,
            "device": os.environ.get("SEQBENCH_TEST_DEVICE", "cpu"),
            "threads": 1,
            "epochs": 2,
            "batch_size": 16,
            "hidden_size": 4,
        }
        return RunSpec(**settings | changes)

    return make


@pytest.fixture(scope="session")
def make_run(
    make_spec: Callable[..., RunSpec],
) -> Callable[..., tuple[RunRecord, list[EpochRecord]]]:
    """Return a maker of records of a run that ended with the given score and epoch time."""

    def make(
        score: float = 0.9, epoch_time_s: float = 0.5, status: str = "ok", **settings: Any
    ) -> tuple[RunRecord, list[EpochRecord]]:
        spec = make_spec(**settings)
        shared: dict[str, Any] = {"run_id": spec.run_id, "suite": "quick", "metric": "accuracy"}
        epochs = [
            EpochRecord(
                **shared,
                task=spec.task,
                variant=spec.variant,
                seed=spec.seed,
                device=spec.device,
                epoch=epoch,
                train_loss=1.0 / epoch,
                test_loss=1.1 / epoch,
                score=score if epoch == spec.epochs else score * epoch / spec.epochs,
                epoch_time_s=epoch_time_s,
                train_samples_per_s=1437 / epoch_time_s,
                eval_time_s=0.1,
                eval_samples_per_s=3600.0,
            )
            for epoch in range(1, spec.epochs + 1)
        ]
        ended: dict[str, Any] = {
            "final_score": score,
            "best_score": max((each.score for each in epochs), default=score),
            "epoch_time_s": epoch_time_s,
            "train_samples_per_s": 1437 / epoch_time_s,
            "eval_samples_per_s": 3600.0,
            "peak_memory_bytes": 2**20,
        }
        run = RunRecord(
            **shared,
            spec=spec,
            parameters=1000,
            status=status,
            error=None if status == "ok" else "ValueError: it broke",
            higher_is_better=True,
            baseline_score=0.1,
            started_at="2026-01-31T23:59:00Z",
            environment_id="abc",
            data_fingerprint="def",
            **(ended if status == "ok" else {}),
        )
        return run, epochs

    return make


@pytest.fixture(scope="session")
def sample_folder(
    tmp_path_factory: pytest.TempPathFactory,
    make_run: Callable[..., tuple[RunRecord, list[EpochRecord]]],
) -> Path:
    """Return a result of two variants with three seeds, to be read only."""
    folder = tmp_path_factory.mktemp("results") / "sample"
    with ResultWriter(folder, {"environment_id": "abc", "command": "seqbench run"}) as writer:
        for seed in range(3):
            writer.add(*make_run(0.90 + 0.01 * seed, 0.5, variant="rnn", seed=seed))
            writer.add(*make_run(0.95 + 0.01 * seed, 1.5, variant="lstm", seed=seed))
    return folder


@pytest.fixture
def result_folder(tmp_path: Path, sample_folder: Path) -> Path:
    """Return a copy of that result."""
    return shutil.copytree(sample_folder, tmp_path / "results" / "sample")


@pytest.fixture(scope="session")
def write_result(
    make_run: Callable[..., tuple[RunRecord, list[EpochRecord]]],
) -> Callable[..., Path]:
    """Return what writes a result of two seeds, made on a given day, in place of what was there."""

    def write(
        folder: Path,
        day: int,
        seconds: float = 0.5,
        score: float = 0.9,
        cpu: str = "A",
        torch: str = "1",
    ) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        environment = {
            "environment_id": "abc",
            "machine": {"cpu": cpu},
            "software": {"torch": {"version": torch}},
        }
        with ResultWriter(folder, environment) as writer:
            for seed in range(2):
                run, epochs = make_run(score + 0.01 * seed, seconds, seed=seed)
                writer.add(replace(run, started_at=f"2026-01-{day:02d}T00:00:00Z"), epochs)
        return folder

    return write


def find_data(*parts: str) -> Path:
    """Return the data folder with the real files of a data set in it; skip where there is none."""
    for folder in DATA_FOLDERS:
        if folder and Path(folder, *parts).exists():
            return Path(folder)
    place = "/".join(parts)
    pytest.skip(f"needs {parts[0]}: set SEQBENCH_DATA to the folder that contains {place}")


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    return find_data("MNIST", "raw")


@pytest.fixture(scope="session")
def shakespeare_folder() -> Path:
    return find_data("tinyshakespeare", "input.txt")


def write_idx(path: Path, values: Tensor) -> None:
    """Write bytes in the format of MNIST's files: zeros, type, axes, sizes, values."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(bytes([0, 0, 8, values.ndim]) + sizes + values.numpy().tobytes())


@pytest.fixture(scope="session")
def stand_in_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder in which small random files stand in for the real ones."""
    folder = tmp_path_factory.mktemp("stand-ins")
    random = torch.Generator().manual_seed(0)
    for name in ("MNIST", "FashionMNIST"):
        raw = folder / name / "raw"
        raw.mkdir(parents=True)
        for split, examples in (("train", 40), ("t10k", 20)):
            images = torch.randint(256, (examples, 28, 28), generator=random).byte()
            write_idx(raw / f"{split}-images-idx3-ubyte", images)
            classes = torch.randint(10, (examples,), generator=random).byte()
            write_idx(raw / f"{split}-labels-idx1-ubyte", classes)
    letters = string.ascii_letters + string.digits + " .\n"
    drawn = torch.randint(len(letters), (3000,), generator=random).tolist()
    text = folder / "tinyshakespeare" / "input.txt"
    text.parent.mkdir()
    text.write_bytes("".join(letters[letter] for letter in drawn).encode())
    return folder


@pytest.fixture(scope="session")
def load_small(stand_in_folder: Path) -> Callable[[Task], TaskData]:
    """Return what loads a task's data, from the stand-ins, as changed data, if it needs files."""

    def load(task: Task) -> TaskData:
        with reading_data(allow_changed=True):
            return task.load(stand_in_folder)

    return load


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> Any:
        raise OSError("the network is not there")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def run_without_torch() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return what runs a seqbench command in a folder, in a process in which torch is missing."""
    code = """
import sys

class NoTorch:
    def find_spec(name, *rest):
        if name.partition(".")[0] == "torch":
            raise ImportError("torch is not there")
sys.meta_path.insert(0, NoTorch)
from seqbench.cli import main
main()
"""

    def run(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-c", code, *words]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)

    return run
