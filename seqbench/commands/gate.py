"""`seqbench gate`: compare two versions of code."""

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from seqbench.commands.arguments import NUMBER
from seqbench.commands.console import complain, interruptible, say, tell_progress
from seqbench.commands.outputs import Output, check_outputs, speak_freely, write_outputs
from seqbench.errors import ExitCode, SettingError, UsageError
from seqbench.gate.benchmark import DEFAULT_FILE

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""Variable with the file whose Markdown GitHub Actions shows on a run's page."""

_BETWEEN_PACKAGES = re.compile(r",\s*(?=[\w./])(?![^\[]*\])")
"""A comma between packages: before a name, not before a condition or between extras."""


def _named(text: str) -> Any:
    return typer.Option(help=text, metavar="[NAME=]SHARE,…")


def gate(
    base: Annotated[
        str | None, typer.Option(help="Revision to compare with. Default: the head's.")
    ] = None,
    head: Annotated[
        str, typer.Option(help="Revision to judge; worktree: the working tree.")
    ] = "worktree",
    base_env: Annotated[
        list[str] | None,
        typer.Option(
            help="Another environment for the base: a Python, or packages like torch==2.12.0.",
            metavar="PYTHON|PACKAGE,…",
        ),
    ] = None,
    benchmarks: Annotated[
        Path, typer.Option(help="The benchmark file, relative to the repository.", metavar="FILE")
    ] = DEFAULT_FILE,
    only: Annotated[
        list[str] | None, typer.Option(help="Only these benchmarks.", metavar="NAME,…")
    ] = None,
    margin: Annotated[
        list[str] | None, _named("Smallest relevant change of time, relative. Default: 0.02.")
    ] = None,
    memory_margin: Annotated[
        list[str] | None, _named("Smallest relevant change of peak memory, relative. Default: 0.1.")
    ] = None,
    score_margin: Annotated[
        list[str] | None, _named("Smallest relevant change of score, in its unit. Default: 0.02.")
    ] = None,
    error_rate: Annotated[
        list[str] | None,
        _named("Probability of any wrong verdict in a run. Default: 0.01."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            help="Seconds after which to stop. Default: 300.", parser=NUMBER, metavar="SECONDS"
        ),
    ] = None,
    measure_same: Annotated[
        bool,
        typer.Option("--measure-same", help="Measure also if both versions are the same code."),
    ] = False,
    summary: Annotated[
        Path | None, typer.Option(help="Write the summary here, as Markdown.", metavar="FILE")
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(help="Write the raw values of pairs and seeds here, as CSV.", metavar="FILE"),
    ] = None,
    repository: Annotated[
        Path, typer.Option(help="The git repository, or a folder in it.", metavar="DIR")
    ] = Path(),
) -> None:
    """Test whether a version of code is slower, needs more memory or has worse scores than another.

    Both run alternately on one core, in interleaved process pairs, until every benchmark is
    decided.
    """
    from seqbench.gate.evidence import format_evidence
    from seqbench.gate.headline import choose_exit_code
    from seqbench.gate.rules import Rules, parse_shares
    from seqbench.gate.running import run_gate
    from seqbench.gate.summary import format_summary
    from seqbench.gate.versions import check_out_versions

    if base is None and not base_env:
        raise UsageError("nothing to compare with: give --base REVISION or --base-env")
    if benchmarks.is_absolute() or ".." in benchmarks.parts or benchmarks.suffix != ".py":
        expected = "a Python file in the repository, relative to its root"
        raise SettingError("benchmarks", str(benchmarks), expected)
    settings: dict[str, Any] = {} if budget is None else {"budget_s": budget}
    for setting, texts in (
        ("margin", margin),
        ("memory_margin", memory_margin),
        ("score_margin", score_margin),
        ("error_rate", error_rate),
    ):
        one, named = parse_shares(setting, texts or ())
        settings |= {f"{setting}s": named} | ({} if one is None else {setting: one})
    rules = Rules(**settings, only=only or (), measure_same=measure_same)
    outputs = {
        "summary": None if summary is None else Output("--summary", summary),
        "step": _find_step_summary(),
        "evidence": None if evidence is None else Output("--evidence", evidence),
    }
    check_outputs([each for each in outputs.values() if each])
    wanted = [part for each in base_env or () for part in _BETWEEN_PACKAGES.split(each)]
    with (
        interruptible("no results written"),
        check_out_versions(repository, base or head, head, wanted) as versions,
        tell_progress() as tell,
    ):
        outcome = run_gate(versions, benchmarks, rules, speak_freely(tell))
    text = format_summary(outcome)
    contents = {"summary": text, "step": text, "evidence": format_evidence(outcome)}
    files = [(each, contents[name]) for name, each in outputs.items() if each]
    faults = write_outputs(files)
    for fault in faults:
        speak_freely(complain)(f"error: {fault}")
    speak_freely(say)(text)
    code = choose_exit_code(outcome.cases)
    if code or faults:
        raise typer.Exit(code or ExitCode.RESULTS_UNREADABLE)


def _find_step_summary() -> Output | None:
    """Return the step summary of GitHub Actions, to append to; None elsewhere."""
    file = os.environ.get(STEP_SUMMARY)
    return Output(STEP_SUMMARY, Path(file), append=True) if file else None
