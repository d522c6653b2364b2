"""The gate as a person uses it: a real git repository, real processes, real exit codes.

The project's work has a clock of its own, so what is slower here is slower on any machine. What the
gate makes of real time on a noisy one is measured by `nox -s gate-trials`.
"""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from seqbench.errors import ExitCode
from tests.processes import run_seqbench
from tests.repositories import BENCHMARKS, HARNESS, OWN_CLOCK, SOON, Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "mini")


def gate(repository: Repository, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_seqbench(
        "gate",
        *words,
        cwd=repository.folder,
        program=OWN_CLOCK,
        strict=True,
        env={"COLUMNS": "300", "GITHUB_STEP_SUMMARY": ""} | variables,
    )


def rows_of(output: str) -> dict[str, list[str]]:
    """Return the cells of both of the summary's tables by benchmark."""
    lines = [line for line in output.splitlines() if line.startswith("|") and "---" not in line]
    rows: dict[str, list[str]] = {}
    for line in lines:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows.setdefault(name, []).extend(cells)
    del rows["benchmark"]
    return rows


def test_a_commit_that_slows_the_harness_is_caught_and_named(
    repository: Repository, tmp_path: Path
) -> None:
    commit = repository.replace("Check each step", "mini/harness.py", "now += ", "now += 1.1 * ")
    summary, step_summary = tmp_path / "gate.md", tmp_path / "step.md"
    step_summary.write_text("before\n")
    done = gate(
        repository,
        *("--base", "main~1", "--head", "main", "--summary", str(summary)),
        *("--evidence", str(tmp_path / "gate.csv")),
        GITHUB_STEP_SUMMARY=str(step_summary),
    )
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stderr
    told = summary.read_text()
    assert told in done.stdout
    assert step_summary.read_text() == f"before\n{told}"
    headline = told.splitlines()[0]
    assert headline.startswith("### Regression: ")
    for name in ("elman", "gated"):
        assert f"{name} is " in headline
        row = rows_of(told)[name]
        assert row[0] == "**slower**"
        assert 7 < float(row[1].strip("+ %")) < 13
        assert row[7:] == ["bitwise equal", "—", "—", "2", "not measured", "—", "—"]
    assert f"{commit[:10]} (Check each step)" in told
    command = told.split("Reproduce with: `")[1].split("`")[0]
    base = repository.git("rev-parse", "main~1")[:10]
    assert command.startswith(f"seqbench gate --base {base} --head {commit[:10]} --only ")
    evidence = list(csv.DictReader((tmp_path / "gate.csv").read_text().splitlines()))
    pairs = [row for row in evidence if row["kind"] == "pair_s" and row["benchmark"] == "elman"]
    assert len(pairs) == int(rows_of(told)["elman"][6])
    assert float(pairs[0]["base"]) == pytest.approx(0.010, rel=0.1)
    traces = [row for row in evidence if row["kind"] == "seed_trace" and row["number"] == "1"]
    assert [row["step"] for row in traces] == ["0", "1", "2"] * 2  # losses of each benchmark
    assert all(row["base"] == row["head"] for row in traces)


DECLARED = """
[tool.setuptools.packages.find]
where = ["code"]
"""


@pytest.mark.parametrize("layout", ["src", "code"])
def test_each_side_runs_its_own_code_whatever_the_layout(
    repository: Repository, layout: str
) -> None:
    """The working copy is importable too, as a package installed in development mode is."""
    repository.git("mv", "mini", layout + "-")
    (repository.folder / layout).mkdir()
    repository.git("mv", layout + "-", f"{layout}/mini")
    repository.commit("Another layout", {"pyproject.toml": DECLARED})
    repository.replace("Slow", f"{layout}/mini/harness.py", "now += ", "now += 1.3 * ")
    path = os.pathsep.join([str(repository.folder / layout), os.environ.get("PYTHONPATH", "")])
    done = gate(repository, "--base", "main~1", "--head", "main", *SOON, PYTHONPATH=path)
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stdout + done.stderr


def test_code_of_the_working_copy_is_refused_on_both_sides(repository: Repository) -> None:
    repository.git("mv", "mini", "odd")
    (repository.folder / "somewhere").mkdir()
    repository.git("mv", "odd", "somewhere/mini")
    repository.commit("A layout that nothing declares", {"README.md": "mini, elsewhere\n"})
    repository.replace("Slow", "somewhere/mini/harness.py", "now += ", "now += 2 * ")
    path = os.pathsep.join([str(repository.folder / "somewhere"), os.environ.get("PYTHONPATH", "")])
    done = gate(repository, "--base", "main~1", "--head", "main", *SOON, PYTHONPATH=path)
    assert done.returncode == ExitCode.NOTHING_MEASURED, done.stdout + done.stderr
    assert "mini was imported from" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("where", "how"),
    [
        ("def step(variant):\n    global now\n", "import helper"),
        ("def train(variant, seed):\n", "import helper"),
        ("def step(variant):\n    global now\n", "global h; h = run_path(FILE, run_name='helper')"),
    ],
)
def test_code_from_elsewhere_is_refused_however_it_is_imported(
    repository: Repository, tmp_path: Path, where: str, how: str
) -> None:
    (tmp_path / "helper.py").write_text("def help():\n    pass\n")
    how = how.replace(
        "run_path(FILE", f"__import__('runpy').run_path({str(tmp_path / 'helper.py')!r}"
    )
    repository.replace("Help", "mini/harness.py", where, f"{where}    {how}\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = gate(repository, "--base", "main~1", "--head", "main", *SOON, PYTHONPATH=path)
    assert done.returncode == ExitCode.NOTHING_MEASURED, done.stdout + done.stderr
    assert f"helper was imported from {tmp_path / 'helper.py'}" in done.stderr


def test_the_worst_comes_first_and_the_same_is_called_the_same(repository: Repository) -> None:
    repository.replace("Slower", "mini/harness.py", '"gated": 0.030', '"gated": 0.036')
    done = gate(repository, "--base", "main~1", *SOON)
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stderr
    assert list(rows_of(done.stdout)) == ["gated", "elman"]
    assert "; elman the same; both with equal scores." in done.stdout
    assert "--only gated" in done.stdout


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"README.md": "mini, a project\n", "docs/more.png": "\x89PNG"},
        {"mini/harness.py": HARNESS.replace('"""A harness', '# now\n"""The harness')},
    ],
)
def test_the_same_code_is_the_same_at_once(repository: Repository, change: dict[str, str]) -> None:
    repository.write(change)
    done = gate(repository, "--base", "main")
    assert done.returncode == ExitCode.OK, done.stderr
    told = "### No regression: both versions are the same code, so nothing was measured."
    assert told in done.stdout
    assert "pair" not in done.stdout.split("###")[0]
    assert {row[0] for row in rows_of(done.stdout).values()} == {"same"}


