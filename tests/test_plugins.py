"""Other people's variants and tasks: they take part in everything, and their faults are named."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seqbench.errors import ExitCode
from seqbench.store import load_results

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
PLUGIN = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
"""The page's own examples: a variant and a task."""


def seqbench(
    *words: object, cwd: Path, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    found = {"PYTHONPATH": os.pathsep.join([str(path), *filter(None, sys.path)])} if path else {}
    return subprocess.run(
        [sys.executable, "-m", "seqbench", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": "200"} | found,
    )


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN)
    return file


def test_a_plugins_members_are_listed_shown_run_and_reported(plugin: Path, tmp_path: Path) -> None:
    listed = seqbench("list", "--plugin", plugin, cwd=tmp_path).stdout
    assert "running-mean" in listed
    assert "brighter-half" in listed
    shown = seqbench(
        "show", "running-mean", "--task", "brighter-half", "--plugin", plugin, cwd=tmp_path
    )
    assert "Mean of the steps so far" in shown.stdout, shown.stderr
    assert "steps       (batch, 4, 1)" in shown.stdout
    assert "FLOPs       4 for a sequence, forwards" in shown.stdout

    done = seqbench(
        "run", "--plugin", plugin, "--task", "brighter-half", "--variant", "running-mean,rnn",
        "--epochs", "2", "--hidden-size", "4", "--name", "mine", "--report", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr
    results = load_results(tmp_path / "results" / "mine")
    assert results.runs["variant"].tolist() == ["running-mean", "rnn"]
    assert "--plugin mine.py" in results.environment["command"]
    page = (tmp_path / "reports" / "mine" / "README.md").read_text()
    assert "running-mean" in page
    again = seqbench("report", "mine", cwd=tmp_path)
    assert again.returncode == ExitCode.OK, "a report needs no plugin: it reads the CSV"


def test_a_plugins_variant_joins_the_suites_that_run_every_variant(
    plugin: Path, tmp_path: Path
) -> None:
    done = seqbench(
        "run", "--plugin", plugin, "--epochs", "1", "--hidden-size", "4", "--seeds", "1",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr
    assert "running-mean" in set(load_results(tmp_path / "results" / "quick").runs["variant"])


def test_an_installed_package_announces_its_members(tmp_path: Path) -> None:
    package = tmp_path / "installed"
    (package / "theirs-1.0.dist-info").mkdir(parents=True)
    (package / "theirs.py").write_text(PLUGIN)
    (package / "theirs-1.0.dist-info" / "METADATA").write_text("Name: theirs\nVersion: 1.0\n")
    (package / "theirs-1.0.dist-info" / "entry_points.txt").write_text(
        "[seqbench.variants]\nall = theirs\n[seqbench.tasks]\nall = theirs\n"
    )
    listed = seqbench("list", cwd=tmp_path, path=package)
    assert "running-mean" in listed.stdout, listed.stderr
    assert "brighter-half" in listed.stdout

    (package / "theirs.py").write_text("import no_such_module_at_all\n")
    broken = seqbench("list", cwd=tmp_path, path=package)
    assert broken.returncode == ExitCode.BAD_USE
    assert "plugin all of theirs (seqbench.variants): ModuleNotFoundError" in broken.stderr


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (None, "there is no such file"),
        ("x = 1\n\nundefined_name\n", "NameError: name 'undefined_name' is not defined, line 3"),
        ("def broken(:\n    pass\n", "SyntaxError: invalid syntax, line 1"),
        (PLUGIN.replace("running-mean", "rnn"), "a variant called 'rnn' is registered already"),
        (PLUGIN.replace("running-mean", "My Mean"), "must be lower-case letters and digits"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named_with_its_fault(
    tmp_path: Path, code: str | None, told: str
) -> None:
    file = tmp_path / "mine.py"
    if code is not None:
        file.write_text(code)
    done = seqbench("run", "--plugin", file, "--epochs", "1", cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_USE
    assert f"plugin {file}: " in done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Encoding(steps, steps[:, -1][None])", "steps", "returned Tensor, expected an Encoding"),
        (
            "Encoding(steps, steps[:, -1][None])",
            "Encoding(steps[:, :2], steps[:, -1][None])",
            "steps have shape (36, 2, 1), expected (batch, time, width) = (36, 4, 1)",
        ),
        (
            "Encoding(steps, steps[:, -1][None])",
            "Encoding(steps, steps[:, -1])",
            "final has shape (36, 1), expected (directions, batch, width ÷ directions)",
        ),
        ("self.scale * inputs", "undefined * inputs", "name 'undefined' is not defined"),
    ],
)
def test_a_variant_of_the_wrong_shape_fails_alone_and_says_what_was_expected(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    file = tmp_path / "mine.py"
    assert old in PLUGIN
    file.write_text(PLUGIN.replace(old, new))
    done = seqbench(
        "run", "--plugin", file, "--task", "brighter-half", "--variant", "running-mean,rnn",
        "--epochs", "1", "--hidden-size", "4", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.RUNS_FAILED, done.stderr
    runs = load_results(tmp_path / "results" / "custom").runs.set_index("variant")
    assert runs["status"].to_dict() == {"running-mean": "failed", "rnn": "ok"}
    assert told in runs.loc["running-mean", "error"]
    assert "running-mean" in runs.loc["running-mean", "error"] or "undefined" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "features, time, outputs = 1, 4, 2",
            "features, time, outputs = 3, 4, 2",
            "inputs of torch.float32 have shape",
        ),
        ("return TaskData(Split", "return (Split", "gave tuple, expected a TaskData"),
        ("targets[:200]), Split", "targets[:100]), Split", "200 inputs and 100 targets"),
    ],
)
def test_a_task_of_the_wrong_shape_is_named_before_anything_runs(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    file = tmp_path / "mine.py"
    assert old in PLUGIN
    file.write_text(PLUGIN.replace(old, new))
    done = seqbench(
        "run", "--plugin", file, "--task", "brighter-half", "--epochs", "1", cwd=tmp_path
    )
    assert done.returncode == ExitCode.BAD_USE, done.stderr
    assert "task brighter-half" in done.stderr
    assert told in done.stderr
    assert not (tmp_path / "results").exists()
