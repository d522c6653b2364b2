"""The command line as a person uses it: real processes, real exit codes."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import seqbench as seqbench_package
from seqbench.cli import main
from seqbench.errors import ExitCode
from seqbench.results.reader import load_results
from tests.processes import Command, run_seqbench

FAST = ("--hidden-size", "4", "--epochs", "1", "--threads", "1")


def seqbench(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_seqbench(*words, cwd=cwd, strict=True, env={"SEQBENCH_DATA": str(cwd / "no-data")})


def test_the_main_job_leaves_csv_figures_and_a_report(tmp_path: Path) -> None:
    done = seqbench("run", "--report", "--seeds", "2", *FAST, cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "[12/12] row-digits bilstm seed 1 on cpu: accuracy" in done.stdout
    results = load_results(tmp_path / "results" / "local" / "quick")
    assert results.runs["variant"].tolist()[:6] == [
        "rnn",
        "birnn",
        "gru",
        "bigru",
        "lstm",
        "bilstm",
    ]
    assert results.runs["seed"].tolist() == [0] * 6 + [1] * 6
    assert (results.runs["status"] == "ok").all()
    assert set(results.runs["environment_id"]) == {results.environment["environment_id"]}
    report = tmp_path / "reports" / "local" / "quick"
    assert len(list(report.glob("*.png"))) == 5
    command = "seqbench run --suite quick --seeds 2 --threads 1 --epochs 1 --hidden-size 4"
    assert command == results.environment["command"].replace("0,1", "2")
    assert results.environment["command"] in (report / "README.md").read_text()


def test_a_run_of_ones_own_is_a_grid_of_the_options(tmp_path: Path) -> None:
    done = seqbench(
        "run", "--task", "row-digits", "--variant", "rnn,gru", "--hidden-size", "2,3",
        "--readout", "final", "--seeds", "7,", "--epochs", "1", "--learning-rate", "0.01",
        "--dropout", "0.1", "--name", "mine", "--save-checkpoints", "--device", "cpu",
        "--train-examples", "64", "--threads", "1", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr
    results = load_results(tmp_path / "results" / "local" / "mine")
    runs = results.runs
    assert list(zip(runs["hidden_size"], runs["variant"], strict=True)) == [
        (2, "rnn"), (2, "gru"), (3, "rnn"), (3, "gru"),
    ]  # fmt: skip
    assert set(runs["seed"]) == {7}
    assert set(runs["learning_rate"]) == {0.01}
    assert set(runs["suite"]) == {"custom"}
    kept = (tmp_path / "results" / "local" / "mine" / "checkpoints").glob("*.ckpt")
    assert {path.stem for path in kept} == set(runs["run_id"])
    assert results.environment["command"].endswith(" --save-checkpoints --name mine")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "--suite", "quik"), "unknown suite 'quik'; did you mean quick?"),
        (("run", "--variant", "bilstn"), "did you mean bilstm"),
        (("run", "--task", "row-digit"), "did you mean row-digits"),
        (("run", "--readout", "lasst"), "did you mean last"),
        (("run", "--epochs", "0"), "--epochs must be at least 1 without --measure"),
        (("run", "--epochs", "two"), "--epochs must be a whole number, at least 0, not 'two'"),
        (("run", "--learning-rate", "-1"), "--learning-rate must be a number, greater than 0"),
        (("run", "--dropout", "1"), "--dropout must be a number, at least 0 and less than 1"),
        (("run", "--hidden-size", "4,4"), "--hidden-size must be one or more different values"),
        (("run", "--seeds", "0"), "--seeds must be a number of seeds from 1 to 1000"),
        (("run", "--seeds", "1,x"), "--seeds must be a whole number"),
        (("run", "--device", "tpu"), "device must be auto, cpu or cuda"),
        (("run", "--name", "../out"), "--name must be lower-case letters"),
        (("run", "--suite", "custom"), "unknown suite 'custom'"),
        (("run", "--nonsense"), "--nonsense"),
        (("run", "--length", "9"), "--length must be omitted for this task"),
        (
            ("run", "--task", "hello", "--variant", "birnn"),
            "--variant must be a unidirectional one",
        ),
        (
            ("run", "--match-parameters", "9"),
            "--match-parameters must be a number that every model",
        ),
        (("run", "--match-tolerance", "0.1"), "match_tolerance requires match_parameters"),
        (
            ("run", "--match-parameters", "9", "--match-tolerance", "1"),
            "must be a fraction greater",
        ),
        (
            ("run", "--match-parameters", "9", "--match-tolerance", "nan"),
            "must be a fraction greater",
        ),
        (("run", "--timeout", "inf"), "--timeout must be greater than 0 and at most 1,000,000"),
        (("run", "--timeout", "nan"), "--timeout must be greater than 0 and at most 1,000,000"),
        (("run", "--timeout", "-1"), "--timeout must be greater than 0 and at most 1,000,000"),
        (("run", "--target", "nan"), "--target must be a number, finite"),
        (("run", "--num-layers", "100000"), "--num-layers must be a whole number, at least 1"),
        (("run", "--match-parameters", "9", "--hidden-size", "4"), "omit hidden_size"),
        (("run", "--variant", "*nix"), "unknown variant '*nix'"),
        (("show", "lstm", "--task", "helo"), "did you mean hello"),
        (("show", "lstn"), "did you mean lstm"),
        (("report",), "there are no results in results"),
    ],
)
def test_bad_use_names_the_mistake_and_ends_with_2(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    done = seqbench(*words, cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_USE
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--train-examples", "9999"), "--train-examples must be at most 1437"),
        (("--task", "mackey-glass", "--length", "100000000"), "--length must be shorter"),
        (("--task", "adding", "--length", "10000000"), "--length must be shorter: generating"),
    ],
)
def test_what_only_the_task_knows_is_told_as_well(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    done = seqbench("run", *words, cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_USE
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_changed_data_is_refused_or_named_in_rows_and_report(
    stand_in_folder: Path, tmp_path: Path
) -> None:
    words = ("run", "--task", "row-mnist", "--variant", "rnn", "--data", stand_in_folder, *FAST)
    refused = seqbench(*words, cwd=tmp_path)
    assert refused.returncode == ExitCode.BAD_USE
    assert "is not the published MNIST" in refused.stderr
    assert "--allow-changed-data" in refused.stderr
    assert not (tmp_path / "results").exists()

    done = seqbench(*words, "--allow-changed-data", "--report", "--name", "a", cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    results = load_results(tmp_path / "results" / "local" / "a")
    (changed,) = results.runs["changed_data"]
    for file in (stand_in_folder / "MNIST" / "raw").iterdir():
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert f"{file.name} of MNIST with SHA-256 {digest}" in changed
    page = (tmp_path / "reports" / "local" / "a" / "README.md").read_text()
    assert "**Changed data**: `row-mnist (changed data)` is not the published data" in page
    assert changed in page
    assert "teaching notebook" not in page, "no published figure stands beside it"
    assert "--allow-changed-data" in results.environment["command"]

    verified = seqbench("verify", "a", "--data", stand_in_folder, cwd=tmp_path)
    assert verified.returncode == ExitCode.OK, verified.stdout + verified.stderr


def test_a_cell_that_does_not_go_together_is_a_row_and_the_others_are_done(tmp_path: Path) -> None:
    done = seqbench(
        "run", "--task", "hello,row-digits", "--variant", "gru,bigru", *FAST, "--name", "a",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr
    assert "1 of 4 runs are unsupported" in done.stderr
    runs = load_results(tmp_path / "results" / "local" / "a").runs
    unsupported = runs[runs["status"] == "unsupported"]
    assert unsupported[["task", "variant"]].to_numpy().tolist() == [["hello", "bigru"]]
    assert "a unidirectional one for hello" in unsupported["error"].iloc[0]
    assert (runs["status"] == "ok").sum() == 3


def test_missing_data_is_one_message_and_nothing_is_written(tmp_path: Path) -> None:
    script = tmp_path / "offline.py"
    script.write_text(
        "import socket, sys\n"
        "socket.getaddrinfo = lambda *a, **k: (_ for _ in ()).throw(OSError('x'))\n"
        "if __name__ == '__main__':\n"
        "    from seqbench.cli import main\n"
        "    main()\n"
    )
    (tmp_path / "empty").mkdir()
    (where := tmp_path / "here").mkdir()
    data = {"SEQBENCH_DATA": str(tmp_path / "empty")}
    done = run_seqbench("run", "--suite", "notebook", cwd=where, program=script, env=data)
    assert done.returncode == ExitCode.BAD_USE
    assert "MNIST was not found and could not be downloaded" in done.stderr
    assert "quick, which needs no data" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [*where.iterdir(), *(tmp_path / "empty").iterdir()]


def test_results_that_cannot_be_read_end_with_3(result_folder: Path, tmp_path: Path) -> None:
    (result_folder / "runs.csv").write_text("nonsense\n")
    done = seqbench("report", result_folder, cwd=tmp_path)
    assert done.returncode == ExitCode.RESULTS_UNREADABLE
    assert "runs.csv, line 1: unknown columns nonsense" in done.stderr


def test_a_run_that_diverges_ends_with_1_and_still_has_a_report(tmp_path: Path) -> None:
    done = seqbench(
        "run", "--report", "--variant", "rnn", "--seeds", "1", "--learning-rate", "1e38,0.001",
        "--epochs", "2", "--hidden-size", "4", "--train-examples", "200", "--threads", "1",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.RUNS_FAILED, done.stdout + done.stderr
    assert "1 of 2 runs failed" in done.stderr
    results = load_results(tmp_path / "results" / "local" / "quick")
    assert results.runs["status"].tolist() == ["diverged", "ok"]
    assert "diverged" in (tmp_path / "reports" / "local" / "quick" / "README.md").read_text()


def test_ctrl_c_keeps_the_finished_runs_and_ends_with_130(tmp_path: Path) -> None:
    words = ("run", "--variant", "rnn", "--train-examples", "64", "--seeds", "1000", *FAST)
    with Command(words, tmp_path) as process:
        while len(finished := process.read_screen().splitlines()) < 2:
            assert process.poll() is None, finished
            time.sleep(0.02)
        assert all(line.startswith("[") for line in finished)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode == ExitCode.INTERRUPTED
    assert "runs are finished and kept in results/local/quick" in told
    assert "Traceback" not in told
    assert len(load_results(tmp_path / "results" / "local" / "quick").runs) >= 2


def test_only_publish_writes_where_git_looks(tmp_path: Path) -> None:
    words = ("--task", "row-digits", "--variant", "rnn", *FAST, "--train-examples=40", "--report")
    done = seqbench("run", *words, "--name", "mine", "--publish", cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    published = tmp_path / "reports" / "mine" / "README.md"
    page = published.read_bytes()
    for more in ((), ("--results", "elsewhere")):
        done = seqbench("run", *words, "--name", "mine", "--seeds", "7,", *more, cwd=tmp_path)
        assert done.returncode == ExitCode.OK, done.stderr
        own = (tmp_path / "reports" / "local" / "mine" / "README.md").read_text()
        assert ("## Beside the published result" in own) is (not more)
        assert published.read_bytes() == page
    looked_up = seqbench("report", "mine", cwd=tmp_path)
    assert looked_up.stdout.split() == ["report:", "reports/mine/README.md"]
    assert looked_up.stderr == "mine is results/mine; local/mine is results/local/mine\n"
    refused = seqbench("run", *words, "--publish", "--results", "results", cwd=tmp_path)
    assert refused.returncode == ExitCode.BAD_USE


def test_a_seventh_variant_is_one_new_file(tmp_path: Path) -> None:
    """Put the README's example into the package's folder of models: everything knows it."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (example,) = (each for each in examples if "VARIANTS" in each)
    package = tmp_path / "seqbench"
    shutil.copytree(Path(seqbench_package.__file__).parent, package)
    (package / "models" / "seventh.py").write_text(example)

    def run(*words: str) -> str:
        done = run_seqbench(*words, cwd=tmp_path)
        assert done.returncode == ExitCode.OK, done.stderr
        return done.stdout

    assert "rnn-identity" in run("list")
    assert "Elman RNN that starts as an integrator" in run("show", "rnn-identity")
    run("run", "--report", "--seeds", "1", "--train-examples", "200", *FAST)
    runs = load_results(tmp_path / "results" / "local" / "quick").runs
    assert runs["variant"].value_counts().to_dict()["rnn-identity"] == 1
    assert (
        "| rnn-identity  " in (tmp_path / "reports" / "local" / "quick" / "README.md").read_text()
    )