@pytest.mark.parametrize(
    ("reader", "change", "told"),
    [
        ("Path('README' + '.md').exists()", {"README.md": "more\n"}, "read README.md"),
        (
            "pkgutil.get_data('mini.harness', 'harness.py')",
            {"mini/harness.py": f"# now\n{HARNESS}"},
            "read mini/harness.py",
        ),
        (
            "print.__doc__",
            {"mini/harness.py": HARNESS.replace('"""A harness', '"""The harness')},
            "gate.py has '__doc__'",
        ),
        ("subprocess.run(['true'])", {"README.md": "more\n"}, "read another process"),
        ("1 / 0", {"README.md": "more\n"}, "ZeroDivisionError"),
    ],
)
def test_words_that_a_benchmark_reads_are_measured(
    repository: Repository, reader: str, change: dict[str, str], told: str
) -> None:
    imports = "import pkgutil, subprocess\nfrom pathlib import Path\n"
    repository.commit("Read", {"benchmarks/gate.py": f"{imports}{BENCHMARKS}"})
    repository.replace(
        "Read", "benchmarks/gate.py", "    return lambda", f"    {reader}\n    return lambda"
    )
    repository.write(change)
    done = gate(repository, "--base", "main", "--only", "elman", "--budget", "0.01")
    assert "### Nothing measured: elman undecided" in done.stdout, done.stdout
    assert told in done.stdout.split("###")[0]


