"""Environments: what decides whether two are the same, and what is only recorded."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import seqbench
from seqbench.harness.environment import describe_environment
from seqbench.harness.packages import list_versions
from seqbench.results.environments import OF_TIMES, digest_environment, list_decisive_differences

ROOM = "seqbench.harness.environment"
Change = Callable[[dict[str, Any]], None]


def change(path: str, value: Any) -> Change:
    def apply(environment: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        for name in parents:
            environment = environment[name]
        environment[last] = value

    return apply


def changed(before: dict[str, Any], apply: Change) -> dict[str, Any]:
    after: dict[str, Any] = json.loads(json.dumps(before))
    apply(after)
    return after


GPU = {"name": "H", "memory_bytes": 1, "compute_capability": "9.0", "driver": "1"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return describe_environment()


@pytest.fixture
def here(described: dict[str, Any]) -> dict[str, Any]:
    return changed(described, change("machine.gpus", [GPU]))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("machine.memory_bytes", 4096),
        ("machine.gpus", [GPU | {"memory_bytes": 2}]),
        ("software.os", "Linux 6.0.0-other"),
        ("software.python", "CPython 3.11.99"),
        ("software.packages.ipython", "9.0"),
        ("software.packages.pandas", "1.0"),
        ("code.commit", "1"),
        ("command", "x"),
    ],
)
def test_what_changes_no_number_makes_no_other_environment(
    here: dict[str, Any], path: str, value: Any
) -> None:
    here["software"]["python"] = "CPython 3.11.7"
    here["software"]["os"] = "Linux 6.18.44"
    other = changed(here, change(path, value))
    assert other != here
    assert list_decisive_differences(here, other) == []
    assert digest_environment(here) == digest_environment(other)


@pytest.mark.parametrize(
    ("path", "value", "of_times"),
    [
        ("machine.cpu", "Z80", True),
        ("machine.architecture", "sparc", True),
        ("machine.logical_cores", 99, True),
        ("machine.usable_cores", 99, True),
        ("machine.affinity", [7], True),
        ("machine.cpu_quota", 0.5, True),
        ("machine.gpus", [GPU | {"driver": "2"}], True),
        ("machine.gpus", [], True),
        ("software.os", "Windows 11", False),
        ("software.python", "CPython 3.99.0", False),
        ("software.torch.version", "1.0", False),
        ("software.torch.cpu_capability", "DEFAULT", False),
        ("software.packages.numpy", "1.0", False),
        ("threads.inter_operator", 99, True),
        ("threads.variables.OMP_NUM_THREADS", "99", True),
        ("threads.flags.onednn", "x", True),
    ],
)
def test_what_can_change_a_number_makes_another_environment(
    here: dict[str, Any], path: str, value: Any, of_times: bool
) -> None:
    other = changed(here, change(path, value))
    (told,) = list_decisive_differences(here, other)
    assert told.startswith(f"{path}: ")
    assert bool(list_decisive_differences(here, other, OF_TIMES)) is of_times
    assert digest_environment(here) != digest_environment(other)


def test_a_field_that_an_older_environment_lacks_is_not_known_to_differ(
    here: dict[str, Any],
) -> None:
    older = changed(here, lambda each: each["machine"].pop("usable_cores"))
    older["threads"]["variables"].pop("MKL_CBWR")
    here["threads"]["variables"]["MKL_CBWR"] = "COMPATIBLE"
    assert list_decisive_differences(older, here) == list_decisive_differences(here, older) == []


def test_affinity_and_quota_are_recorded_and_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{ROOM}.list_usable_cores", lambda: frozenset({0, 1, 2}))
    monkeypatch.setattr(f"{ROOM}.psutil.cpu_count", lambda logical=True: 3)
    monkeypatch.setattr(f"{ROOM}.read_cpu_quota", lambda: None)
    whole = describe_environment()
    recorded = ("usable_cores", "affinity", "cpu_quota")
    assert [whole["machine"][name] for name in recorded] == [3, None, None]
    ids = {whole["environment_id"]}
    for cores in ({0, 1}, {1, 2}):
        monkeypatch.setattr(f"{ROOM}.list_usable_cores", lambda now=cores: frozenset(now))
        pinned = describe_environment()
        assert pinned["machine"]["affinity"] == sorted(cores)
        ids.add(pinned["environment_id"])
    monkeypatch.setattr(f"{ROOM}.read_cpu_quota", lambda: 1.5)
    limited = describe_environment()
    assert "machine.cpu_quota: None, 1.5" in list_decisive_differences(whole, limited)
    assert len(ids | {limited["environment_id"]}) == 4


def install(folder: Path, name: str, metadata: str | None) -> None:
    (folder / f"{name}.dist-info").mkdir(parents=True)
    if metadata is not None:
        (folder / f"{name}.dist-info" / "METADATA").write_text(metadata)


def test_an_unrelated_package_is_recorded_and_changes_no_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = describe_environment()
    install(tmp_path, "unrelated-1.0", "Name: unrelated\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    after = describe_environment()
    assert after["software"]["packages"]["unrelated"] == "1.0"
    assert after["environment_id"] == before["environment_id"]


def test_of_a_package_that_is_there_twice_the_imported_version_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "later", "twice-1.0", "Name: twice\nVersion: 1.0\n")
    install(tmp_path / "first", "twice-2.0", "Name: twice\nVersion: 2.0\n")
    monkeypatch.syspath_prepend(tmp_path / "later")
    monkeypatch.syspath_prepend(tmp_path / "first")
    assert describe_environment()["software"]["packages"]["twice"] == version("twice") == "2.0"


def test_what_pip_left_behind_is_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "~andas-0.1", None)
    install(tmp_path, "~umpy-0.1", "Name: numpy\nVersion: 0.1\n")
    install(tmp_path, "~one-0.1", "Name: gone\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    packages = describe_environment()["software"]["packages"]
    assert packages["numpy"] == version("numpy") != "0.1"
    assert "gone" not in packages


def install_module(folder: Path, name: str, said: str = "") -> None:
    """Put a module on a folder of the path, and its name into the record of its distribution."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(said)
    for found in folder.glob(f"{name}-*.dist-info"):
        (found / "RECORD").write_text(f"{name}/__init__.py,,\n{found.name}/METADATA,,\n")


