"""The report of `gate_trials`, from its CSV files alone: a page and a figure."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from scipy.stats import binomtest

from seqbench.formatting import format_seconds
from seqbench.plots import save_figure
from seqbench.tables import escape, format_markdown

METHODS = {
    "gate": "seqbench gate, pairs of processes in turns",
    "pytest-benchmark": "pytest-benchmark, --benchmark-compare-fail=mean:5%",
    "mann-whitney": "Mann-Whitney test at 1 %",
    "bootstrap": "bootstrap of the ratio of means, 99 % interval",
}
WANTED = {0.0: "at most 1 % of 200 or more", 0.05: "80 % of 60 or more", 0.1: "95 % of 60 or more"}
"""What is wanted of the gate, by slowdown."""

_HEAD = """\
<!-- Made by `nox -s gate-trials`; edits are lost. -->
# The gate, measured

A training step of the harness was slowed in a commit, by a share of its own time, and the gate was
run on that commit and its parent: a trial for each of its {benchmarks} benchmarks. Then the others
judged samples of the same commits as they take them, all of the base's in one process and then all
of the head's in another, for the same seconds of samples. With 0 % the two commits are one.
"""
_NOTES = """\
Found: called slower; with 0 % called slower or faster, which is a false alarm. Between: the 95 %
interval of that share by Clopper and Pearson, as if trials were independent; those of one run
share its processes. Slower to undecided: what was said; undecided is what the budget left so, and
the others are never. The gate's error rate was 1 % for a whole run. Between 0 % and its margin of
5 % the gate may call a change slower or the same.
"""
_CAPTION = """\
What was measured in each trial, by injected slowdown (grey lines). Left: the gate's median over
pairs of processes. Right: the ratio of the means of one process and the next, from which the
others judge.
"""


def write_report(results: Path, folder: Path) -> Path:
    """Write the page and its figure from ``trials.csv`` and the environments; return the page."""
    trials = pd.read_csv(results / "trials.csv")
    folder.mkdir(parents=True, exist_ok=True)
    save_figure(plot_ratios(trials), folder / "ratios.png")
    ours = trials[trials["method"] == "gate"]
    runs = ours.drop_duplicates("run")
    parts = [
        _HEAD.format(benchmarks=ours["benchmark"].nunique()),
        "\n".join(f"- {each}" for each in describe(trials)),
        _format_rates(count_verdicts(trials)),
        _NOTES,
        "![Measured ratios by injected slowdown: the gate's lie close to it.](ratios.png)",
        _CAPTION,
        "## What it costs\n",
        _format_costs(runs),
        "Seconds: a whole gate run, scores too. Samples: the part of it that was timed.\n",
        "## Where it was measured\n",
        _format_environments(results, runs),
        "Again, or on with it: `nox -s gate-trials`.",
    ]
    page = folder / "README.md"
    page.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    return page


def count_verdicts(trials: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each method and slowdown.

    Returns
    -------
    DataFrame
        ``method``, ``slowdown``, ``trials``, ``found`` (see the page's notes), ``slower``,
        ``faster``, ``same``, ``undecided``; ``share`` of trials found, with ``low`` and ``high``,
        its interval.
    """
    rows = []
    for (method, slowdown), part in trials.groupby(["method", "slowdown"]):
        said = part["verdict"].value_counts()
        found = said.get("slower", 0) + (said.get("faster", 0) if slowdown == 0 else 0)
        interval = binomtest(int(found), len(part)).proportion_ci(0.95)
        rows.append(
            {
                "method": method,
                "slowdown": slowdown,
                "trials": len(part),
                "found": int(found),
                "slower": int(said.get("slower", 0)),
                "faster": int(said.get("faster", 0)),
                "same": int(said.get("same", 0)),
                "undecided": int(said.get("inconclusive", 0)),
                "share": found / len(part),
                "low": interval.low,
                "high": interval.high,
            }
        )
    rows.sort(key=lambda row: (row["slowdown"], list(METHODS).index(row["method"])))
    return pd.DataFrame(rows)


def describe(trials: pd.DataFrame) -> Iterator[str]:
    """Yield what was found, in sentences: the gate, then the others beside it."""
    counted = count_verdicts(trials).set_index(["method", "slowdown"])
    for slowdown, wanted in WANTED.items():
        if ("gate", slowdown) not in counted.index:
            continue
        ours = counted.loc[("gate", slowdown)]
        what = "gave false alarms" if slowdown == 0 else f"found a slowdown of {slowdown:.0%}"
        others = ", ".join(
            f"{method} in {counted.loc[(method, slowdown), 'share']:.0%}"
            for method in list(METHODS)[1:]
        )
        yield (
            f"The gate {what} in {ours['found']:.0f} of {ours['trials']:.0f} trials, "
            f"{ours['share']:.1%} ({ours['low']:.1%} to {ours['high']:.1%}; wanted: {wanted}); "
            f"{others}."
        )
    runs = trials[trials["method"] == "gate"].drop_duplicates("run")
    yield (
        f"A gate run took {format_seconds(runs['seconds'].median())}, at most "
        f"{format_seconds(runs['seconds'].max())} (wanted: within 5 min), in {len(runs)} runs."
    )


def plot_ratios(trials: pd.DataFrame) -> Figure:
    """Return a figure of the measured change of every trial by injected slowdown."""
    shown = trials[trials["method"].isin(["gate", "bootstrap"])].copy()
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
        "between",
        "slower",
        "faster",
        "same",
        "undecided",
    ]
    return format_markdown(rows, headers)


def _format_costs(runs: pd.DataFrame) -> str:
    rows = []
    for slowdown, part in runs.groupby("slowdown"):
        seconds, sampled = part["seconds"], part["sampled_s"]
        rows.append(
            [
                f"{slowdown:.0%}",
                str(len(part)),
                format_seconds(seconds.median()),
                f"{format_seconds(seconds.min())} to {format_seconds(seconds.max())}",
                format_seconds(sampled.median()),
                f"{part['pairs'].median():.0f}",
                str(part["pairs"].max()),
            ]
        )
    headers = ["slowdown", "runs", "seconds", "least to most", "samples", "pairs", "most pairs"]
    return format_markdown(rows, headers)


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
