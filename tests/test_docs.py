"""README and docs: true to the code and to the committed results."""

import re
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from typer.main import get_group

from seqbench.cli import app
from seqbench.columns import Column, columns
from seqbench.commands.options import describe_setting, option_of
from seqbench.errors import ExitCode
from seqbench.results.records import (
    EpochRecord,
    EvaluationRecord,
    ProfileRecord,
    RunRecord,
    TimingRecord,
)
from seqbench.spec import GROUPS, RunSpec

ROOT = Path(__file__).parents[1]


def describe(column: Column) -> str:
    check = column.check.expected if column.check else ""
    kind = column.type.__name__ + (", may be empty" if column.optional else "")
    return f"| `{column.name}` | {kind} | {column.unit} | {column.meaning} | {check} |"


@pytest.mark.parametrize(
    ("file", "record"),
    [
        ("runs.csv", RunRecord),
        ("epochs.csv", EpochRecord),
        ("evaluations.csv", EvaluationRecord),
        ("timings.csv", TimingRecord),
        ("profile.csv", ProfileRecord),
    ],
)
def test_every_column_is_described_as_it_is_declared(file: str, record: type) -> None:
    page = (ROOT / "docs" / "results.md").read_text()
    section = page.split(f"## `{file}`")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [describe(column) for column in columns(record)]


def test_every_setting_is_described_as_it_is_declared() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    for group in GROUPS:
        section = page.split(f"## {group}")[1].split("\n## ")[0]
        assert [line for line in section.splitlines() if line.startswith("| `")] == [
            f"| `{option_of(each.name)}` "
            f"| {each.check.expected if each.check else 'true or false'} "
            f"| {describe_setting(each, field.default)} |"
            for each, field in zip(columns(RunSpec), fields(RunSpec), strict=True)
            if each.group == group
        ]


def test_every_exit_code_is_described() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text()
    assert re.findall(r"^\| (\d+) \|", page, re.MULTILINE) == [str(int(code)) for code in ExitCode]


def test_the_readmes_table_is_the_committed_reports() -> None:
    readme = (ROOT / "README.md").read_text()
    report = (ROOT / "reports" / "mnist" / "README.md").read_text()
    section = readme.split("## A result")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert len(rows) >= 8
    assert set(rows) <= set(report.splitlines())


def test_the_gates_headline_is_that_of_the_committed_run() -> None:
    headline = (ROOT / "reports" / "gate" / "README.md").read_text().splitlines()[0]
    for page in ("README.md", "docs/gate.md"):
        assert headline in " ".join((ROOT / page).read_text().split())


def test_the_gates_trials_are_told_as_they_were_counted() -> None:
    report = (ROOT / "reports" / "gate-trials" / "README.md").read_text()
    readme = (ROOT / "README.md").read_text()
    wanted = {"pytest-benchmark": 2, "mann-whitney": 1, "bootstrap": 1}
    alarms, found = (
        next(line for line in report.splitlines() if line.startswith(f"- The gate {what}"))
        for what in ("gave false alarms", "found a slowdown of 5%")
    )
    section = " ".join(readme.split("## Is this change slower?")[1].split("\n## ")[0].split())
    for line in (alarms, found):
        assert re.search(r"in (\d+ of \d+) trials", line)[1] in section  # type: ignore[index]
    for method, of_each in wanted.items():
        for line in (alarms, found)[:of_each]:
            share = re.search(rf"{method} in (\d+)%", line)[1]  # type: ignore[index]
            assert f" {share} %" in section


def test_the_gates_simulation_is_told_as_it_was_counted() -> None:
    report = (ROOT / "reports" / "gate-simulation" / "README.md").read_text()
    readme = " ".join(
        (ROOT / "README.md").read_text().split("## Is this change slower?")[1].split()
    )
    found = [line for line in report.splitlines() if line.startswith("- ")]
    assert len(found) >= 4
    assert set(found) <= set((ROOT / "docs" / "gate.md").read_text().splitlines())
    alarms = re.search(r"\| recorded +\| (\d+ of \d+) ", report)
    assert alarms is not None
    for change in (2, 3):
        line = next(each for each in found if f"a slowdown of {change}% is found" in each)
        share = re.search(r"in ([\d.]+)% of benchmarks", line)
        assert share is not None
        assert f"{share[1]} %" in readme
    assert alarms[1] in readme


def test_what_the_history_finds_is_said_as_it_was_counted() -> None:
    report = (ROOT / "reports" / "history-trials" / "README.md").read_text().splitlines()
    said = (ROOT / "docs" / "history.md").read_text().splitlines()
    found = [line for line in report if line.startswith("- ")]
    assert len(found) == 5
    assert set(found) <= set(said)


def test_files_that_the_pages_link_to_are_there() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("reports/*/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_sessions_commands_and_options_that_are_named_exist() -> None:
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.M))
    sessions = {name.replace("_", "-") for name in sessions}
    commands = {command.name: command for command in get_group(app).commands.values()}
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob(".github/workflows/*.yml")]
    for page in pages:
        text = page.read_text()
        for name in re.findall(r"nox (?:-R )?-s ([\w-]+)", text):
            assert name in sessions, f"{page.name} names nox -s {name}"
        for name, words in re.findall(r"^ *(?:`|)seqbench (\w[\w-]*)(.*)", text, re.M):
            assert name in commands, f"{page.name} names seqbench {name}"
            below = getattr(commands[name], "commands", {})  # those of a command like explain
            command = below.get((words.split() or [""])[0], commands[name])
            known = {option for each in command.params for option in each.opts}
            wanted = set(re.findall(r"(?<!\S)--[\w-]+", words.partition("#")[0]))
            assert wanted <= known | {"--help"}, f"{page.name}: seqbench {name}{words}"
    gate = (ROOT / ".github/workflows/gate.yml").read_text()
    wanted = set(re.findall(r"--(?:base|head|summary|evidence)\b", gate))
    assert len(wanted) == 4
    assert wanted <= {option for each in commands["gate"].params for option in each.opts}


@pytest.mark.parametrize("file", sorted((ROOT / "results").glob("*/runs.csv")), ids=str)
def test_a_report_says_how_many_runs_have_no_digests(file: Path) -> None:
    page = (ROOT / "reports" / file.parent.name / "README.md").read_text()
    without = (pd.read_csv(file)["schema_version"] < 7).sum()
    assert ("runs have a schema before 7 and no digests" in page) is bool(without)
    assert not without or f"{without} of " in page


def test_the_counts_of_hostile_trials_are_those_of_the_last_run() -> None:
    rows = pd.read_csv(ROOT / "results/hostile/trials.csv", keep_default_na=False)
    page = (ROOT / "docs/reliability.md").read_text()
    section = " ".join(page.split("`nox -s hostile` gives")[1].split("\n\n")[0].split())
    assert f"{len(rows):,} trials" in section
    assert f"{(rows['faults'] != '').sum()} with a fault" in section
    for fault in ("a traceback", "a hang", "rows lost", "input accepted in silence"):
        known = fault.removeprefix("a ").removeprefix("input ")
        assert f"{rows['faults'].str.contains(known).sum()} with {fault}" in section