def test_the_same_code_is_measured_all_the_same_if_that_is_asked_for(
    repository: Repository,
) -> None:
    done = gate(repository, "--base", "main", "--measure-same", *SOON)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "### No regression: both the same; both with equal scores." in done.stdout
    assert "--measure-same" in done.stdout.split("Reproduce with")[1]


def test_a_benchmark_that_changed_is_not_comparable(repository: Repository) -> None:
    repository.replace(
        "Two steps",
        "benchmarks/gate.py",
        "return lambda: harness.step(variant)",
        "return lambda: [harness.step(variant) for _ in range(2)]",
    )
    done = gate(repository, "--base", "main~1", *SOON)
    rows = rows_of(done.stdout)
    assert rows["elman"][:2] == ["not comparable", "—"]
    assert rows["elman"][7] == "bitwise equal"  # how it is scored is the same
    assert (
        "Not comparable: elman and gated (its time and memory: its source changed)." in done.stdout
    )
    assert "### Nothing measured: both not comparable; both with equal scores." in done.stdout
    assert done.returncode == ExitCode.NOTHING_MEASURED


def test_nothing_comparable_is_nothing_measured(repository: Repository) -> None:
    text = (repository.folder / "benchmarks/gate.py").read_text()
    repository.commit(
        "Other settings and one more",
        {
            "benchmarks/gate.py": text.replace('{"variant": name}', '{"variant": name.strip()}')
            .replace("def make_step(variant)", "def make_step(variant, much=1)")
            .replace("def learn(variant, seed)", "def learn(variant, seed, much=1)")
        },
    )
    done = gate(repository, "--base", "main~1", *SOON)
    assert done.returncode == ExitCode.NOTHING_MEASURED
    assert (
        "### Nothing measured: both not comparable; both with scores not comparable." in done.stdout
    )


def test_a_benchmark_that_one_side_lacks_is_told_and_so_are_settings(
    repository: Repository,
) -> None:
    repository.replace(
        "One more, another one otherwise",
        "benchmarks/gate.py",
        'for name in ("elman", "gated")',
        'for name in ("elman", "gated", "third")',
    )
    repository.replace(
        "So much", "mini/harness.py", '"gated": 0.030', '"gated": 0.03, "third": 0.02'
    )
    done = gate(repository, "--base", "main~2", *SOON)
    assert done.returncode == ExitCode.OK, done.stderr
    assert "Not comparable: third (the base lacks it)." in done.stdout
    assert {row[0] for row in rows_of(done.stdout).values()} == {"same", "not comparable"}

    text = (repository.folder / "benchmarks/gate.py").read_text()
    changed = text.replace('{"variant": name}', '{"variant": name.strip("d")}')
    changed = changed.replace("harness.step(variant)", "harness.step(variant)  # as before")
    repository.commit("Other settings", {"benchmarks/gate.py": changed})
    repository.replace("gate", "mini/harness.py", '"gated": 0.03,', '"gate": 0.03,')
    done = gate(repository, "--base", "main~2", *SOON)
    assert "Not comparable: gated and third (its settings changed)." in done.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("import os\nos._exit(7)\n", "its process exited with code 7"),
        ("def broken(:\n", "SyntaxError"),
    ],
)
def test_a_head_that_does_not_import_is_an_error_and_not_a_pass(
    repository: Repository, text: str, told: str
) -> None:
    repository.commit("Broken", {"mini/harness.py": text + HARNESS})
    done = gate(repository, "--base", "main~1", "--head", "main")
    assert done.returncode == ExitCode.NOTHING_MEASURED
    assert done.stderr.startswith("error: the head, ")
    assert "(Broken), cannot be measured" in done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("raise ValueError('no such gate')", "ValueError: no such gate"),
        ("import os; os._exit(3)", "3"),
    ],
)
def test_a_benchmark_that_fails_on_the_heads_side_ends_no_other(
    repository: Repository, fault: str, told: str
) -> None:
    step = "def step(variant):\n    global now\n"
    change = f"{step}    if variant == 'elman':\n        {fault}\n"  # the first of both
    repository.replace("Broken gate", "mini/harness.py", step, change)
    done = gate(repository, "--base", "main~1", *SOON)
    assert done.returncode == ExitCode.RUNS_FAILED, done.stderr
    assert (
        "### Failed: elman failed on the head's side; gated the same; gated with equal scores."
        in done.stdout
    )
    assert told in done.stdout
    assert rows_of(done.stdout)["elman"][0] == "**failed**"

    back = gate(repository, "--base", "main", "--head", "main~1", *SOON)
    assert back.returncode == ExitCode.GATE_UNDECIDED, back.stderr
    assert "### Undecided: elman not comparable; gated the same" in back.stdout
    assert rows_of(back.stdout)["elman"][0] == "not comparable"
    assert "the base fails in it" in back.stdout


