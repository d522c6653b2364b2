"""Results in order: git revisions of one, folders of many, and what cannot be read."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from seqbench.errors import ExitCode, ResultsError, UsageError
from seqbench.history.revisions import read_folders, read_revisions
from seqbench.history.trends import trace_history

WriteResult = Callable[..., Path]


def git(root: Path, *words: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    command = ["git", *identity, "-c", "commit.gpgsign=false", *words]
    return subprocess.run(
        command, cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(root: Path) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a result")
    return git(root, "rev-parse", "--short=9", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "results").mkdir(parents=True)
    git(root, "init", "--quiet")
    return root


def test_revisions_are_read_in_the_order_of_the_commits(
    repository: Path, write_result: WriteResult
) -> None:
    folder = repository / "results" / "sample"
    commits = []
    for day, seconds in ((3, 0.5), (2, 0.6), (1, 0.7)):
        write_result(folder, day, seconds)
        commits.append(commit(repository))
        (repository / "notes.txt").write_text(str(day))
        commit(repository)  # touches no result
    line = read_revisions(folder)
    assert [point.name for point in line.points] == commits
    assert [point.made_at[:10] for point in line.points] == [f"2026-01-0{day}" for day in (3, 2, 1)]
    assert line.notes == ()
    assert trace_history(line).points["epoch_time_s"].tolist() == [0.5, 0.6, 0.7]


def test_a_revision_that_cannot_be_read_is_told_and_left_out(
    repository: Path, write_result: WriteResult
) -> None:
    folder = write_result(repository / "results" / "sample", 1)
    whole = commit(repository)
    runs = folder / "runs.csv"
    runs.write_text(runs.read_text()[:-20])
    torn = commit(repository)
    shutil.rmtree(folder)
    gone = commit(repository)
    write_result(folder, 2)  # not committed
    line = read_revisions(folder)
    assert [point.name for point in line.points] == [whole]
    assert [torn in line.notes[0], gone in line.notes[1]] == [True, True]
    assert "results/sample/runs.csv, line 3" in line.notes[0]
    assert "results/sample holds no result" in line.notes[1]
    assert "uncommitted" in line.notes[2]


def test_where_no_revision_can_be_read_it_is_an_error(
    repository: Path, write_result: WriteResult
) -> None:
    folder = write_result(repository / "results" / "sample", 1)
    with pytest.raises(UsageError, match=r"no commit touched .*sample: commit the results"):
        read_revisions(folder)
    (folder / "runs.csv").write_text("torn")
    commit(repository)
    with pytest.raises(ResultsError, match="no result of sample can be read"):
        read_revisions(folder)
    with pytest.raises(UsageError, match="no commit touched"):
        read_revisions(repository / "results" / "other")


def test_outside_a_repository_the_message_says_what_to_do(
    tmp_path: Path, write_result: WriteResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match=r"not a git repository.*--folder"):
        read_revisions(write_result(tmp_path / "results" / "sample", 1))
    with pytest.raises(UsageError, match="is not a folder; --results must be"):
        read_revisions(tmp_path / "nowhere" / "sample")


def test_a_shallow_clone_is_told(repository: Path, write_result: WriteResult) -> None:
    for day in (1, 2):
        write_result(repository / "results" / "sample", day)
        commit(repository)
    clone = repository.with_name("clone")
    git(repository, "clone", "--quiet", "--depth", "1", repository.as_uri(), str(clone))
    line = read_revisions(clone / "results" / "sample")
    assert len(line.points) == 1
    assert "shallow clone" in line.notes[0]


def test_folders_are_ordered_by_when_they_were_made_then_by_name(
    tmp_path: Path, write_result: WriteResult
) -> None:
    for name, day in (("a", 9), ("c", 2), ("b", 2)):
        write_result(tmp_path / "all" / name, day)
    (write_result(tmp_path / "all" / "torn", 1) / "epochs.csv").unlink()
    line = read_folders(tmp_path / "all")
    assert [point.name for point in line.points] == ["b", "c", "a"]
    assert line.notes[0].startswith("torn is left out: ")
    with pytest.raises(UsageError, match="there is no folder nosuch"):
        read_folders(Path("nosuch"))
    with pytest.raises(UsageError, match=r"contains no folder with a runs\.csv"):
        read_folders(tmp_path)


def test_the_command_needs_neither_torch_nor_a_network(
    repository: Path,
    write_result: WriteResult,
    run_without_torch: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    write_result(repository / "results" / "sample", 1)
    commit(repository)
    done = run_without_torch(repository, "history", "sample")
    assert done.returncode == ExitCode.OK, done.stderr
    assert done.stdout.endswith("history: reports/history/sample/README.md\n")


def test_results_behind_a_filter_are_read_as_a_checkout_has_them(
    repository: Path, write_result: WriteResult
) -> None:
    git(repository, "config", "filter.packed.clean", "base64")
    git(repository, "config", "filter.packed.smudge", "base64 --decode")
    (repository / ".gitattributes").write_text("*.csv filter=packed\n")
    for day in (1, 2):
        write_result(repository / "results" / "sample", day, 0.5 + day)
        commit(repository)
    assert "run_id" not in git(repository, "cat-file", "blob", "HEAD:results/sample/runs.csv")
    line = read_revisions(repository / "results" / "sample")
    assert trace_history(line).points["epoch_time_s"].tolist() == [1.5, 2.5]
    git(repository, "config", "filter.packed.smudge", "no-such-command")
    git(repository, "config", "filter.packed.required", "true")
    with pytest.raises(ResultsError, match="smudge filter packed failed"):
        read_revisions(repository / "results" / "sample")


def test_a_pointer_of_git_lfs_is_told_with_what_brings_the_file(
    repository: Path, write_result: WriteResult
) -> None:
    folder = write_result(repository / "results" / "sample", 1)
    commit(repository)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12\n"
    (folder / "runs.csv").write_text(pointer)
    commit(repository)
    line = read_revisions(folder)
    assert len(line.points) == 1
    assert "results/sample/runs.csv is a pointer of Git LFS; `git lfs install`" in line.notes[0]


@pytest.mark.parametrize("name", [b"gr\xf6\xdfe", b"two words", "größe".encode(), b"a\tb"])
def test_a_result_may_have_any_name_and_a_commit_any_words(
    repository: Path, write_result: WriteResult, name: bytes
) -> None:
    folder = write_result(repository / "results" / os.fsdecode(name), 1)
    git(repository, "add", "--all")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    message = "gemessen in Köln\n".encode("latin-1")
    command = ["git", *identity, "commit", "--quiet", "--file", "-"]
    subprocess.run(command, cwd=repository, input=message, check=True)
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "color.ui", "always")
    write_result(folder, 2)
    line = read_revisions(folder)
    assert len(line.points) == 1
    assert "uncommitted" in line.notes[0]
    line.name.encode()
