"""Runs in processes of their own: real crashes, hangs, kills and shortages, and what they leave."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from seqbench.errors import ExitCode
from seqbench.results.reader import load_results
from tests.processes import SMALL_LIMITS, Command, run_seqbench

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as Unix has them")

PLUGIN = """
import ctypes
import time

import torch
from torch import nn

from seqbench.models.model import VARIANTS
from seqbench.models.native import NativeEncoder


def bad(name, work):
    class Bad(NativeEncoder):
        def forward(self, inputs):
            if self.training and torch.is_grad_enabled() and len(inputs) > 16:
                work()
            return super().forward(inputs)

    VARIANTS.variant(name)(lambda sizes: Bad(nn.RNN, sizes))


def hog():
    kept = []
    while True:
        kept.append(torch.empty(1 << 29))


bad("crashing", lambda: ctypes.string_at(0))
bad("hanging", lambda: time.sleep(3600))
bad("hungry", hog)
bad("breaking", lambda: 1 // 0)
"""
FAST = ("--task", "row-digits", "--hidden-size", "4", "--threads", "1", "--device", "cpu")
BAD = ("breaking", "crashing", "hungry", "hanging")


def start(folder: Path, *words: str, memory: int | None = None) -> Command:
    """Start ``seqbench run`` in a folder, perhaps with a limit to its address space."""
    return Command(["run", *FAST, *words], folder, memory=memory)


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    path = tmp_path / "bad_variants.py"
    path.write_text(PLUGIN)
    return path.name


def test_bad_runs_end_alone_and_are_taken_up_again_when_asked_for(
    tmp_path: Path, plugin: str
) -> None:
    words = ["--plugin", plugin, "--variant", ",".join(("rnn", *BAD, "gru")), "--epochs", "1"]
    words += ["--batch-size", "32", "--name", "a"]
    with start(tmp_path, *words, "--timeout", "4", memory=12 << 30) as process:
        _, errors = process.communicate(timeout=300)
    assert process.returncode == ExitCode.RUNS_FAILED, errors
    assert "4 of 6 runs failed" in errors
    runs = load_results(tmp_path / "results" / "local" / "a").runs.set_index("variant")
    assert runs["status"].to_dict() == {
        "rnn": "ok",
        "breaking": "failed",
        "crashing": "crashed",
        "hungry": "out-of-memory",
        "hanging": "timeout",
        "gru": "ok",
    }
    assert runs.loc["breaking", "error"].startswith("ZeroDivisionError: ")
    assert runs.loc["crashing", "error"] == "its process was killed by SIGSEGV"
    assert "allocate memory" in runs.loc["hungry", "error"]
    assert runs.loc["hanging", "error"] == "it exceeded the timeout of 4 s"

    mended = tmp_path / plugin
    mended.write_text(PLUGIN.replace("1 // 0", "1 // 1"))
    words[words.index("--variant") + 1] = "rnn,breaking,gru"
    again = run_seqbench("run", *FAST, *words, "--retry-failed", cwd=tmp_path)
    assert again.returncode == ExitCode.OK, again.stderr
    assert "2 of 3 runs are finished already" in again.stdout, again.stdout


COUNTED = """
import os
from pathlib import Path

from torch import nn

from seqbench.models.model import VARIANTS
from seqbench.models.native import NativeEncoder


@VARIANTS.variant("counted")
def counted(sizes):
    with Path("processes").open("a") as file:
        print(os.getpid(), file=file)
    {statement}
"""


@pytest.mark.parametrize(
    ("statement", "status", "workers"),
    [
        ("raise MemoryError", "out-of-memory", 2),
        ("os._exit(3)", "crashed", 2),
        ("raise OSError", "failed", 1),
    ],
)
def test_a_worker_that_died_or_whose_memory_ran_out_does_no_other_run(
    tmp_path: Path, statement: str, status: str, workers: int
) -> None:
    (tmp_path / "counted.py").write_text(COUNTED.format(statement=statement))
    words = ("--plugin", "counted.py", "--variant", "counted", "--seeds", "2", "--name", "a")
    done = run_seqbench("run", *FAST, *words, cwd=tmp_path)
    assert done.returncode == ExitCode.RUNS_FAILED, done.stderr
    runs = load_results(tmp_path / "results" / "local" / "a").runs
    assert runs["status"].tolist() == [status, status]
    assert len(set((tmp_path / "processes").read_text().split())) == workers


def wait_for(condition: Callable[[], bool], process: Command) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def slow_run(tmp_path: Path) -> Iterator[Command]:
    """Yield a command that is training: at least one epoch of it is kept."""
    with start(tmp_path, "--variant", "rnn", "--epochs", "2000", "--name", "a") as process:
        wait_for(lambda: any((tmp_path / "results/local/a/.unfinished").glob("[!.]*")), process)
        yield process


def find_worker(process: Command) -> psutil.Process:
    """Return the worker of a command: the last process that it started."""
    children = psutil.Process(process.pid).children()
    started = (each for each in children if "resource_tracker" not in " ".join(each.cmdline()))
    return max(started, key=lambda each: each.create_time())


def test_a_worker_that_is_killed_is_a_row(tmp_path: Path, slow_run: Command) -> None:
    find_worker(slow_run).send_signal(signal.SIGKILL)
    _, errors = slow_run.communicate(timeout=60)
    assert slow_run.returncode == ExitCode.RUNS_FAILED
    results = load_results(tmp_path / "results" / "local" / "a")
    (row,) = results.runs.to_dict("records")
    assert row["status"] == "crashed"
    assert row["error"].startswith("its process was killed by SIGKILL")
    assert len(results.epochs) >= 1, "its epochs are kept"
    assert "1 of 1 runs failed" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_both_processes_and_says_how_to_go_on(
    tmp_path: Path, slow_run: Command, number: signal.Signals
) -> None:
    worker = find_worker(slow_run)
    slow_run.send_signal(number)
    _, errors = slow_run.communicate(timeout=60)
    assert slow_run.returncode == ExitCode.INTERRUPTED
    assert "interrupted: 0 of 1 runs are finished" in errors
    assert "the same command resumes after the last epoch" in errors
    assert "Traceback" not in errors
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    assert len(list((tmp_path / "results/local/a/.unfinished").glob("[!.]*"))) == 1


def test_a_stopped_worker_times_out(tmp_path: Path) -> None:
    words = ("--variant", "rnn", "--epochs", "2000", "--name", "a", "--timeout", "4")
    with start(tmp_path, *words) as process:
        wait_for(lambda: any((tmp_path / "results/local/a/.unfinished").glob("[!.]*")), process)
        find_worker(process).send_signal(signal.SIGSTOP)
        process.communicate(timeout=60)
    assert process.returncode == ExitCode.RUNS_FAILED
    assert load_results(tmp_path / "results" / "local" / "a").runs["status"].tolist() == ["timeout"]


def test_two_at_once_the_second_says_who_is_there_or_waits(
    tmp_path: Path, slow_run: Command
) -> None:
    """And a worker does not outlive the first, when that is killed."""
    words = ("--variant", "rnn", "--epochs", "1", "--name", "a")
    second = run_seqbench("run", *FAST, *words, cwd=tmp_path)
    assert second.returncode == ExitCode.BAD_USE
    assert f"process {slow_run.pid} (seqbench run --task row-digits" in second.stderr
    assert "--wait waits" in second.stderr
    worker = find_worker(slow_run)
    with start(tmp_path, *words, "--wait") as third:
        wait_for(lambda: "; waiting for it" in third.read_screen(), third)
        assert f"process {slow_run.pid} " in third.read_screen()
        slow_run.kill()
        psutil.wait_procs([worker], timeout=30)
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
        _, errors = third.communicate(timeout=60)
    assert third.returncode == ExitCode.OK, errors
    assert load_results(tmp_path / "results" / "local" / "a").runs["epochs"].tolist() == [1]


def test_a_task_that_kills_its_process_is_named(tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text(
        "import os, signal\n"
        "from seqbench.tasks.row_digits import RowDigits\n"
        "from seqbench.tasks.task import TASKS\n\n"
        "@TASKS.register('deadly')\n"
        "class Deadly(RowDigits):\n"
        "    '''Kills whoever loads it.'''\n"
        "    def load(self, data_dir):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    words = ("--plugin", "deadly.py", "--task", "deadly", "--variant", "rnn")
    done = run_seqbench("run", *FAST, *words, cwd=tmp_path)
    assert done.returncode == ExitCode.RUNS_FAILED
    assert "the process that loads the data died: its process was killed by SIGKILL" in done.stderr


SCORES = """
import numpy as np
import torch

from seqbench.tasks.row_digits import RowDigits
from seqbench.tasks.task import TASKS


def accuracy(outputs, targets):
    return (outputs.argmax(-1) == targets).float().mean()


SCORES = {
    "of-numpy": lambda outputs, targets: np.float32(accuracy(outputs, targets)),
    "of-torch": accuracy,
    "of-nothing": lambda outputs, targets: None,
    "not-finite": lambda outputs, targets: float("nan"),
    # a one-hot answer, as the trivial one, has a number
    "of-nothing-later": lambda outputs, targets: 0.5 if outputs.max() == 1 else None,
}
for name, score in SCORES.items():
    members = {"score": lambda self, outputs, targets, score=score: score(outputs, targets)}
    TASKS.register("score-" + name)(type("Scored", (RowDigits,), members))
"""


def run_scored(folder: Path, *tasks: str) -> subprocess.CompletedProcess[str]:
    """Run tasks with scores of their own, and beside them row-digits, which FAST names."""
    (folder / "scores.py").write_text(SCORES)
    words = ["--plugin", "scores.py", "--variant", "rnn", "--name", "a", "--epochs", "1"]
    words += [word for task in tasks for word in ("--task", task)]
    return run_seqbench("run", *FAST, *words, "--seeds", "1", cwd=folder)


def test_a_score_of_another_library_is_a_number_and_one_that_is_none_ends_its_run(
    tmp_path: Path,
) -> None:
    done = run_scored(tmp_path, "score-of-numpy", "score-of-torch", "score-of-nothing-later")
    assert done.returncode == ExitCode.RUNS_FAILED, done.stderr
    assert "Traceback" not in done.stderr
    runs = load_results(tmp_path / "results" / "local" / "a").runs.set_index("task")
    assert runs["status"].to_dict() == {
        "row-digits": "ok",
        "score-of-numpy": "ok",
        "score-of-torch": "ok",
        "score-of-nothing-later": "failed",
    }
    own = runs.loc["row-digits", "final_score"]
    for task in ("score-of-numpy", "score-of-torch"):
        assert runs.loc[task, "final_score"] == pytest.approx(own, rel=1e-6)
    told = "ContractError: task score-of-nothing-later returned the score None"
    assert str(runs.loc["score-of-nothing-later", "error"]).startswith(told)


@pytest.mark.parametrize(
    ("task", "told"), [("score-of-nothing", "score None"), ("score-not-finite", "score nan")]
)
def test_a_trivial_answer_without_a_score_is_bad_use(tmp_path: Path, task: str, told: str) -> None:
    done = run_scored(tmp_path, task)
    assert done.returncode == ExitCode.BAD_USE
    assert f"error: task {task} returned the {told}, expected" in done.stderr
    assert "Traceback" not in done.stderr


INSTALLED = f"""
from seqbench.cli import main
from seqbench.timing import peak

vars(peak).update({SMALL_LIMITS})  # in workers too: each imports what was started
if __name__ == "__main__":
    main()
"""


OWN = ("signal", "socket", "queue", "random", "statistics", "json", "pickle", "selectors", "copy")


def write_own(folder: Path) -> None:
    for name in OWN:
        (folder / f"{name}.py").write_text("raise RuntimeError('this is not the one')\n")


HASHED = """
from pathlib import Path

from torch import nn

from seqbench.models.model import VARIANTS
from seqbench.models.native import NativeEncoder

for name in ("hashed", "hashed-too"):  # each is run by a worker of its own
    VARIANTS.variant(name)(lambda sizes: NativeEncoder(nn.RNN, sizes))
with Path("hashes").open("a") as file:
    print(hash("a string"), file=file)
"""


@pytest.mark.parametrize(
    "program", ["-mseqbench", pytest.param("bin/installed", marks=pytest.mark.exhaustive)]
)
def test_strings_hash_alike_in_every_worker_and_all_have_pythons_own_modules(
    program: str, tmp_path: Path
) -> None:
    """As a shell would start it, in an interpreter of its own; its workers too."""
    write_own(tmp_path)
    plugin, script = tmp_path / "of-mine" / "hashed.py", tmp_path / "bin" / "installed"
    for file, text in ((plugin, HASHED), (script, INSTALLED)):
        file.parent.mkdir()
        file.write_text(text)
    command = [sys.executable, program, "run", *FAST, "--plugin", str(plugin), "--epochs", "1"]
    command += ["--variant", "hashed,hashed-too", "--seeds", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "Traceback" not in done.stderr
    hashes = (tmp_path / "hashes").read_text().split()
    assert sorted(hashes.count(each) for each in set(hashes)) == [1, 2], "the command's is another"


SLOW = """
import time
from pathlib import Path
from seqbench.tasks.row_digits import RowDigits
from seqbench.tasks.task import TASKS


@TASKS.register("slow")
class Slow(RowDigits):
    def load(self, data_dir):
        marker = Path("loaded")
        if {slow}:
            time.sleep(3600)
        marker.touch()
        return super().load(data_dir)
"""


def test_loading_that_takes_longer_than_the_timeout_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(slow="True"))
    words = ("--plugin", "slow.py", "--task", "slow", "--timeout", "1.5")
    done = run_seqbench("run", *FAST, *words, cwd=tmp_path)
    assert done.returncode == ExitCode.RUNS_FAILED
    assert "error: loading the data exceeded --timeout, 1.5 s" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("again", "status", "told"),
    [
        pytest.param(
            *("time.sleep(3600)", "timeout", "loading the data exceeded --timeout"),
            marks=pytest.mark.exhaustive,
        ),
        ("raise KeyError('gone')", "failed", "task slow cannot be loaded: KeyError: 'gone'"),
        ("import os; os._exit(3)", "crashed", "its process exited with code 3"),
    ],
)
def test_data_that_cannot_be_loaded_again_ends_the_runs_that_need_it(
    tmp_path: Path, plugin: str, again: str, status: str, told: str
) -> None:
    text = SLOW.format(slow="marker.exists()").replace("time.sleep(3600)", again)
    (tmp_path / "slow.py").write_text(text)
    words = ["--plugin", plugin, "--plugin", "slow.py", "--task", "slow", "--epochs", "1"]
    words += ["--variant", "crashing,rnn", "--batch-size", "32", "--name", "a"]
    words += ["--timeout", "12"] if status == "timeout" else []
    done = run_seqbench("run", *FAST[2:], *words, cwd=tmp_path)
    assert done.returncode == ExitCode.RUNS_FAILED, done.stderr
    runs = load_results(tmp_path / "results" / "local" / "a").runs.set_index("variant")
    assert runs.loc["crashing", "status"] in ("crashed", "timeout")
    assert runs.loc["rnn", "status"] == status
    assert told in runs.loc["rnn", "error"]
    assert "Traceback" not in done.stderr


PATCHING = """
import torch
from torch import nn
from seqbench.models.model import VARIANTS
from seqbench.models.native import NativeEncoder


def patch():
    torch.optim.Adam.step = lambda *a, **k: None
    torch.nn.modules.module.register_module_forward_hook(
        lambda m, i, o: o * 2 if isinstance(m, nn.Linear) else None
    )
    torch.set_default_device("meta")


patch()


@VARIANTS.variant("patching")
def patching(sizes):
    patch()
    return NativeEncoder(nn.RNN, sizes)
"""


def test_what_a_plugin_patches_reaches_no_other(tmp_path: Path) -> None:
    """Neither optimiser, hook nor device, when it is imported nor when its variant is built."""
    (tmp_path / "patching.py").write_text(PATCHING)
    words = ["--epochs", "1", "--batch-size", "32", "--seeds", "1", "--name", "a", "--restart"]

    def read_losses(done: subprocess.CompletedProcess[str]) -> list[float]:
        epochs = load_results(tmp_path / "results" / "local" / "a").epochs
        losses: list[float] = epochs[epochs["variant"] != "patching"]["train_loss"].tolist()
        assert len(losses) == 2, done.stderr
        return losses

    plain = read_losses(run_seqbench("run", *FAST, *words, "--variant", "rnn,gru", cwd=tmp_path))
    words += ["--variant", "rnn,patching,gru", "--plugin", "patching.py"]
    assert read_losses(run_seqbench("run", *FAST, *words, cwd=tmp_path)) == plain