def test_a_base_that_fails_only_later_is_not_comparable(repository: Repository) -> None:
    change = "def step(variant):\n    global now\n    if now > 0.5:\n        raise ValueError\n"
    step = "def step(variant):\n    global now\n"
    repository.replace("Breaks down", "mini/harness.py", step, change)
    repository.replace("Holds", "mini/harness.py", "now > 0.5", "False")
    done = gate(repository, "--base", "main~1", *SOON)
    assert done.returncode == ExitCode.NOTHING_MEASURED, done.stderr
    assert {row[0] for row in rows_of(done.stdout).values()} == {"not comparable"}


def test_two_benchmarks_of_one_name_are_an_error(repository: Repository) -> None:
    repository.replace("Twice", "benchmarks/gate.py", '("elman", "gated")', '("elman", "elman")')
    done = gate(repository, "--base", "main~1", *SOON)
    assert done.returncode == ExitCode.NOTHING_MEASURED
    assert "have the same name" in done.stderr


def test_speed_that_was_bought_with_accuracy_is_shown_as_just_that(repository: Repository) -> None:
    faster = HARNESS.replace("now += ", "now += 0.8 * ").replace("return 0.9 +", "return 0.85 +")
    repository.commit("Skip half of the gates", {"mini/harness.py": faster})
    done = gate(repository, "--base", "main~1", *SOON)
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stderr
    assert "so elman trades accuracy for speed" in done.stdout
    row = rows_of(done.stdout)["elman"]
    assert (row[0], row[7], row[8]) == ("faster", "**worse**", "-5.00 points")


def test_a_commit_that_doubles_a_peak_of_memory_is_caught_and_noise_of_it_is_not(
    repository: Repository,
) -> None:
    """A first step takes 32 MiB, 5 % more or less; then that of one benchmark takes twice that."""
    step = "def step(variant):\n    global now\n"
    much = "int(2**25 * process.uniform(0.95, 1.05)) if now == 0 else 0"
    held = f"    held = bytearray({much})\n"
    repository.replace("Hold something", "mini/harness.py", step, step + held)
    twice = "    again = bytearray(len(held)) if variant == 'gated' else None\n"
    repository.replace("Hold it twice", "mini/harness.py", held, held + twice)
    done = gate(repository, "--base", "main~1", *SOON)
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stderr
    rows = rows_of(done.stdout)
    assert (rows["elman"][0], rows["gated"][0]) == ("same", "same")
    assert (rows["elman"][11], rows["gated"][11]) == ("same", "**more memory**")
    assert 80 < float(rows["gated"][12].strip("+ %")) < 120
    assert "### Regression: gated needs " in done.stdout


def test_scores_that_are_not_equal_are_compared_over_more_seeds(repository: Repository) -> None:
    repository.replace(
        "Round otherwise",
        "mini/harness.py",
        "return 0.9 +",
        "return 0.9 + 1e-9 + 0.001 * losses[0] +",
    )
    done = gate(repository, "--base", "main~1", "--error-rate", "0.9")
    assert done.returncode == ExitCode.OK, done.stderr
    row = rows_of(done.stdout)["elman"]
    assert row[7] == "same"
    assert int(row[10]) > 2


