"""The report of `gate_trials`, from its CSV files alone: a page and a figure."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from benchmarks.gate_trials_counts import (
    METHODS,
    OTHERS,
    count_runs,
    count_verdicts,
    load_trials,
)
from seqbench.formatting import format_seconds
from seqbench.report.markdown import escape, format_markdown
from seqbench.report.theme import save_figure

WANTED = {
    0.0: "at most 1 % of 100 or more runs",
    0.02: "80 % of 60 or more runs",
    0.03: "95 % of 60 or more runs",
}
"""What is wanted of the gate, by slowdown."""

_HEAD = """\
<!-- Made by `nox -s gate-trials`; edits are lost. -->
# The gate, measured

A training step of the harness was slowed in a commit, by a share of its own time, and the gate
was run on that commit and its parent, with its {benchmarks} benchmarks. Then the others judged
samples of the same commits as they take them, all of the base's in one process and then all of
the head's in another, for the same seconds of samples. With 0 % the two commits are one.
"""
_RUNS = """\
## Runs

The error rate of 1 % is promised for a run, so runs are counted. *Found*: without a change runs
with any benchmark called slower or faster, false alarms; with one, runs with any called slower,
as exit code 5 says. The interval is that of Clopper and Pearson, 95 %. Runs of other rules of the
gate, by its digest, are counted apart.
"""
_NOTES = """\
## Beside others

A trial is one benchmark of one run. Found: called slower; with 0 % called slower or faster. The
interval takes trials for independent; those of one run share its processes. The others are never
undecided. Between 0 % and its margin the gate may call a change slower or the same.
"""
_CAPTION = """\
What was measured in each trial, by injected slowdown (grey lines). Left: the gate's median over
pairs of processes. Right: the ratio of the means of one process and the next, from which the
others judge.
"""


def write_report(results: Path, folder: Path, gate: str) -> Path:
    """Write the page and its figure from the CSV files and the environments; return the page.

    Parameters
    ----------
    results, folder
        Where the files are, and where the page goes.
    gate
        Digest of the rule that counts as today's.
    """
    trials, runs = load_trials(results, gate)
    folder.mkdir(parents=True, exist_ok=True)
    save_figure(plot_ratios(trials), folder / "ratios.png")
    parts = [
        _HEAD.format(benchmarks=runs["benchmarks"].max()),
        "\n".join(f"- {each}" for each in describe(trials, runs[runs["gate"] == gate])),
        _RUNS,
        _format_runs(count_runs(runs)),
        _NOTES,
        _format_rates(count_verdicts(trials)),
        "![Measured ratios by injected slowdown: the gate's lie close to it.](ratios.png)",
        _CAPTION,
        "## Where it was measured\n",
        _format_environments(results, runs),
        "Reproduce with, or add to: `nox -s gate-trials`.",
    ]
    page = folder / "README.md"
    page.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    return page


def describe(trials: pd.DataFrame, runs: pd.DataFrame) -> Iterator[str]:
    """Yield what was found, in sentences: the gate's runs of one rule, then the others' trials."""
    shares = count_verdicts(trials).set_index(["method", "slowdown"])["share"]
    for row in count_runs(runs).itertuples() if len(runs) else ():
        what = (
            "gave false alarms" if row.slowdown == 0 else f"found a slowdown of {row.slowdown:.0%}"
        )
        methods = ["gate", *OTHERS]
        others = ", ".join(f"{each} in {shares[each, row.slowdown]:.0%}" for each in methods)
        wanted = f"; wanted: {WANTED[row.slowdown]}" if row.slowdown in WANTED else ""
        yield (
            f"The gate {what} in {row.found} of {row.runs} runs, {row.found / row.runs:.1%} "
            f"({row.low:.1%} to {row.high:.1%}{wanted}); of single benchmarks {others}."
        )
    if len(runs):
        yield (
            f"A gate run took {format_seconds(runs['seconds'].median())}, at most "
            f"{format_seconds(runs['seconds'].max())} (wanted: within 5 min), in {len(runs)} runs."
        )
    else:
        yield "There are no runs of today's rule yet."


def plot_ratios(trials: pd.DataFrame) -> Figure:
    """Return a figure of the measured change of every trial by injected slowdown."""
    shown = trials.replace({"method": {"earlier gate": "gate"}})
    shown = shown[shown["method"].isin(["gate", "bootstrap"])].copy()
    shown["change"] = 100 * (shown["ratio"] - 1)
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    slowdowns = sorted(shown["slowdown"].unique())
    titles = {"gate": "pairs of processes in turns", "bootstrap": "one process, then the other"}
    for ax, (method, title) in zip((left, right), titles.items(), strict=True):
        for place, slowdown in enumerate(slowdowns):
            ax.hlines(100 * slowdown, place - 0.4, place + 0.4, color="0.6", lw=2, zorder=0)
        own = shown[shown["method"] == method]
        names = own["slowdown"].map(lambda each: f"{100 * each:.0f} %")
        order = [f"{100 * each:.0f} %" for each in slowdowns]
        sns.stripplot(x=names, y=own["change"], order=order, jitter=0.3, size=3.5, alpha=0.6, ax=ax)
        ax.set_title(title, loc="left")
        ax.set_xlabel("injected slowdown of a training step")
        ax.set_ylabel("measured change of time, %")
        ax.grid(axis="y", alpha=0.3)
    return figure


def _format_rates(counted: pd.DataFrame) -> str:
    rows = [
        [
            f"{row.slowdown:.0%}",
            METHODS[row.method],
            str(row.trials),
            f"{row.found} ({row.share:.1%})",
            f"{row.low:.1%} to {row.high:.1%}",
            str(row.slower),
            str(row.faster),
            str(row.same),
            str(row.undecided),
        ]
        for row in counted.itertuples()
    ]
    headers = [
        "slowdown",
        "method",
        "trials",
        "found",
        "95 % interval",
        "slower",
        "faster",
        "same",
        "undecided",
    ]
    return format_markdown(rows, headers)


def _format_runs(counted: pd.DataFrame) -> str:
    rows = [
        [
            row.gate,
            f"{row.slowdown:.0%}",
            str(row.runs),
            f"{row.found} ({row.found / row.runs:.1%})",
            f"{row.low:.1%} to {row.high:.1%}",
            str(row.open),
            format_seconds(row.seconds),
            f"{row.pairs:.0f}",
        ]
        for row in counted.itertuples()
    ]
    headers = ["rule", "slowdown", "runs", "found", "95 % interval"]
    return format_markdown(rows, [*headers, "inconclusive", "median time", "median pairs"])


def _format_environments(results: Path, runs: pd.DataFrame) -> str:
    rows = []
    for (name, commit), part in runs.groupby(["environment_id", "commit"], sort=False):
        kept = json.loads((results / f"environment-{name}.json").read_text())
        machine, software = kept["machine"], kept["software"]
        rows.append(
            [
                name,
                escape(str(machine["cpu"])),
                f"{machine['physical_cores']} ({machine['logical_cores']} logical)",
                escape(str(software["torch"]["version"])),
                commit[:10],
                f"{part['started_at'].min()[:10]} to {part['started_at'].max()[:10]}",
                str(len(part)),
            ]
        )
    headers = ["environment", "processor", "cores", "torch", "commit", "days", "runs"]
    return format_markdown(rows, headers)
