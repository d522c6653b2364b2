"""What is checked out: submodules, changes of every kind, files that only a build makes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seqbench.errors import UsageError
from seqbench.gate.sameness import Differences, find_differences
from seqbench.gate.versions import Versions, check_out_versions
from tests.repositories import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "mini")


@pytest.fixture
def library(tmp_path: Path, repository: Repository) -> Repository:
    """Return a repository that is a submodule of the project, and has one itself."""
    inner, library = Repository(tmp_path / "inner"), Repository(tmp_path / "library")
    add_submodule(library, inner, "deep")
    add_submodule(repository, library, "vendor/library")
    repository.git(*ALLOWED, "submodule", "update", "--init", "--recursive")
    return library


ALLOWED = ("-c", "protocol.file.allow=always")


def add_submodule(repository: Repository, other: Repository, place: str) -> None:
    repository.git(*ALLOWED, "submodule", "add", "--quiet", str(other.folder), place)
    repository.commit("A submodule", {})


def change_inside(repository: Repository, place: str, text: str) -> str:
    """Commit another README in a submodule's working tree; return the commit."""
    inside = Repository.__new__(Repository)
    inside.folder = repository.folder / place
    return inside.commit("Inside", {"README.md": text})


@contextmanager
def check_out(repository: Repository, base: str, head: str = "worktree") -> Iterator[Versions]:
    """Check two versions out, and see that nothing is left of them."""
    with check_out_versions(repository.folder, base, head) as versions:
        yield versions
    assert not versions.base.folder.exists()
    for place in (".", "vendor/library", "vendor/library/deep"):
        if (repository.folder / place / ".git").exists():
            assert len(repository.git("-C", place, "worktree", "list").splitlines()) == 1


def test_submodules_are_there_on_both_sides_each_at_its_commit(
    repository: Repository, library: Repository
) -> None:
    for place in ("vendor/library/deep", "vendor/library"):
        change_inside(repository, place, f"{place}, later\n")
    repository.commit("Later submodules", {})
    with check_out(repository, "main~1", "main") as versions:
        for side, text in ((versions.base, "mini\n"), (versions.head, "vendor/library, later\n")):
            assert (side.folder / "vendor/library/README.md").read_text() == text
            assert (side.folder / "vendor/library/mini/harness.py").is_file()
        deep = versions.head.folder / "vendor/library/deep/README.md"
        assert deep.read_text() == "vendor/library/deep, later\n"
        assert not versions.head.changed
        assert versions.head.environment == ""


def test_a_submodule_comes_as_it_lies_there(repository: Repository, library: Repository) -> None:
    before = repository.git("status", "--short")
    change_inside(repository, "vendor/library", "a commit that is not recorded\n")
    (repository.folder / "vendor/library/new.py").write_text("new\n")
    with check_out(repository, "main") as versions:
        inside = versions.head.folder / "vendor/library"
        assert (inside / "README.md").read_text() == "a commit that is not recorded\n"
        assert (inside / "new.py").read_text() == "new\n"
        assert (versions.base.folder / "vendor/library/README.md").read_text() == "mini\n"
        assert versions.head.changed
    (repository.folder / "vendor/library/new.py").unlink()
    repository.git("submodule", "--quiet", "update")
    assert repository.git("status", "--short") == before
    with check_out(repository, "main") as versions:
        assert not versions.head.changed


def test_a_submodule_that_is_not_here_is_told(repository: Repository, library: Repository) -> None:
    repository.git("submodule", "--quiet", "deinit", "--all", "--force")
    with check_out(repository, "main") as versions:
        told = "the submodule vendor/library is not checked out"
        assert versions.head.environment == told
        assert list((versions.head.folder / "vendor/library").iterdir()) == []