def test_the_code_as_it_lies_there_is_measured_with_what_is_not_committed(
    repository: Repository,
) -> None:
    repository.write({"mini/harness.py": HARNESS.replace("now += ", "now += slow.FACTOR * ")})
    with (repository.folder / "mini/harness.py").open("a") as file:
        file.write("\n\nfrom mini import slow\n")
    repository.write({"mini/slow.py": "FACTOR = 1.2\n"})  # not even added
    before = repository.git("status", "--short")
    done = gate(repository, "--base", "main", *SOON)
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stderr
    assert "with uncommitted changes" in done.stdout
    assert "--head worktree" in done.stdout
    assert repository.git("status", "--short") == before
    assert len(repository.git("worktree", "list").splitlines()) == 1


def test_another_python_may_run_the_base(repository: Repository) -> None:
    done = gate(repository, "--base-env", sys.executable, *SOON)
    assert done.returncode == ExitCode.OK, done.stderr
    assert f"with {sys.executable}" in done.stdout.replace("\\_", "_")


def test_margins_and_error_rates_are_settings_also_of_one_benchmark(
    repository: Repository,
) -> None:
    repository.replace("Slower", "mini/harness.py", "now += ", "now += 1.1 * ")
    done = gate(
        repository,
        "--base",
        "main~1",
        "--margin",
        "0.3,gated=0.01",
        "--error-rate",
        "elman=0.3,0.2",
    )
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stderr
    rows = rows_of(done.stdout)
    assert (rows["elman"][0], rows["gated"][0]) == ("same", "**slower**")
    assert "--error-rate 0.2,elman=0.3 --margin 0.3,gated=0.01" in done.stdout


def test_a_budget_that_is_spent_leaves_it_undecided(repository: Repository) -> None:
    done = gate(repository, "--base", "main", "--budget", "0.01", "--measure-same")
    assert done.returncode == ExitCode.NOTHING_MEASURED, done.stderr
    assert "undecided" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--base"),
        (("--base", "nowhere"), "no revision 'nowhere'"),
        (("--base", "main", "--margin", "2"), "--margin must be between 0 and 1"),
        (("--base", "main", "--margin", "much"), "--margin must be a fraction"),
        (("--base", "main", "--error-rate", "elman=0"), "--error-rate must be between 0 and 1"),
        (("--base", "main", "--budget", "0"), "--budget must be greater than 0"),
        (("--base", "main", "--only", "elmann"), "did you mean elman"),
        (("--base", "main", "--benchmarks", "bench.py"), "has no bench.py"),
        (("--base", "main", "--benchmarks", "/etc/passwd"), "--benchmarks must be a Python file"),
        (("--base", "main", "--benchmarks", "../gate.py"), "--benchmarks must be a Python file"),
        (("--base", "main", "--budget", "inf"), "--budget must be greater than 0 and finite"),
        (("--base", "main", "--budget", "nan"), "--budget must be greater than 0 and finite"),
        (("--base", "main", "--only", ""), "--only is empty"),
        (("--base", "main", "--only", " "), "unknown benchmark ''"),
        (("--base", "main", "--repository", "/"), "not a git repository"),
    ],
)
def test_bad_use_is_told(repository: Repository, words: tuple[str, ...], told: str) -> None:
    done = gate(repository, *words)
    assert done.returncode == ExitCode.BAD_USE
    assert told in done.stderr


def test_an_interruption_leaves_no_worktree_and_no_process(repository: Repository) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, str(OWN_CLOCK), "gate", "--base", "main"),
            *("--measure-same", "--error-rate", "1e-9"),
        ],
        cwd=repository.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while "pair 1:" not in process.stdout.readline():
        time.sleep(0.01)
    sides: list[psutil.Process] = []
    while len(sides) < 2:  # of the next pair
        sides = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert not psutil.wait_procs(sides, timeout=10)[1]
    assert process.returncode == ExitCode.INTERRUPTED
    assert "interrupted" in said
    assert len(repository.git("worktree", "list").splitlines()) == 1
