"""Git as it is asked: whatever the user has set, and whatever bytes people have written."""

import os
import subprocess
from pathlib import Path

import pytest

from seqbench.errors import UsageError
from seqbench.git import ask_git, find_top, list_paths, run_git
from tests.repositories import Repository

SETTINGS = (
    "color.ui=always",
    "color.status=always",
    "core.pager=false",
    "core.quotePath=true",
    "core.abbrev=40",
    "i18n.logOutputEncoding=UTF-16",
    "i18n.commitEncoding=ISO-8859-1",
    "log.showSignature=true",
    "log.decorate=full",
    "log.date=iso",
    "log.mailmap=true",
    "log.follow=true",
    "format.pretty=fuller",
    "diff.external=false",
    "diff.noprefix=true",
    "diff.renames=copies",
    "diff.ignoreSubmodules=all",
    "status.showUntrackedFiles=no",
    "status.short=true",
    "status.branch=true",
    "submodule.recurse=true",
)
"""Of a user, each of which changes what git says or does."""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "mini")
    repository.commit("Groß", {"groß.txt": "1\n"})
    repository.git("mv", "groß.txt", "größer.txt")
    commit(repository, "Größer".encode(), SIGNATURE)
    repository.git("commit", "--quiet", "--message", "Größer, wirklich")
    repository.git("mv", "größer.txt", "kleiner.txt")
    return repository


SIGNATURE = "\n ".join(
    ["gpgsig -----BEGIN PGP SIGNATURE-----", "", "nobody's", "-----END PGP SIGNATURE-----\n"]
)


def ask_all(folder: Path) -> list[object]:
    return [
        ask_git(folder, "log", "--format=%h %s"),
        ask_git(folder, "log", "-1", "--format=%s", "HEAD"),
        ask_git(folder, "log", "--format=%H", "--", "größer.txt"),
        ask_git(folder, "status", "--porcelain", "--", "new.txt"),
        list_paths(folder, "diff", "-z", "--name-only", "--cached"),
        list_paths(folder, "ls-files", "-z", "--others"),
        list_paths(folder, "ls-tree", "-r", "-z", "HEAD"),
        find_top(folder / "benchmarks"),
    ]


def test_no_setting_changes_what_git_says(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository.folder / "new.txt").write_text("new\n")
    expected = ask_all(repository.folder)
    assert "Größer" in str(expected[0])
    assert expected[3] == "?? new.txt"
    assert expected[4] == ["größer.txt", "kleiner.txt"]
    gpg = repository.folder.with_name("gpg")
    gpg.write_text("#!/bin/sh\necho checked >&2\n")
    gpg.chmod(0o755)
    settings = (*SETTINGS, f"gpg.program={gpg}")
    for number, setting in enumerate(settings):
        name, _, value = setting.partition("=")
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_EXTERNAL_DIFF"):
        monkeypatch.setenv(name, "/nowhere")  # as in a hook
    assert ask_all(repository.folder) == expected


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("Größe".encode("latin-1"), "Gr\ufffd\ufffde"),
        ("Größe → ü".encode(), "Größe → ü"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"lone \xed\xa0\x80 surrogate", "lone \ufffd\ufffd\ufffd surrogate"),
        (b"\x1b[31mred\x07", "[31mred"),
    ],
)
def test_a_subject_is_text_that_can_be_printed(
    repository: Repository, subject: bytes, shown: str
) -> None:
    commit(repository, subject)
    assert ask_git(repository.folder, "log", "-1", "--format=%s") == shown


def commit(repository: Repository, subject: bytes, encoding: str = "") -> None:
    """Make a commit with a message of any bytes, which `git commit` would make UTF-8."""
    tree, parent = (repository.git("rev-parse", each) for each in ("HEAD^{tree}", "HEAD"))
    who = "test <test@example.org> 1767225600 +0000"
    head = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n{encoding}\n".encode()
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        input=head + subject + b"\n",
        cwd=repository.folder,
        check=True,
        capture_output=True,
    )
    repository.git("update-ref", "HEAD", made.stdout.decode().strip())


def test_a_subject_that_says_its_encoding_is_read_in_it(repository: Repository) -> None:
    commit(repository, "Größe".encode("latin-1"), "encoding ISO-8859-1\n")
    assert ask_git(repository.folder, "log", "-1", "--format=%s") == "Größe"


@pytest.mark.parametrize("name", [b"gr\xf6\xdfe.txt", b"a\nb", b' "quoted" ', b"\xff\xfe", b"-x"])
def test_a_path_is_what_the_file_system_has(repository: Repository, name: bytes) -> None:
    (repository.folder / os.fsdecode(name)).write_bytes(b"content")
    repository.git("add", "--all")
    (found,) = set(list_paths(repository.folder, "ls-files", "-z")) - {
        *("README.md", "benchmarks/gate.py", "kleiner.txt", "mini/harness.py")
    }
    assert os.fsencode(found) == name
    assert (repository.folder / found).read_bytes() == b"content"


@pytest.mark.parametrize("name", [b"gr\xf6\xdfe", b"ends in a space ", b"two\nlines"])
def test_a_repository_may_have_any_name(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    run_git(folder, "init", "--quiet")
    assert find_top(folder) == folder
    with pytest.raises(UsageError, match=r"(?s)git log in .* failed") as failed:
        ask_git(folder, "log")
    str(failed.value).encode()


def test_git_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed"):
        ask_git(tmp_path, "log")
