"""Folders that are replaced: killed at any step, the next command finds what was finished."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from seqbench.errors import ResultsError
from seqbench.results.atomic_files import replace_file
from seqbench.results.reader import (
    Results,
    list_results,
    load_results,
    load_unfinished,
    select_runs,
)
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
STEPS = ("rename", "replace", "mkdir", "unlink", "rmdir")


class Killed(BaseException):
    """What a kill is in a test that goes on after it."""


@contextmanager
def failing(at: int, error: Callable[[], BaseException]) -> Iterator[list[str]]:
    """Let the ``at``-th step on the file system fail.

    After a kill nothing more happens; after an error all other steps work.
    """
    done: list[str] = []

    def watch(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            if len(done) > at and error is Killed:
                raise Killed
            done.append(name)
            if len(done) == at + 1:
                raise error()
            return real(*args, **kwargs)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(os, name, watch(name, getattr(os, name)))
        yield done


def disk_is_full() -> OSError:
    return OSError(28, "No space left on device")


def prepare(folder: Path, make_run: MakeRun) -> None:
    with ResultWriter(folder, {"environment_id": "abc"}) as writer:
        for seed in range(3):
            writer.add(*make_run(0.1 * seed, seed=seed), checkpoint=b"weights")
        writer.keep("on-its-way", b"state")
        writer.keep("strange", b"other")


def go_on(folder: Path, make_run: MakeRun) -> None:
    """Do what `seqbench run` does where two of three rows count and one run is on its way."""
    with ResultWriter(folder, {"environment_id": "abc"}) as writer:
        earlier = load_results(folder)
        kept = select_runs(earlier, [make_run(seed=seed)[0].run_id for seed in (0, 1)])
        unfinished = {"on-its-way": load_unfinished(folder)["on-its-way"]}
        order = [make_run(seed=seed)[0].run_id for seed in (0, 1, 7)]
        writer.resume(kept, order, unfinished)
        writer.keep("another", b"state")
        writer.add(*make_run(seed=7), checkpoint=b"weights")


def start_over(folder: Path, make_run: MakeRun) -> None:
    """Do what `seqbench run --restart` does."""
    with ResultWriter(folder, {"environment_id": "abc"}) as writer:
        writer.add(*make_run(seed=0), checkpoint=b"weights")


def begin_anew(folder: Path, make_run: MakeRun) -> None:
    """Do what `seqbench run` does where nothing that lies there counts any more."""
    with ResultWriter(folder, {"environment_id": "abc"}) as writer:
        writer.keep("new", b"state")
        writer.keep("new", b"later state")
        writer.add(*make_run(seed=0), checkpoint=b"weights")


class Reader:
    """Reads each state of a result once: many steps leave one that was read already."""

    def __init__(self) -> None:
        self.known: dict[tuple[Any, ...], Results] = {}

    def read(self, folder: Path) -> Results:
        files = sorted(each for each in folder.rglob("*") if each.is_file())
        state = tuple((str(each.relative_to(folder)), each.read_bytes()) for each in files)
        if state not in self.known:
            self.known[state] = load_results(folder)
        return self.known[state]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut leaves is the old file or the new one: POSIX promises it in this order."""
    done: list[tuple[str, str]] = []
    replace = os.replace

    def flush(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        done.append(("flushed", path.name))
        if path.is_file():
            assert path.read_bytes() == b"content", "nothing waits in a buffer"

    def rename(source: Path, target: Path) -> None:
        replace(source, target)
        done.append(("renamed", Path(target).name))

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", rename)
    replace_file(tmp_path / "a.csv", b"content")
    assert done == [("flushed", ".a.csv.tmp"), ("renamed", "a.csv"), ("flushed", tmp_path.name)]


@pytest.mark.parametrize("error", [Killed, disk_is_full])
@pytest.mark.parametrize(
    ("command", "counted"), [(go_on, {0, 1}), (start_over, {0}), (begin_anew, {0})]
)
def test_what_fails_at_any_step_loses_no_finished_row(
    tmp_path: Path,
    make_run: MakeRun,
    command: Callable[[Path, MakeRun], None],
    counted: set[int],
    error: Callable[[], BaseException],
) -> None:
    prepare(tmp_path / "whole" / "a", make_run)
    at, ended, reader = 0, False, Reader()
    while not ended:
        folder = tmp_path / f"{at}" / "a"
        shutil.copytree(tmp_path / "whole" / "a", folder)
        with failing(at, error) as done, suppress(Killed, ResultsError, OSError):
            command(folder, make_run)
        ended = len(done) <= at
        told = f"{error.__name__} at step {at}: {done[-1]}"
        assert list_results(folder.parent) == [folder], told
        results = reader.read(folder)
        assert set(results.runs["seed"]) >= counted, told
        for run_id in results.runs["run_id"]:
            assert (folder / "checkpoints" / f"{run_id}.ckpt").read_bytes() == b"weights", told
        if command is go_on:
            assert load_unfinished(folder)["on-its-way"] == b"state", told
        aside = [*(folder.parent / ".earlier").glob("a-*")]
        everything = [reader.read(each) for each in (folder, *aside)]
        assert {0, 1, 2} <= {seed for each in everything for seed in each.runs["seed"]}, told
        with ResultWriter(folder, {}):
            assert not (folder.parent / ".next").exists(), told
        at += 1
    assert at >= 20, "the steps are really counted"


def test_a_folder_that_holds_no_run_is_no_earlier_result(tmp_path: Path, make_run: MakeRun) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "environment.json").write_text("{}")
    with ResultWriter(tmp_path / "a", {}) as writer:
        writer.add(*make_run())
    assert writer.kept_aside is None
    assert len(load_results(tmp_path / "a").runs) == 1