def test_list_show_and_env_tell_what_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["seqbench", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capsys.readouterr().out

    listed = say("list")
    for name in ("rnn", "bilstm", "row-mnist", "row-digits", "quick", "notebook", "mnist", "final"):
        assert f"\n{name} " in listed
    shown = say("show", "birnn")
    assert "birnn (variant)" in shown
    assert "parameters  141,834" in shown
    assert "FLOPs       7,746,560 per sequence, forward pass" in shown
    assert "final       (2, batch, 128)" in shown
    assert "steps       (batch, 28, 256)" in shown
    assert "accuracy 95.55 %" in shown
    assert "seed: 0, 1, 2" in say("show", "notebook")
    assert "28 steps of 28 features" in say("show", "row-mnist")
    assert json.loads(say("env"))["software"]["packages"]["torch"]
    assert say("--version").startswith("seqbench 0.")
    for command in ("run", "report", "verify", "pool", "history", "list", "show", "env"):
        assert command in say("--help")


def test_measuring_alone_leaves_samples_and_a_report_of_speed(tmp_path: Path) -> None:
    done = seqbench(
        "run", "--task", "row-digits", "--variant", "rnn,mingru", "--implementation", "native,scan",
        "--measure", "--report", "--name", "speed", "--epochs", "0", "--hidden-size", "4",
        "--threads", "1", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr
    assert "2 of 4 runs are unsupported" in done.stderr
    results = load_results(tmp_path / "results" / "local" / "speed")
    assert sorted(results.runs["status"]) == ["ok", "ok", "unsupported", "unsupported"]
    assert {"matmul", "copy", "train_step", "latency"} <= set(results.timings["phase"])
    assert results.epochs.empty
    page = (tmp_path / "reports" / "local" / "speed" / "README.md").read_text()
    assert "## Speed" in page
    assert "## Measured hardware peak" in page
    assert "mingru has no implementation native, only scan or reference" in page
    assert "## Scores" not in page
    assert len(list((tmp_path / "reports" / "local" / "speed").glob("*.png"))) == 4
