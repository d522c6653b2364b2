"""Two versions side by side: what is checked out where, and which Python runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqbench.errors import UsageError
from seqbench.gate import environments
from seqbench.gate.environments import find_environments, make_environment, read_dependencies
from seqbench.gate.versions import check_out_versions
from tests.repositories import Repository

PROJECT = """
[build-system]
requires = ["hatchling"]

[project]
name = "mini"
version = "1"
dependencies = ["torch>=2.11"]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "mini")


def test_each_version_has_a_folder_of_its_own_with_equally_long_paths(
    repository: Repository,
) -> None:
    first = repository.git("rev-parse", "HEAD")
    second = repository.commit("Say more", {"README.md": "more\n"})
    third = repository.commit("And more", {"README.md": "and more\n"})
    with check_out_versions(repository.folder / "benchmarks", first[:12], "main") as versions:
        base, head = versions.base, versions.head
        assert (base.commit, head.commit) == (first, third)
        assert (base.folder / "README.md").read_text() == "mini\n"
        assert (head.folder / "README.md").read_text() == "and more\n"
        assert len(str(base.folder)) == len(str(head.folder))
        assert versions.commits == (f"{third[:7]} And more", f"{second[:7]} Say more")
        assert str(head) == f"{third[:10]} (And more)"
    assert not base.folder.exists()
    assert len(repository.git("worktree", "list").splitlines()) == 1


def test_the_code_as_it_lies_there_comes_with_every_change(repository: Repository) -> None:
    folder = repository.folder
    repository.commit("More files", {".gitignore": "*.csv\n", "old.txt": "old\n", "a.py": "1\n"})
    repository.write({"new/file.txt": "new\n", "a.py": "2\n", "data.csv": "ignored\n"})
    repository.write({"staged.txt": "staged\n"})
    repository.git("add", "staged.txt")
    (folder / "old.txt").unlink()
    (folder / "link").symlink_to("a.py")
    with check_out_versions(folder, "main") as versions:
        head = versions.head.folder
        assert versions.head.changed
        assert not versions.base.changed
        assert (head / "new/file.txt").read_text() == "new\n"
        assert (head / "a.py").read_text() == "2\n"
        assert (head / "staged.txt").read_text() == "staged\n"
        assert (head / "link").readlink() == Path("a.py")
        assert not (head / "old.txt").exists()
        assert not (head / "data.csv").exists()
        assert (versions.base.folder / "old.txt").read_text() == "old\n"


def test_a_failure_leaves_no_worktree(repository: Repository) -> None:
    with pytest.raises(UsageError, match=r"no revision 'nowhere'.*fetch-depth"):  # noqa: SIM117
        with check_out_versions(repository.folder, "main", "nowhere"):
            pass
    assert len(repository.git("worktree", "list").splitlines()) == 1


def test_where_nothing_they_depend_on_differs_both_run_with_this_python(tmp_path: Path) -> None:
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "head" / "pyproject.toml").write_text(PROJECT + '\n[tool.ruff]\nselect = ["D"]\n')
    (tmp_path / "base" / "constraints.txt").write_text("numpy==2.4.6\ntorch==2.13.0\n")
    (tmp_path / "head" / "constraints.txt").write_text("# tested\ntorch==2.13.0\nnumpy==2.4.6\n")
    found = find_environments(tmp_path / "base", tmp_path / "head")
    assert [each.python for each in found] == [sys.executable] * 2
    assert [each.description for each in found] == ["", ""]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pyproject.toml", PROJECT.replace("2.11", "2.12")),
        ("pyproject.toml", PROJECT.replace("hatchling", "hatchling>=1.24")),
        ("constraints.txt", "torch==2.13.1\n"),
        ("requirements-dev.txt", "six\n"),
        ("pyproject.toml", PROJECT + '\n[tool.poetry.dependencies]\ntorch = "^2.12"\n'),
        ("setup.cfg", "[options]\ninstall_requires =\n  torch>=2.12\n"),
        ("setup.py", "from setuptools import setup\nsetup(install_requires=['torch'])\n"),
    ],
)
def test_where_they_depend_on_other_packages_each_has_an_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str
) -> None:
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(PROJECT)
        (tmp_path / name / "constraints.txt").write_text("torch==2.13.0\n")
    (tmp_path / "head" / file).write_text(text)
    assert read_dependencies(tmp_path / "base") != read_dependencies(tmp_path / "head")
    made = []

    def make(project: Path, wanted: object = ()) -> Path:
        made.append(project.name)
        return project / "python"

    monkeypatch.setattr(environments, "make_environment", make)
    base, head = find_environments(tmp_path / "base", tmp_path / "head")
    assert made == ["base", "head"]
    assert (base.python, head.python) == (
        str(tmp_path / "base" / "python"),
        str(tmp_path / "head" / "python"),
    )


def test_what_only_another_tool_follows_is_told(tmp_path: Path) -> None:
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "setup.cfg").write_text(f"[flake8]\nexclude = {name}\n")
        (tmp_path / name / "uv.lock").write_text(f"{name}\n")
    base, head = find_environments(tmp_path / "base", tmp_path / "head")
    assert base.python == head.python == sys.executable
    assert (base.description, head.description) == ("", "uv.lock differs and is not followed")
    (tmp_path / "head" / "poetry.lock").write_bytes(b"\xff")
    _, head = find_environments(tmp_path / "base", tmp_path / "head")
    assert head.description == "poetry.lock and uv.lock differ and are not followed"