@pytest.mark.parametrize(
    ("first", "said", "recorded"),
    [
        ("shadowing-2.0", "", "2.0"),  # another installation, which comes first
        (None, "__version__ = '3.0'", "3.0"),  # a plain folder that says what it is
        (None, "", "unknown"),  # and one that does not
    ],
)
def test_of_a_shadowed_package_what_is_imported_is_recorded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: str | None,
    said: str,
    recorded: str,
) -> None:
    install(tmp_path / "later", "shadowing-1.0", "Name: shadowing\nVersion: 1.0\n")
    install_module(tmp_path / "later", "shadowing")
    monkeypatch.syspath_prepend(tmp_path / "later")
    assert list_versions()["shadowing"] == "1.0"
    if first is not None:
        version_of_first = first.rpartition("-")[2]
        metadata = f"Name: shadowing\nVersion: {version_of_first}\n"
        install(tmp_path / "first", first, metadata)
    install_module(tmp_path / "first", "shadowing", said)
    monkeypatch.syspath_prepend(tmp_path / "first")
    importlib.import_module("shadowing")
    try:
        assert list_versions()["shadowing"] == recorded
        monkeypatch.setattr(sys, "path", [str(tmp_path / "later"), *sys.path])
        assert list_versions()["shadowing"] == recorded, "it is what was imported that counts"
    finally:
        del sys.modules["shadowing"]
    assert list_versions()["shadowing"] == "1.0"


@pytest.mark.parametrize(
    "metadata",
    [b"", b"Name: damaged", b"Version: 1", b"Name: \xff\xfe\nVersion: 1\n", b"\x00" * 9],
)
def test_damaged_metadata_is_no_package_and_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: bytes
) -> None:
    before = list_versions()
    folder = tmp_path / "damaged-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_bytes(metadata)
    (folder / "RECORD").write_bytes(b"\xff")
    monkeypatch.syspath_prepend(tmp_path)
    after = list_versions()
    assert {name: version for name, version in after.items() if name in before} == before
    assert describe_environment()["environment_id"]


@pytest.mark.parametrize(
    ("left", "name"),
    [
        ("pandas-9.9.dist-info", "pandas"),
        ("numpy-9.9.dist-info", "numpy"),
        ("pandas-7.7.egg-info", "pandas"),
        ("pandas-7.7-py3.11.egg-info", "pandas"),
        ("~andas-9.9.dist-info", "pandas"),
    ],
)
@pytest.mark.parametrize("described", [True, False])
def test_metadata_without_a_package_beside_them_record_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str, name: str, described: bool
) -> None:
    before = list_versions()
    folder = tmp_path / left
    folder.mkdir()
    for file in ("METADATA", "PKG-INFO") if described else ():
        (folder / file).write_text(f"Name: {left.partition('-')[0]}\nVersion: 9.9\n")
        (folder / "top_level.txt").write_text(f"{name}\n")
    monkeypatch.syspath_prepend(tmp_path)
    for imported in (True, False):
        if not imported:  # as where nothing has needed it so far
            monkeypatch.delitem(sys.modules, name)
        assert list_versions() == before


def test_git_that_refuses_is_told_and_git_that_is_not_there_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "home of somebody" / "seqbench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(seqbench, "__file__", str(package / "__init__.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    nothing = {"commit": None, "dirty": None, "fault": None}

    def code() -> dict[str, Any]:
        described = describe_environment()["code"]
        return {name: each for name, each in described.items() if name != "version"}

    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(package), *words], check=True, capture_output=True)

    assert code() == nothing, "no repository"
    for named, commit in (("0123abc", "0123abc"), ("main", None), ("", None)):
        monkeypatch.setenv("SEQBENCH_COMMIT", named)
        assert code() == {**nothing, "commit": commit}, "a copy says which it is of"
    git("init", "--quiet")
    assert code() == nothing, "not tracked"
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=b", "commit", "--quiet", "-m", "x")
    known = code()
    assert (len(known["commit"]), known["dirty"], known["fault"]) == (40, False, None)
    monkeypatch.setenv("SEQBENCH_COMMIT", "0123abc")
    assert code() == known, "git knows better"
    monkeypatch.delenv("SEQBENCH_COMMIT")
    (package / "results").mkdir()
    (package.parent / "new.py").write_text("")
    assert code()["dirty"] is False, "outside the repository"
    (package / "results" / "runs.csv").write_text("")
    assert code()["dirty"] is False, "what runs leave behind"
    (package / "new.py").write_text("")
    assert code()["dirty"] is True
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as in another user's folder
    monkeypatch.setenv("HOME", str(tmp_path))
    refused = code()
    assert (refused["commit"], refused["dirty"]) == (None, None)
    assert refused["fault"].startswith("fatal: detected dubious ownership in repository at …")
    assert "home of somebody" not in json.dumps(refused), "no path is recorded"
    monkeypatch.setenv("PATH", "")
    assert code() == nothing, "no git"
