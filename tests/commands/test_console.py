"""The screen: whatever its encoding, its reader and its disk, and whatever a text holds."""

import errno
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqbench.cli import main
from seqbench.commands.console import Screen
from seqbench.errors import ExitCode
from seqbench.results.reader import load_results
from tests.processes import run_seqbench

FULL = Path("/dev/full")
TEXT = "best: 95 % ± 2, 3.1 ×, é ☃ \x1b[31mred\x1b[0m \udc80 \x07[bold]x[/bold] :smile:"
SAY = f"""
import sys
from seqbench.commands import console
console.replace_unencodable()
console.say({TEXT!a})
sys.exit(console.end_output(None))
"""
"""What `main` does around a command, without the seconds that torch takes to be imported."""

SMALL = ("--train-examples", "64", "--threads", "1")


def python(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}
    env = kept | variables
    return subprocess.run([sys.executable, *words], cwd=cwd, capture_output=True, env=env)


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "cp1252"])
def test_what_an_encoding_lacks_is_replaced(encoding: str, tmp_path: Path) -> None:
    done = python("-c", SAY, cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    codec = encoding.partition(":")[0]
    shown = done.stdout.decode(codec)
    wanted = "best: 95 % ± 2, 3.1 ×, é ☃ [31mred[0m \ufffd [bold]x[/bold] :smile:\n"
    if codec == "ascii":
        wanted = wanted.replace("±", "+/-").replace("×", "x")
    assert shown == wanted.encode(codec, "replace").decode(codec)


@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "latin-1", "NO_COLOR": "1", "TERM": "dumb"},
    ],
)
def test_commands_print_on_any_terminal(variables: dict[str, str], result_folder: Path) -> None:
    words = ("compare", "sample", "sample")
    done = python("-m", "seqbench", *words, cwd=result_folder.parents[1], **variables)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"rnn" in done.stdout


def test_controls_in_a_result_do_not_reach_the_terminal(result_folder: Path) -> None:
    other = shutil.copytree(result_folder, result_folder.with_name("other"))
    for folder, cpu in ((result_folder, "A"), (other, "\x1b]0;pwned\x07\x9b31m\u202egpj")):
        environment = {"environment_id": "abc", "machine": {"cpu": cpu}}
        (folder / "environment.json").write_text(json.dumps(environment))
    done = run_seqbench("compare", "sample", "other", cwd=result_folder.parents[1])
    assert done.returncode == 0, done.stderr
    shown = done.stdout
    assert "]0;pwned31mgpj" in shown
    assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}


@pytest.mark.parametrize(
    "variables",
    [
        {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"},
        pytest.param({"NO_COLOR": "1"}, marks=pytest.mark.exhaustive),
    ],
)
def test_a_log_has_neither_colours_nor_bars(variables: dict[str, str], tmp_path: Path) -> None:
    done = run_seqbench("env", cwd=tmp_path, env=variables)
    assert json.loads(done.stdout)["software"]["torch"]["version"]
    words = ("run", "--seeds", "1", "--epochs", "1", "--hidden-size", "2", "--variant", "rnn")
    done = run_seqbench(*words, *SMALL, cwd=tmp_path, env=variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[1/1] row-digits n=64 rnn seed 0 on cpu: accuracy")
    assert "\x1b" not in done.stdout + done.stderr


def test_a_screen_is_a_terminal_where_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        for variables, expected in (
            ({"TERM": "xterm"}, True),
            ({"TERM": "xterm", "FORCE_COLOR": ""}, True),
            ({"TERM": "dumb"}, False),
        ):
            for name in ("TERM", "FORCE_COLOR"):
                monkeypatch.delenv(name, raising=False)
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            assert Screen().is_terminal is expected
    os.close(ours)


@pytest.mark.parametrize("words", [("list",), ("explain", "shapes"), ("report", "sample")])
def test_a_reader_that_has_gone_ends_a_command_without_a_word(
    words: tuple[str, ...], result_folder: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run_seqbench(*words, cwd=result_folder.parents[1], out=writing)
    os.close(writing)
    assert done.returncode == ExitCode.OUTPUT_CLOSED
    assert done.stderr == ""


def test_a_run_whose_reader_has_gone_keeps_what_is_finished(tmp_path: Path) -> None:
    words = ("run", "--seeds", "2", "--epochs", "1", "--hidden-size", "2", "--variant", "rnn")
    reading, writing = os.pipe()
    os.close(reading)
    done = run_seqbench(*words, *SMALL, cwd=tmp_path, out=writing)
    os.close(writing)
    assert done.returncode == ExitCode.OUTPUT_CLOSED
    assert done.stderr == ""
    assert len(load_results(tmp_path / "results" / "local" / "quick").runs) == 1
    again = run_seqbench(*words, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len(load_results(tmp_path / "results" / "local" / "quick").runs) == 2


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [("list",), ("--help",), ("--version",), ("report", "sample")])
def test_output_that_cannot_be_written_is_one_message(
    words: tuple[str, ...], result_folder: Path
) -> None:
    with FULL.open("wb") as full:
        done = run_seqbench(*words, cwd=result_folder.parents[1], out=full.fileno())
    assert done.returncode == ExitCode.RESULTS_UNREADABLE
    told = done.stderr
    assert os.strerror(errno.ENOSPC) in told
    assert len(told.splitlines()) == 1
    assert (result_folder.parents[1] / "reports").exists() is (words[0] == "report")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_under_a_log_costs_no_run(tmp_path: Path) -> None:
    words = ("run", "--seeds", "2", "--epochs", "1", "--hidden-size", "2", "--variant", "rnn")
    with FULL.open("wb") as full:
        done = run_seqbench(*words, *SMALL, cwd=tmp_path, out=full.fileno())
    assert done.returncode == ExitCode.RESULTS_UNREADABLE
    assert "Traceback" not in done.stderr
    assert len(load_results(tmp_path / "results" / "local" / "quick").runs) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("report", "a" * 300), "there is no result aaaa"),
        (("report", "sample", "--reports", "file"), "Not a directory"),
        (("report", "sample", "--reports", "/proc/nothing"), "No such file or directory"),
        (("pool", "a" * 201, "sample", "sample"), "200 characters at most"),
    ],
)
def test_files_that_cannot_be_are_one_message(
    words: tuple[str, ...], told: str, result_folder: Path
) -> None:
    folder = result_folder.parents[1]
    (folder / "file").write_text("")
    done = run_seqbench(*words, cwd=folder)
    assert done.returncode in (ExitCode.RESULTS_UNREADABLE, ExitCode.BAD_USE)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ImportError("long story\n\nlib.so: failed to map segment\n"), "failed to map segment"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_package_that_cannot_be_imported_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, told: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("seqbench.cli.app", fail)
    monkeypatch.setattr("sys.argv", ["seqbench", "list"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.BAD_USE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(told)
