"""What a command writes and says: checked before, files first, and no result lost over it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqbench.cli import main
from seqbench.commands.outputs import Output, check_folder, check_outputs, write_outputs
from seqbench.errors import ExitCode, UsageError
from tests.processes import run_seqbench
from tests.repositories import OWN_CLOCK, Repository

FULL = Path("/dev/full")


def make_unwritable(kind: str, tmp_path: Path) -> Path:
    """Return a place where no file can be written, not even by root."""
    (tmp_path / "file").write_text("here\n")
    return {
        "a folder": tmp_path,
        "in no folder": tmp_path / "none" / "gate.md",
        "in a file": tmp_path / "file" / "gate.md",
        "too long": tmp_path / ("n" * 300),
        "in proc": Path("/proc/none/gate.md"),
    }[kind]


UNWRITABLE = ("a folder", "in no folder", "in a file", "too long", "in proc")


@pytest.mark.parametrize("kind", UNWRITABLE)
def test_a_file_that_cannot_be_written_is_refused_by_the_option_that_names_it(
    kind: str, tmp_path: Path
) -> None:
    place = make_unwritable(kind, tmp_path)
    with pytest.raises(UsageError, match=r"cannot be written: .*; --summary names it"):
        check_outputs([Output("--summary", place)])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file"]


def test_the_check_leaves_files_as_they_are(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("before\n")
    check_outputs([Output("--summary", there), Output("--evidence", tmp_path / "new")])
    check_outputs([Output("--summary", Path(os.devnull))])
    assert there.read_text() == "before\n"
    assert [each.name for each in tmp_path.iterdir()] == ["there"]


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="it is a pipe without a reader; --evidence names it"):
        check_outputs([Output("--evidence", pipe)])
    assert "a pipe without a reader" in write_outputs([(Output("--evidence", pipe), "lost\n")])[0]
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_outputs([Output("--evidence", pipe)])
        assert write_outputs([(Output("--evidence", pipe), "read\n")]) == []
        assert os.read(reader, 100) == b"read\n"
    finally:
        os.close(reader)


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "one")
    with pytest.raises(UsageError, match="--summary and --evidence name the same file"):
        check_outputs([Output("--summary", tmp_path / "one"), Output("--evidence", link)])


@pytest.mark.parametrize("kind", ["in a file", "too long", "in proc"])
def test_a_folder_in_which_nothing_can_be_written_is_refused(kind: str, tmp_path: Path) -> None:
    place = make_unwritable(kind, tmp_path)
    with pytest.raises(UsageError, match=r"cannot be written: .*; --reports names it"):
        check_folder("--reports", place / "history")
    check_folder("--reports", tmp_path / "new" / "history")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file"]


def test_what_cannot_be_written_stops_nothing_else(tmp_path: Path) -> None:
    if not FULL.exists():
        pytest.skip("the system has no /dev/full")
    outputs = Output("--summary", FULL), Output("--evidence", tmp_path / "gate.csv")
    told = "/dev/full cannot be written: No space left on device; --summary names it"
    assert write_outputs([(each, "half a \ud800 pair\n") for each in outputs]) == [told]
    assert (tmp_path / "gate.csv").read_text() == "half a ? pair\n"


COMMAND = ("gate", "--base", "main~1", "--error-rate", "0.9")
Gate = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a repository whose last commit slows all by a fifth."""
    repository = Repository(tmp_path / "mini")
    repository.replace("Slöw → ü", "mini/harness.py", "now += ", "now += 1.2 * ")
    return repository.folder


@pytest.fixture
def gate(project: Path) -> Gate:
    """Return what runs the gate over that commit."""

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {"GITHUB_STEP_SUMMARY": ""} | variables
        return run_seqbench(*COMMAND, *words, cwd=project, program=OWN_CLOCK, strict=True, env=env)

    return run


@pytest.mark.parametrize("words", [["report", "quick"], ["run", "--report"]])
@pytest.mark.parametrize("kind", ["in a file", "too long", "in proc"])
def test_a_folder_of_reports_that_cannot_be_written_is_refused_before_the_work(
    words: list[str],
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place, results = make_unwritable(kind, tmp_path), tmp_path / "results"
    folders = [f"--reports={place}", f"--results={results}"]
    monkeypatch.setattr("sys.argv", ["seqbench", *words, *folders])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.BAD_USE
    assert f"error: {place} cannot be written" in (told := capsys.readouterr().err)
    assert "--reports names it" in told
    assert not results.exists()


@pytest.mark.parametrize("option", ["--summary", "--evidence", "GITHUB_STEP_SUMMARY"])
@pytest.mark.parametrize("kind", ["a folder", "in no folder"])
def test_the_gate_refuses_before_it_measures(
    gate: Gate, kind: str, option: str, tmp_path: Path
) -> None:
    place = str(make_unwritable(kind, tmp_path))
    done = gate(option, place) if option.startswith("--") else gate(GITHUB_STEP_SUMMARY=place)
    assert done.returncode == ExitCode.BAD_USE
    assert f"{option} names it" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "option",
    [
        "GITHUB_STEP_SUMMARY",
        pytest.param("--summary", marks=pytest.mark.exhaustive),
        pytest.param("--evidence", marks=pytest.mark.exhaustive),
    ],
)
def test_a_disk_that_is_full_by_then_does_not_change_the_verdict(
    gate: Gate, tmp_path: Path, option: str
) -> None:
    if not FULL.exists():
        pytest.skip("the system has no /dev/full")
    places = {name: tmp_path / name for name in ("--summary", "GITHUB_STEP_SUMMARY", "--evidence")}
    places[option] = FULL
    variables = {"GITHUB_STEP_SUMMARY": str(places.pop("GITHUB_STEP_SUMMARY"))}
    done = gate(*(str(each) for pair in places.items() for each in pair), **variables)
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stderr
    assert "### Regression" in done.stdout
    assert f"/dev/full cannot be written: No space left on device; {option}" in done.stderr
    for place in {*places.values(), Path(variables["GITHUB_STEP_SUMMARY"])} - {FULL}:
        assert place.read_text(), "the others are written"


@pytest.mark.parametrize("screen", ["full", "closed"])
def test_a_screen_that_takes_nothing_does_not_lose_the_files(
    project: Path, tmp_path: Path, screen: str
) -> None:
    if not FULL.exists():
        pytest.skip("the system has no /dev/full")
    reading, writing = os.pipe()
    os.close(reading)
    with FULL.open("wb") as full:
        done = run_seqbench(
            *(*COMMAND, "--summary", tmp_path / "gate.md"),
            cwd=project,
            program=OWN_CLOCK,
            out=full.fileno() if screen == "full" else writing,
        )
    os.close(writing)
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "gate.md").read_text().startswith("### Regression")


@pytest.mark.parametrize(
    "encoding", ["ascii", pytest.param("cp1252", marks=pytest.mark.exhaustive)]
)
def test_a_screen_of_another_encoding_says_what_it_can(
    project: Path, encoding: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, str(OWN_CLOCK), *COMMAND, "--summary", str(tmp_path / "gate.md")],
        cwd=project,
        capture_output=True,
        env=os.environ | {"GITHUB_STEP_SUMMARY": "", "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stderr
    said = done.stdout.decode(encoding)
    assert "Sl" in said
    assert "memory" in said
    if encoding == "ascii":
        assert "Sl?w -> ?" in said
    assert "Slöw → ü" in (tmp_path / "gate.md").read_text(encoding="utf-8")
