"""Commands on stored results: a bad one stops no other, and an edit can be accepted."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqbench.cli import main
from seqbench.errors import ExitCode

Told = tuple[int, str, str]


@pytest.fixture
def seqbench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    """Return what runs a command in a folder of its own: exit code, output and complaints."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Told:
        monkeypatch.setattr(sys, "argv", ["seqbench", *words])
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        told = capsys.readouterr()
        assert isinstance(code, int | None)
        return int(code or 0), told.out, told.err

    return run


def damage(folder: Path) -> None:
    """Damage a result in one of many ways, by the name of its folder."""
    environment = folder / "environment.json"
    if folder.name == "b":
        (folder / "runs.csv").write_text("nonsense\n")
    elif folder.name == "c":
        environment.write_text(json.dumps({"machine": [1]}))
    elif folder.name == "d":
        path = folder / "epochs.csv"
        path.write_text(path.read_text().replace("0.45", "0.46"))
    elif folder.name == "e":
        environment.write_text("[" * 100_000)
    elif folder.name == "f":
        (folder / "timings.csv").write_text(f'run_id\n"{"x" * 200_000}"\n')
    elif folder.name == "g":
        (folder / "runs.csv").unlink()
        (folder / "runs.csv").mkdir()


NAMES = "abcdefgh"


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory, write_result: Callable[..., Path]) -> Path:
    """Return a folder of results of which the first and the last can be read."""
    folder = tmp_path_factory.mktemp("results")
    for day, name in enumerate(NAMES, 1):
        damage(write_result(folder / name, day))
    return folder


@pytest.fixture
def several(tmp_path: Path, damaged: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(damaged, tmp_path / "results")


def test_a_result_that_cannot_be_read_stops_no_report_of_others(
    several: Path, seqbench: Callable[..., Told]
) -> None:
    code, said, complained = seqbench("report")
    assert code == ExitCode.RESULTS_UNREADABLE
    assert said.split() == ["report:", "reports/a/README.md", "report:", "reports/h/README.md"]
    lines = complained.splitlines()
    assert len([line for line in lines if line.startswith("error: ")]) == 6
    assert lines[-1] == "6 of 8 results have no report of today"
    code, said, _ = seqbench("report", "c", "a")
    assert (code, said.split()) == (ExitCode.RESULTS_UNREADABLE, ["report:", "reports/a/README.md"])


def test_a_result_that_cannot_be_read_is_left_out_of_a_history(
    several: Path, seqbench: Callable[..., Told]
) -> None:
    code, said, _ = seqbench("history", "--folder", "results")
    assert code == ExitCode.OK
    assert said.count(" is left out: ") >= 5
    points = (Path("reports") / "history" / "results" / "points.csv").read_text()
    assert ",a," in points
    assert ",h," in points


def test_an_edit_is_refused_until_it_is_accepted(
    several: Path, seqbench: Callable[..., Told]
) -> None:
    code, _, complained = seqbench("report", "d")
    assert code == ExitCode.RESULTS_UNREADABLE
    assert "was edited, in epochs.csv" in complained
    assert "say with `seqbench accept results/d` that it was meant" in complained.replace("\n", " ")
    code, said, _ = seqbench("accept", "d")
    assert code == ExitCode.OK
    assert "was edited, in epochs.csv" in said
    assert said.endswith("accepted in results/d\n")
    assert seqbench("report", "d")[0] == ExitCode.OK
    assert "edited by hand" in Path("reports/d/README.md").read_text()
    assert seqbench("accept", "d")[1] == "nothing was edited in results/d\n"
    for name in ("b", "nowhere"):
        assert seqbench("accept", name)[0] == ExitCode.RESULTS_UNREADABLE


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200, "a/" * 3000])
@pytest.mark.parametrize("command", ["report", "accept", "compare"])
def test_a_name_that_no_file_may_have_is_a_message(
    several: Path, seqbench: Callable[..., Told], command: str, name: str
) -> None:
    code, _, complained = seqbench(command, name, *(["a"] if command == "compare" else []))
    assert code in (ExitCode.RESULTS_UNREADABLE, ExitCode.BAD_USE)
    assert complained.startswith("error: ")


@pytest.mark.parametrize(
    "words", [("report", "none"), ("compare", "a", "none"), ("verify", "none")]
)
def test_an_unknown_name_is_told_with_both_places(
    several: Path, seqbench: Callable[..., Told], words: tuple[str, ...]
) -> None:
    code, _, complained = seqbench(*words)
    assert code == ExitCode.RESULTS_UNREADABLE
    told = " ".join(complained.split())
    assert "no result none: no folder none, results/none or results/local/none" in told


def test_the_history_of_local_results_is_local(
    several: Path, seqbench: Callable[..., Told]
) -> None:
    several.rename("kept")
    several.mkdir()
    Path("kept").rename(several / "local")
    assert seqbench("history", "--folder", "results/local")[0] == ExitCode.OK
    assert [str(each) for each in Path("reports").iterdir()] == ["reports/local"]
    subprocess.run(["git", "init", "-q"], check=True)
    code, _, complained = seqbench("history", "local/a")
    assert code == ExitCode.BAD_USE
    told = " ".join(complained.split())
    assert "publish them with `seqbench run --publish`" in told
    assert "commit the results" not in told


def test_pooling_says_what_it_archived(
    tmp_path: Path, write_result: Callable[..., Path], seqbench: Callable[..., Told]
) -> None:
    for name in ("a", "both"):
        write_result(tmp_path / "results" / name, 1)
    code, said, _ = seqbench("pool", "both", "a", "--publish")
    assert code == ExitCode.OK
    (archived,) = Path("results/.earlier").glob("both-*")
    assert f"earlier result kept in {archived}\n" in said