def test_an_environment_is_made_with_what_is_wanted_before_the_constraints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What makes the environment and pip are replaced by what writes down what they are told."""
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path))
    monkeypatch.setattr("venv.create", lambda folder, with_pip: folder.mkdir(parents=True))
    project = tmp_path / "mini"
    project.mkdir()
    (project / "constraints.txt").write_text("Torch==2.13.0\nnumpy==2.4.6\n")
    said: list[list[str]] = []

    def install(python: Path, words: list[str]) -> None:
        said.append(words)

    monkeypatch.setattr(environments, "_install", install)
    python = make_environment(project, ["torch==2.12.0"])
    option, constraints, wanted = said[0]
    assert (option, wanted) == ("-c", "torch==2.12.0")
    assert Path(constraints).read_text() == "numpy==2.4.6"
    assert make_environment(project, ["torch==2.12.0"]) == python
    assert len(said) == 1
    assert make_environment(project) != python


def test_an_environment_that_cannot_be_installed_is_told_with_what_pip_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path))
    project = tmp_path / "mini"
    project.mkdir()
    with pytest.raises(UsageError, match=r"(?s)environment of mini.*nowhere.txt"):
        make_environment(project, [f"-r{tmp_path}/nowhere.txt"])
    assert not list(tmp_path.glob("gate/*/complete"))  # so it is made anew the next time


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("requirements.txt", "# größer\nsix\n".encode("latin-1")),
        ("requirements/base.txt", b"six\n"),
        ("requirements.txt", "six\n".encode("utf-16")),
        ("pyproject.toml", b"[project\nbroken = \xff\n"),
        ("pyproject.toml", b"project = 3\n"),
        ("setup.cfg", b"\xef\xbb\xbf[options]\ninstall_requires = six\n"),
        ("setup.cfg", b"[options]\ninstall_requires = file: needs.in\n"),
        ("setup.py", b"setup(install_requires=open('needs.in').read().split())\n"),
        ("pyproject.toml", b"[tool.setuptools.dynamic]\ndependencies = {file = ['needs.in']}\n"),
    ],
)
def test_dependencies_of_any_encoding_and_kind_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: bytes
) -> None:
    """What differs is the file itself, or the one that it reads."""
    monkeypatch.setenv("LC_ALL", "C")
    for name in ("base", "head"):
        (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name / file).write_bytes(text)
        (tmp_path / name / "needs.in").write_text("six\n")
    sides = tmp_path / "base", tmp_path / "head"
    assert find_environments(*sides)[1].python == sys.executable
    changed = sides[1] / ("needs.in" if b"needs.in" in text else file)
    changed.write_bytes(changed.read_bytes() + b"  tabulate\n")
    assert read_dependencies(sides[0]) != read_dependencies(sides[1])


def test_dependencies_are_read_under_an_ascii_locale(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes("# größer\nsix\n".encode())
    (tmp_path / "constraints.txt").write_bytes("# größer\nsix==1.17.0\n".encode("latin-1"))
    program = (
        "import sys; from pathlib import Path; from seqbench.gate import environments as e; "
        "project = Path(sys.argv[1]); print(e.read_dependencies(project).count('six'), "
        "len(e._list_installs(project, project / 'kept', [])))"
    )
    (tmp_path / "kept").mkdir()
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", program, str(tmp_path)],
        env=os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["2", "4"], done.stderr
    assert (tmp_path / "kept" / "constraints.txt").read_bytes().endswith(b"six==1.17.0")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("environment.yml", "dependencies: [torch=2.12]\n"),
        ("environment-dev.yaml", "dependencies: [torch=2.12]\n"),
        ("conda-lock.yml", "torch\n"),
        ("pylock.toml", "torch\n"),
        ("pixi.toml", "torch\n"),
    ],
)
def test_a_file_of_another_tool_that_only_one_side_has_is_told(
    tmp_path: Path, file: str, text: str
) -> None:
    for name in ("base", "head"):
        (tmp_path / name).mkdir()
    (tmp_path / "head" / file).write_text(text)
    assert find_environments(tmp_path / "base", tmp_path / "head")[1].description == (
        f"{file} differs and is not followed"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("project.optional-dependencies", '[project.optional-dependencies]\ntest = ["six"]\n'),
        ("dependency-groups", '[dependency-groups]\ntest = ["six"]\n'),
        ("tool.poetry.group", '[tool.poetry.group.test.dependencies]\nsix = "*"\n'),
        ("tool.uv", '[tool.uv.sources]\ntorch = {index = "cpu"}\n'),
    ],
)
def test_a_table_that_is_not_followed_is_told(tmp_path: Path, name: str, text: str) -> None:
    for side in ("base", "head"):
        (tmp_path / side).mkdir()
    (tmp_path / "head" / "pyproject.toml").write_text(text)
    (tmp_path / "base" / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    _, head = find_environments(tmp_path / "base", tmp_path / "head")
    assert head.description == f"{name} differs and is not followed"
    assert head.python == sys.executable


def test_a_project_that_depends_on_nothing_installs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path))
    monkeypatch.setattr("venv.create", lambda folder, with_pip: folder.mkdir(parents=True))
    monkeypatch.setattr(environments, "_install", None)
    (tmp_path / "mini").mkdir()
    (tmp_path / "mini" / "constraints.txt").write_text("six\n")
    assert make_environment(tmp_path / "mini").parent.parent.parent == tmp_path / "gate"
