"""Locks: who holds a folder is told, and git shows nothing of them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from seqbench.errors import ResultsError, UsageError
from seqbench.results.folder_lock import FolderLock, heal_folder
from seqbench.results.reader import list_results
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_git_shows_results_and_no_locks(tmp_path: Path, make_run: MakeRun) -> None:
    git(tmp_path, "init", "--quiet")
    results = tmp_path / "results"
    with ResultWriter(results / "a", {"environment_id": "abc"}) as writer:
        writer.add(*make_run())
        during = git(tmp_path, "status", "--porcelain", "--untracked-files=all").splitlines()
    after = git(tmp_path, "status", "--porcelain", "--untracked-files=all").splitlines()
    for shown in (during, after):
        assert len(shown) == 6
        assert all(line.startswith("?? results/a/") for line in shown)
    assert list_results(results) == [results / "a"]


def test_the_holder_is_told_and_gone_afterwards(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "a", "seqbench run --name a")
    lock.acquire()
    with pytest.raises(UsageError, match=r"process \d+ .seqbench run --name a, since 20"):
        FolderLock(tmp_path / "a").acquire()
    FolderLock(tmp_path / "b").acquire()
    lock.release()
    FolderLock(tmp_path / "a").acquire()


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200])
def test_a_name_that_no_file_may_have_is_a_message(tmp_path: Path, name: str) -> None:
    heal_folder(tmp_path / name)
    with (
        pytest.raises(ResultsError, match="cannot be written: File name too long"),
        ResultWriter(tmp_path / name, {}),
    ):
        pass