def test_a_commit_of_a_submodule_that_is_not_here_is_an_error(repository: Repository) -> None:
    missing = "1" * 40
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{missing},vendor/library")
    repository.git("commit", "--quiet", "--message", "A submodule from nowhere")
    (repository.folder / "vendor").mkdir()
    Repository(repository.folder / "vendor/library")
    with pytest.raises(UsageError, match="commit 1111111111 of the submodule vendor/library is"):
        check_out_versions(repository.folder, "main", "main").__enter__()
    assert len(repository.git("worktree", "list").splitlines()) == 1


def test_a_repository_inside_that_is_not_added_comes_too(repository: Repository) -> None:
    Repository(repository.folder / "inside").commit("Two", {"README.md": "inside\n"})
    (repository.folder / "empty").mkdir()
    repository.git("init", "--quiet", "empty")
    with check_out(repository, "main") as versions:
        assert (versions.head.folder / "inside/README.md").read_text() == "inside\n"
        assert versions.head.changed


def test_changes_of_every_kind_come(repository: Repository) -> None:
    folder = repository.folder
    repository.commit("Things", {"file": "1\n", "folder/a.py": "1\n", "old.py": "1\n", "x.py": ""})
    (folder / "file").unlink()
    repository.write({"file/inside.py": "a folder now\n"})
    (folder / "folder/a.py").unlink()
    (folder / "folder").rmdir()
    repository.write({"folder": "a file now\n"})
    repository.git("mv", "old.py", "new.py")
    strange = os.fsdecode(b"gr\xf6\xdfe\n.py")
    (folder / strange).write_text("bytes\n")
    (folder / "x.py").chmod(0o755)
    os.mkfifo(folder / "pipe")
    with check_out(repository, "main") as versions:
        head = versions.head.folder
        assert find_differences(folder, head) == Differences(others=("pipe",))
        assert (head / strange).read_text() == "bytes\n"
        assert not (head / "old.py").exists()
        assert (head / "x.py").stat().st_mode & 0o100


SCM = '[tool.setuptools_scm]\nversion_file = "mini/made.py"\n'


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_changes_that_git_was_told_not_to_look_at_come_too(
    repository: Repository, flag: str
) -> None:
    repository.commit("Two", {"one.py": "1\n", "gone.py": "1\n"})
    repository.git("update-index", flag, "one.py", "gone.py")
    (repository.folder / "one.py").write_text("2\n")
    (repository.folder / "gone.py").unlink()
    with check_out(repository, "HEAD") as versions:
        assert (versions.head.folder / "one.py").read_text() == "2\n"
        sparse = flag == "--skip-worktree"  # its files are not missed where they are not
        assert (versions.head.folder / "gone.py").exists() is sparse


def test_a_generated_version_file_is_given_to_both_sides(repository: Repository) -> None:
    ignored = {".gitignore": "_version.py\nmade.py\nother.py\n", "pyproject.toml": SCM}
    repository.commit("Versions by setuptools-scm", ignored)
    files = {"mini/_version.py": "version = '1.2'\n", "mini/other.py": "no version\n"}
    repository.write(files | {"venv/lib/_version.py": "another's\n"})
    with check_out(repository, "main~1", "main") as versions:
        for side in (versions.base, versions.head):
            assert (side.folder / "mini/_version.py").read_text() == "version = '1.2'\n"
            assert not (side.folder / "mini/other.py").exists()
            assert not (side.folder / "venv").exists()
        made: dict[str, object] = {}
        exec((versions.head.folder / "mini/made.py").read_text(), made)
        assert {"version", "__version__", "version_tuple", "__version_tuple__"} <= set(made)
    repository.write({"mini/made.py": "version = '3'\n"})
    with check_out(repository, "main~1", "main") as versions:
        assert (versions.head.folder / "mini/made.py").read_text() == "version = '3'\n"
        assert not versions.head.changed


def test_a_version_file_that_is_committed_is_left_alone(repository: Repository) -> None:
    repository.commit("A version", {"pyproject.toml": SCM, "mini/made.py": "version = '1'\n"})
    repository.write({"mini/made.py": "version = '2'\n"})
    with check_out(repository, "main", "main") as versions:
        assert (versions.head.folder / "mini/made.py").read_text() == "version = '1'\n"
