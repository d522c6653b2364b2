"""`seqbench gate`: two versions against each other."""

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqbench.commands.console import interruptible, say, tell_progress
from seqbench.errors import SettingError, UsageError
from seqbench.gate.benchmark import DEFAULT_FILE
from seqbench.options import split_list

if TYPE_CHECKING:
    from seqbench.gate.running import Outcome

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
"""Variable with the file whose Markdown GitHub Actions shows on a run's page."""


def _named(text: str) -> Any:
    return typer.Option(help=text, metavar="[NAME=]SHARE,…")


def gate(
    base: Annotated[
        str | None, typer.Option(help="Revision to compare with. Default: the head's.")
    ] = None,
    head: Annotated[
        str, typer.Option(help="Revision that is judged; worktree: the code as it lies here.")
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
        list[str] | None, _named("Smallest change of time that matters. Default: 0.02.")
    ] = None,
    memory_margin: Annotated[
        list[str] | None, _named("Smallest change of peak memory that matters. Default: 0.1.")
    ] = None,
    score_margin: Annotated[
        list[str] | None, _named("Smallest change of score that matters. Default: 0.02.")
    ] = None,
    error_rate: Annotated[
        list[str] | None,
        _named("Share of runs in which any verdict may be wrong. Default: 0.01."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="Stop after so many seconds. Default: 300.", metavar="SECONDS"),
    ] = None,
    summary: Annotated[
        Path | None, typer.Option(help="Write the summary here, as Markdown.", metavar="FILE")
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(help="Write what pairs and seeds gave here, as CSV.", metavar="FILE"),
    ] = None,
    repository: Annotated[
        Path, typer.Option(help="The git repository, or a folder in it.", metavar="DIR")
    ] = Path(),
) -> None:
    """Tell whether one version of a code is slower, needs more memory or learns less than another.

    Both run side by side, in turns on one core, in pairs of processes that are started anew until
    every benchmark is decided.
    """
    from seqbench.gate.cases import Rules
    from seqbench.gate.headline import choose_exit_code
    from seqbench.gate.running import run_gate
    from seqbench.gate.summary import format_summary
    from seqbench.gate.versions import check_out_versions

    if base is None and not base_env:
        raise UsageError("say what to compare with: --base REVISION, or --base-env")
    one_margin, margins = _parse_named("margin", margin)
    one_memory_margin, memory_margins = _parse_named("memory_margin", memory_margin)
    one_score_margin, score_margins = _parse_named("score_margin", score_margin)
    rate, rates = _parse_named("error_rate", error_rate)
    rules = Rules(
        budget_s=Rules.budget_s if budget is None else budget,
        error_rate=Rules.error_rate if rate is None else rate,
        margin=one_margin,
        memory_margin=one_memory_margin,
        score_margin=one_score_margin,
        error_rates=rates,
        margins=margins,
        memory_margins=memory_margins,
        score_margins=score_margins,
        only=split_list(only or ()),
    )
    wanted = split_list(base_env or ())
    with (
        interruptible("nothing of it is kept"),
        check_out_versions(repository, base or head, head, wanted) as versions,
        tell_progress() as tell,
    ):
        outcome = run_gate(versions, benchmarks, rules, tell)
    text = format_summary(outcome)
    say(text)
    if summary is not None:
        summary.write_text(text, encoding="utf-8")
    if step_summary := os.environ.get(STEP_SUMMARY):
        with Path(step_summary).open("a", encoding="utf-8") as file:
            file.write(text)
    if evidence is not None:
        _write_evidence(outcome, evidence)
    if code := choose_exit_code(outcome.cases):
        raise typer.Exit(code)


def _parse_named(
    setting: str, texts: Sequence[str] | None
) -> tuple[float | None, dict[str, float]]:
    """Return the share for all and those by name, from texts like ``0.05`` and ``lstm=0.1``."""
    everywhere, named = None, {}
    for text in split_list(texts or ()):
        name, _, number = text.rpartition("=")
        try:
            share = float(number)
        except ValueError:
            raise SettingError(setting, text, "a share like 0.05, or lstm=0.05") from None
        if name:
            named[name.strip()] = share
        else:
            everywhere = share
    return everywhere, named


def _write_evidence(outcome: "Outcome", file: Path) -> None:
    """Write a row for each pair, memory reading and seed; times in seconds, memory in bytes."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(["benchmark", "kind", "number", "base", "head"])
        writer.writerows(_list_evidence(outcome))


def _list_evidence(outcome: "Outcome") -> Iterator[tuple[object, ...]]:
    for case in outcome.cases:
        for number, sides in enumerate(zip(case.base_s, case.head_s, strict=True)):
            yield (case.name, "pair_s", number, *sides)
        for number, readings in enumerate(zip(case.base_bytes, case.head_bytes, strict=True)):
            yield (case.name, "memory_bytes", number, *readings)
        scores = zip(case.base_scores, case.head_scores, strict=True)
        for seed, (base, head) in enumerate(scores):
            yield (case.name, "seed_score", seed, base[0], head[0])
