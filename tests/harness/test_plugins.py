"""Other people's variants and tasks: they take part in everything, and their faults are named."""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from seqbench.commands.catalog import describe_variant
from seqbench.errors import ContractError, ExitCode, PluginError
from seqbench.harness import plugins
from seqbench.harness.plan import plan_runs
from seqbench.harness.plugins import load_plugins
from seqbench.harness.suites import SUITES
from seqbench.models.model import VARIANTS
from seqbench.results.reader import load_results
from seqbench.tasks.task import TASKS
from tests.processes import run_seqbench

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
PLUGIN = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
"""The page's own examples: a variant and a task."""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN)
    return file


def test_a_plugins_members_are_listed_shown_run_and_reported(plugin: Path, tmp_path: Path) -> None:
    listed = run_seqbench("list", "--plugin", plugin, cwd=tmp_path).stdout
    assert "running-mean" in listed
    assert "brighter-half" in listed
    shown = run_seqbench(
        "show", "running-mean", "--task", "brighter-half", "--plugin", plugin, cwd=tmp_path
    )
    assert "Mean of the steps so far" in shown.stdout, shown.stderr
    assert "steps       (batch, 4, 1)" in shown.stdout
    assert "FLOPs       4 per sequence, forward pass" in shown.stdout

    done = run_seqbench(
        "run", "--plugin", plugin, "--task", "brighter-half", "--variant", "running-mean,rnn",
        "--epochs", "2", "--hidden-size", "4", "--data", tmp_path, "--name", "mine", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr
    results = load_results(tmp_path / "results" / "local" / "mine")
    assert results.runs["variant"].tolist() == ["running-mean", "rnn"]
    digest = hashlib.sha256(plugin.read_bytes()).hexdigest()
    assert results.environment["plugins"] == {"mine.py": digest}
    assert results.environment["command"].endswith("--plugin mine.py --data DIR --name mine")
    assert str(tmp_path) not in json.dumps(results.environment)
    reported = run_seqbench("report", "mine", cwd=tmp_path)
    assert reported.returncode == ExitCode.OK, "a report needs no plugin: it reads the CSV"
    page = (tmp_path / "reports" / "local" / "mine" / "README.md").read_text()
    assert "running-mean" in page
    assert f"Plugin `mine.py`: SHA-256 `{digest}`." in page


def test_an_installed_package_announces_its_members(tmp_path: Path) -> None:
    package = tmp_path / "installed"
    (package / "theirs-1.0.dist-info").mkdir(parents=True)
    (package / "theirs.py").write_text(PLUGIN)
    (package / "theirs-1.0.dist-info" / "METADATA").write_text("Name: theirs\nVersion: 1.0\n")
    (package / "theirs-1.0.dist-info" / "entry_points.txt").write_text(
        "[seqbench.variants]\nall = theirs\n[seqbench.tasks]\nall = theirs\n"
    )
    listed = run_seqbench("list", cwd=tmp_path, path=package)
    assert "running-mean" in listed.stdout, listed.stderr
    assert "brighter-half" in listed.stdout

    (package / "theirs.py").write_text("import no_such_module_at_all\n")
    broken = run_seqbench("list", cwd=tmp_path, path=package)
    assert broken.returncode == ExitCode.BAD_USE
    assert "plugin all of theirs (seqbench.variants): ModuleNotFoundError" in broken.stderr


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (None, "file not found"),
        ("x = 1\n\nundefined_name\n", "NameError: name 'undefined_name' is not defined, line 3"),
        ("def broken(:\n    pass\n", "SyntaxError: invalid syntax, line 1"),
        (PLUGIN.replace("running-mean", "rnn"), "a variant called 'rnn' is already registered"),
        (PLUGIN.replace("running-mean", "My Mean"), "must be lower-case letters and digits"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named_with_its_fault(
    tmp_path: Path, code: str | None, told: str
) -> None:
    file = tmp_path / "mine.py"
    if code is not None:
        file.write_text(code)
    done = run_seqbench("run", "--plugin", file, "--epochs", "1", cwd=tmp_path)
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
            "steps have shape (72, 2, 1), expected (batch, time, width) = (72, 4, 1)",
        ),
        (
            "Encoding(steps, steps[:, -1][None])",
            "Encoding(steps, steps[:, -1])",
            "final has shape (72, 1), expected (directions, batch, width ÷ directions)",
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
    done = run_seqbench(
        "run", "--plugin", file, "--task", "brighter-half", "--variant", "running-mean,rnn",
        "--epochs", "1", "--hidden-size", "4", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.RUNS_FAILED, done.stderr
    runs = load_results(tmp_path / "results" / "local" / "custom").runs.set_index("variant")
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
        ("return TaskData(Split", "return (Split", "returned tuple, expected a TaskData"),
        ("targets[:200]), Split", "targets[:100]), Split", "200 inputs and 100 targets"),
    ],
)
def test_a_task_of_the_wrong_shape_is_named_before_anything_runs(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    file = tmp_path / "mine.py"
    assert old in PLUGIN
    file.write_text(PLUGIN.replace(old, new))
    done = run_seqbench(
        "run", "--plugin", file, "--task", "brighter-half", "--epochs", "1", cwd=tmp_path
    )
    assert done.returncode == ExitCode.BAD_USE, done.stderr
    assert "task brighter-half" in done.stderr
    assert told in done.stderr
    assert not (tmp_path / "results").exists()


VARIANT = """
from torch import nn
from seqbench.models.model import VARIANTS
from seqbench.models.native import NativeEncoder

@VARIANTS.variant({name!r})
def build(sizes):
    '''An Elman network.'''
    return NativeEncoder(nn.RNN, sizes)
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let plugins be imported into this process, and be forgotten afterwards."""
    for registry in (VARIANTS, TASKS):
        monkeypatch.setattr(registry, "_members", dict(registry._members))
        monkeypatch.setattr(registry, "_origins", dict(registry._origins))
    monkeypatch.setattr(plugins, "_folders", set())
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name, module in tuple(sys.modules.items()):
        if str(getattr(module, "__dict__", {}).get("__file__")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.usefixtures("fresh")
def test_a_plugins_variant_joins_the_suites_that_run_every_variant(plugin: Path) -> None:
    load_plugins([plugin])
    assert "running-mean" in {spec.variant for spec in plan_runs(SUITES["quick"].grids)}


@pytest.mark.parametrize(
    "statement",
    [
        "import sys; sys.exit(0)",
        "import sys; sys.exit(1)",
        "import os; os._exit(0)",
        "import sys; sys.exit('enough')",
        "raise SystemExit",
        "raise GeneratorExit",
        "raise BaseException('odd')",
        "class Odd(BaseException): pass\nraise Odd('odd')",
        "import asyncio; raise asyncio.CancelledError",
        "raise ValueError('two\\nlines')",
        "raise Exception",
        "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute",
        "import no_such_module_at_all",
        "from . import helper",
        "assert False",
        "1 / 0",
        "def f(): f()\nf()",
        "x = = 3",
        "\0",
        "",
        "'''Registers nothing.'''\nx = 1",
    ],
)
@pytest.mark.usefixtures("fresh")
def test_whatever_a_plugin_does_as_it_is_imported_is_its_fault(
    tmp_path: Path, statement: str
) -> None:
    file = write(tmp_path / "mine.py", statement)
    with pytest.raises(PluginError) as raised:
        load_plugins([file])
    assert str(raised.value).startswith(f"plugin {file}: ")
    assert str(raised.value).isprintable()


@pytest.mark.usefixtures("fresh")
def test_an_interruption_is_not_the_plugins_fault(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="interrupted during its import") as raised:
        load_plugins([write(tmp_path / "mine.py", "raise KeyboardInterrupt")])
    assert raised.value.exit_code == ExitCode.INTERRUPTED


@pytest.mark.parametrize("command", ["list", "run"])
@pytest.mark.parametrize("leave", ["import sys; sys.exit(0)", "import helper"])
def test_a_plugin_that_ends_the_process_ends_no_command_well(
    tmp_path: Path, command: str, leave: str
) -> None:
    write(tmp_path / "helper.py", "import os\nos._exit(0)")
    file = write(tmp_path / "mine.py", leave)
    done = run_seqbench(command, "--plugin", file, cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_USE, done.stderr
    (told,) = [line for line in done.stderr.splitlines() if line]
    assert told.startswith(f"error: plugin {file}: it exits the process when imported")
    assert not (tmp_path / "results").exists()


def test_a_plugin_by_a_relative_path_is_told_of_with_its_line(tmp_path: Path) -> None:
    write(tmp_path / "mine.py", "x = 1\nundefined\n")
    done = run_seqbench("list", "--plugin", "mine.py", cwd=tmp_path)
    assert "NameError: name 'undefined' is not defined, line 2" in done.stderr


@pytest.mark.parametrize("names", [("x.py", "x.py"), ("a.b.py", "a-b.py"), ("a b.py", "a_b.py")])
@pytest.mark.usefixtures("fresh")
def test_two_files_with_one_stem_are_two_plugins(tmp_path: Path, names: tuple[str, str]) -> None:
    files = [
        write(tmp_path / folder / name, VARIANT.format(name=f"from-{folder}"))
        for folder, name in zip("ab", names, strict=True)
    ]
    load_plugins(files)
    origins = [VARIANTS.origin(f"from-{folder}") for folder in "ab"]
    assert len(set(origins)) == 2
    for origin, file in zip(origins, files, strict=True):
        assert sys.modules[origin].__file__ == str(file)
        assert str(tmp_path) not in origin, "the digest of the code goes by names"


def test_two_files_with_one_stem_run(tmp_path: Path) -> None:
    files = [
        write(tmp_path / folder / "x.py", VARIANT.format(name=f"from-{folder}")) for folder in "ab"
    ]
    done = run_seqbench(
        "run", "--plugin", files[0], "--plugin", files[1], "--task", "row-digits", "--variant",
        "from-a,from-b", "--epochs", "1", "--hidden-size", "4", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr


@pytest.mark.usefixtures("fresh")
def test_a_file_that_is_named_twice_is_one_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "a" / "x.py", VARIANT.format(name="from-a"))
    monkeypatch.chdir(tmp_path)
    load_plugins([file, tmp_path / "a" / ".." / "a" / "x.py", Path("a/x.py")])


PACKAGE = {
    "helper/__init__.py": "from helper.deeper import NAME",
    "helper/deeper.py": "NAME = 'helped'",
}
HELPERS = {
    "a module": {"helper.py": "NAME = 'helped'"},
    "a package": PACKAGE,
    "one after the other": {
        "helper.py": "from further import NAME",
        "further.py": "NAME = 'helped'",
    },
}


def write_helped(folder: Path, kind: str) -> Path:
    """Write a plugin that gets its variant's name from beside it."""
    for name, text in HELPERS[kind].items():
        write(folder / name, text)
    text = "from helper import NAME\n" + VARIANT.replace("{name!r}", "NAME")
    return write(folder / "mine.py", text)


@pytest.mark.parametrize("kind", HELPERS)
@pytest.mark.usefixtures("fresh")
def test_a_plugin_imports_what_lies_beside_it(tmp_path: Path, kind: str) -> None:
    load_plugins([write_helped(tmp_path, kind)])
    assert "helped" in VARIANTS


def test_a_helper_is_part_of_the_code(tmp_path: Path) -> None:
    file = write_helped(tmp_path / "plugins", "one after the other")

    def run() -> tuple[str, str]:
        done = run_seqbench(
            "run", "--plugin", file, "--task", "row-digits", "--variant", "helped", "--epochs",
            "1", "--hidden-size", "4", cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == ExitCode.OK, done.stderr
        (version,) = load_results(tmp_path / "results" / "local" / "custom").runs["code_version"]
        return done.stdout, version

    _, first = run()
    write(tmp_path / "plugins" / "further.py", "NAME = 'helped'\nMORE = 1")
    told, second = run()
    assert "1 run is run again: its code has changed" in told
    assert first != second


def test_a_file_beside_a_plugin_stands_in_for_none_of_pythons_own(tmp_path: Path) -> None:
    for name in ("signal", "socket", "random", "statistics", "json", "queue"):
        write(tmp_path / f"{name}.py", "raise RuntimeError('this is not the one')")
    text = "import colorsys, socket, statistics\n" + VARIANT.format(name="mine")
    file = write(tmp_path / "mine.py", text)
    write(tmp_path / "colorsys.py", "raise RuntimeError('this is not the one')")
    done = run_seqbench(
        "run", "--plugin", file, "--task", "row-digits", "--variant", "mine", "--epochs", "1",
        "--hidden-size", "4", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == ExitCode.OK, done.stderr


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
@pytest.mark.usefixtures("fresh")
def test_plugins_whose_helpers_have_one_name_are_refused(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    text = "import helper\n" + VARIANT.replace("{name!r}", "helper.NAME")
    for folder in "ab":
        write(tmp_path / folder / "helper.py", f"NAME = 'from-{folder}'")
        write(tmp_path / folder / f"{folder}.py", text)
    files = [tmp_path / each / f"{each}.py" for each in order]
    with pytest.raises(PluginError, match="it imports helper, but ") as raised:
        load_plugins(files)
    assert str(raised.value).startswith(f"plugin {files[1]}: ")


@pytest.mark.parametrize("order", [("one", "other"), ("other", "one")])
@pytest.mark.usefixtures("fresh")
def test_a_plugin_may_import_another(tmp_path: Path, order: tuple[str, str]) -> None:
    write(tmp_path / "one.py", VARIANT.format(name="of-one"))
    write(tmp_path / "other.py", "import one\n" + VARIANT.format(name="of-other"))
    load_plugins([tmp_path / f"{each}.py" for each in order])
    assert {"of-one", "of-other"} <= set(VARIANTS)


@pytest.mark.parametrize(
    ("name", "told"),
    [("nowhere.py", "file not found"), ("", "it is a folder"), ("x" * 300 + ".py", "accessed")],
)
def test_what_is_no_file_is_no_plugin(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(PluginError, match=told):
        load_plugins([tmp_path / name])


@pytest.mark.parametrize("offered", ["()", "'native'", "('triton',)", "None", "(1,)"])
@pytest.mark.usefixtures("fresh")
def test_a_variant_offers_implementations_that_can_be_asked_for(
    tmp_path: Path, offered: str
) -> None:
    text = VARIANT.replace("{name!r}", f"'mine', implementations={offered}")
    with pytest.raises(PluginError, match="'mine' offers the implementations"):
        load_plugins([write(tmp_path / "mine.py", text)])


@pytest.mark.parametrize(
    "statement", ["raise ValueError('no')", "raise SystemExit(0)", "return None", "return 3"]
)
@pytest.mark.usefixtures("fresh")
def test_a_variant_that_cannot_be_built_is_named_where_it_is_shown_or_matched(
    tmp_path: Path, statement: str
) -> None:
    text = VARIANT.format(name="mine").replace("return NativeEncoder(nn.RNN, sizes)", statement)
    load_plugins([write(tmp_path / "mine.py", text)])
    with pytest.raises(ContractError, match="variant mine cannot be shown: "):
        describe_variant("mine", "row-digits")
    axes = {"task": ("row-digits",), "variant": ("mine", "rnn"), "seed": (0,)}
    with pytest.raises(ContractError, match="variant mine cannot be built for row-digits: "):
        plan_runs([axes], match_parameters=5000)


def test_a_model_that_heeds_neither_layers_nor_units_is_shown_as_such(
    plugin: Path, tmp_path: Path
) -> None:
    words = ("--task", "brighter-half", "--plugin", plugin)
    mean = run_seqbench("show", "running-mean", *words, cwd=tmp_path).stdout
    assert "On brighter-half: fixed number of layers, fixed hidden size, read-out last" in mean
    assert "not recorded: most of its operations are element-wise" in mean
    assert "2 layers, hidden size 128" in run_seqbench("show", "gru", *words, cwd=tmp_path).stdout
    linear = run_seqbench("show", "linear", *words, cwd=tmp_path).stdout
    assert "fixed number of layers, hidden size 128" in linear
    assert "not recorded" not in linear


def test_the_pages_regression_reads_a_file_of_ones_own(plugin: Path, tmp_path: Path) -> None:
    refused = run_seqbench("run", "--task", "weather.csv", "--variant", "rnn", cwd=tmp_path)
    assert refused.returncode == ExitCode.BAD_USE
    assert "--plugin my_file.py --task its-name" in refused.stderr
    days = [15 + 10 * ((day % 14) / 14) + (day * 37 % 11) / 5 for day in range(401)]
    rows = "".join(f"{day},{celsius}\n" for day, celsius in enumerate(days))
    write(tmp_path / "weather" / "temperatures.csv", "day,celsius\n" + rows)
    words = (
        "run", "--plugin", plugin, "--task", "tomorrow", "--variant", "gru,bigru", "--epochs", "1",
        "--hidden-size", "4", "--name", "days",
    )  # fmt: skip
    missing = run_seqbench(*words, "--data", tmp_path, cwd=tmp_path)
    assert missing.returncode == ExitCode.BAD_USE
    assert "temperatures.csv cannot be read" in missing.stderr
    done = run_seqbench(*words, "--data", tmp_path / "weather", "--report", cwd=tmp_path)
    assert done.returncode == ExitCode.OK, done.stderr
    runs = load_results(tmp_path / "results" / "local" / "days").runs.set_index("variant")
    assert runs["status"].to_dict() == {"gru": "ok", "bigru": "unsupported"}
    assert "a unidirectional one for tomorrow" in runs.loc["bigru", "error"]
    weeks = [days[start : start + 8] for start in range(0, len(days) - 7, 7)]
    test = weeks[len(weeks) * 4 // 5 :]
    errors = [abs(one - other) for week in test for one, other in pairwise(week)]
    assert runs.loc["gru", "metric"] == "mean_absolute_error"
    assert runs.loc["gru", "baseline_score"] == pytest.approx(sum(errors) / len(errors), rel=1e-5)
    assert re.search(r"tomorrow gru seed 0 on cpu: mean_absolute_error [\d.]+ °C, ", done.stdout)
    assert (runs.loc["gru", "metric_unit"], runs.loc["gru", "higher_is_better"]) == ("°C", False)
    page = (tmp_path / "reports" / "local" / "days" / "README.md").read_text()
    assert re.search(r"best mean mean absolute error on `tomorrow` \(cpu\): [\d.]+ °C", page)
    shown = run_seqbench("show", "tomorrow", "--plugin", plugin, cwd=tmp_path)
    assert "Metric: mean_absolute_error in °C, lower is better" in shown.stdout


BROKEN = '''
from pathlib import Path
from torch import nn
from seqbench.models.model import VARIANTS, Encoder, EncoderSizes
from seqbench.tasks.task import TASKS, Classification, TaskData


@VARIANTS.variant("broken")
class Broken(Encoder):
    """   """

    def __init__(self, sizes: EncoderSizes) -> None:
        <build>

    def forward(self, inputs):
        <forward>


@TASKS.register("broken-task")
class BrokenTask(Classification):
    features, time, outputs = 1, 4, 2

    def __init__(self, length=None):
        <init>

    def load(self, data_dir: Path) -> TaskData:
        raise NotImplementedError
'''
WELL = {
    "<build>": "super().__init__(); self.width = 2",
    "<forward>": "raise KeyError('no such key')",
    "<init>": "super().__init__(length)",
}


@pytest.mark.parametrize(
    ("place", "code", "shown", "told"),
    [
        ("<build>", "raise RuntimeError('no way')", "broken", "variant broken cannot be shown"),
        ("<build>", "1 / 0", "broken", "ZeroDivisionError: division by zero"),
        ("<build>", "pass", "broken", "variant broken cannot be shown"),
        ("<forward>", "raise KeyError('no such key')", "broken", "KeyError: 'no such key'"),
        ("<forward>", "return inputs", "broken", "variant broken cannot be shown"),
        ("<forward>", "raise MemoryError", "broken", "MemoryError"),
        ("<forward>", "return self(inputs)", "broken", "RecursionError"),
        ("<init>", "raise ValueError('no\\nsuch length')", "broken-task", "such length"),
        ("<init>", "self.time = None", "broken-task", "task broken-task declares time = None"),
    ],
)
def test_what_raises_is_shown_as_far_as_it_goes_and_its_fault_is_named(
    tmp_path: Path, place: str, code: str, shown: str, told: str
) -> None:
    text = BROKEN
    for name, well in WELL.items():
        text = text.replace(name, code if name == place else well)
    (tmp_path / "mine.py").write_text(text)
    done = run_seqbench("show", shown, "--plugin", "mine.py", cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_USE, done.stderr
    assert done.stdout.startswith(f"{shown} (")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_members_without_a_word_of_explanation_are_listed(tmp_path: Path) -> None:
    text = BROKEN
    for name, well in WELL.items():
        text = text.replace(name, well)
    (tmp_path / "mine.py").write_text(text)
    listed = run_seqbench("list", "--plugin", "mine.py", cwd=tmp_path)
    assert listed.returncode == ExitCode.OK, listed.stderr
    assert "broken-task" in listed.stdout
