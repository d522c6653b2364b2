"""The report of `stats_trials`, from its CSV file alone."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter
from scipy.stats import binomtest

from seqbench.report.markdown import format_markdown
from seqbench.report.theme import save_figure, themed

FIGURE = "false_differences.png"
_NOISES = {
    "normal": "normal",
    "heavy": "heavy-tailed",
    "skewed": "skewed",
    "failing": "failing seeds",
    "rounded": "rounded to 1 sd",
    "coarse": "rounded to 4 sd",
    "shared": "seed effect",
}
_HEAD = """\
<!-- Made by `nox -s stats-trials`; edits are lost. -->
# What reports call a difference, measured

Reports were simulated whose truth is known: scores of 2 to 12 groups of runs on one task, 3, 5 or
10 seeds each. What the functions of `seqbench report` say of them was counted, beside the method of
earlier versions: paired t tests of the best group with each other one, adjusted by Holm. Nothing is
timed; random seeds are fixed, and the same counts come out again.

Noise: normal; heavy-tailed, Student's t with 4 degrees of freedom; skewed, a mirrored gamma
distribution of shape 2; failing seeds, half of which learn nothing; normal, rounded to steps of 1
or 4 of the least standard deviation (sd), so that seeds often have equal scores; seed effect,
normal, half of whose variance the groups of a seed share. Standard deviations: equal; one group's
five times the others'; half of the groups' four times the others'; from 1 to 10 in equal ratios.

All is for one task: several tasks in one report are several families. No test that goes by a few
scores can hold where a seed either learns or fails: there look at the dots of every run, and take
more seeds.
"""
_FALSE = """\
## No true difference

The share of reports that call any difference significant, with the upper end of its exact 95 %
interval (Clopper and Pearson). 5 % is the bound aimed at.
"""
_COVERAGE = """\
## Coverage

The share of intervals that hold the truth, over the spreads above. Differences: the printed
intervals, one by one. All of a report: the share of reports all of whose intervals of differences
do. Means: Student's t interval of a score. One more seed: its prediction interval.
"""
_COVERED = ["noise", "seeds", "differences", "all of a report", "means", "one more seed"]
_POWER = """\
## Power

One group is truly worse than all others by 2 or 4 standard deviations (root mean square over
groups); the share of reports that say so, and in brackets with the former method.
"""


def write_report(results: Path, folder: Path) -> Path:
    """Write figure and page from ``trials.csv``; return the page."""
    trials = pd.read_csv(results / "trials.csv")
    folder.mkdir(parents=True, exist_ok=True)
    save_figure(plot_false_differences(select_null(trials)), folder / FIGURE)
    parts = [
        _HEAD,
        "\n".join(f"- {each}" for each in describe(trials)),
        _FALSE,
        _format_false(select_null(trials)),
        f"![False differences by noise, spread and number of seeds]({FIGURE})",
        _COVERAGE,
        _format_coverage(select_null(trials)),
        _POWER,
        _format_power(trials[trials["shift"] > 0]),
        "Again: `nox -s stats-trials`.",
    ]
    page = folder / "README.md"
    page.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    return page


def select_null(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials without a true difference, with the shares of false ones."""
    null = trials[trials["shift"] == 0]
    return null.assign(
        share=null["false"] / null["reports"],
        bound=[bound_share(row.false, row.reports) for row in null.itertuples()],
        former=null["former_false"] / null["reports"],
    )


def bound_share(count: int, among: int) -> float:
    """Return the upper end of the exact two-sided 95 % interval of a share."""
    return float(binomtest(int(count), int(among)).proportion_ci(0.95, "exact").high)


def describe(trials: pd.DataFrame) -> Iterator[str]:
    """Yield what was found, in sentences."""
    null = select_null(trials)
    normal = null[null["noise"] == "normal"]
    for noise, part in null.groupby("noise", sort=False):
        worst = part.loc[part["share"].idxmax()]
        yield (
            f"Without a true difference, noise {_NOISES[str(noise)]}: at most {worst['share']:.1%} "
            f"of reports call some difference significant (upper bound {worst['bound']:.1%}; "
            f"{worst['groups']} groups, {worst['seeds']} seeds, standard deviations "
            f"{worst['spread']}); with the former method at most {part['former'].max():.1%}."
        )
    covered = normal["intervals_held"] / normal["intervals"]
    means = normal["means_held"] / normal["means"]
    yield (
        f"With normal noise intervals of differences hold the truth in {covered.min():.1%} to "
        f"{covered.max():.1%}, those of scores in {means.min():.1%} to {means.max():.1%}."
    )
    for (shift, seeds), part in trials[trials["shift"] > 0].groupby(["shift", "seeds"]):
        found, former = part["found"] / part["reports"], part["former_found"] / part["reports"]
        yield (
            f"A group that is {shift:g} standard deviations worse is called so, from {seeds} "
            f"seeds, in {found.min():.0%} to {found.max():.0%} of reports; with the former method "
            f"in {former.min():.0%} to {former.max():.0%}."
        )


def plot_false_differences(null: pd.DataFrame) -> Figure:
    """Plot the share of reports with a false difference, by both methods, by seeds and noise."""
    columns = {"share": "Tamhane's T2", "former": "paired t, Holm"}
    long = null.melt(
        ["groups", "seeds", "spread", "noise"], list(columns), "method", "false differences"
    )
    long = long.assign(method=long["method"].map(columns))
    with themed():
        figure = Figure(figsize=(11, 3.6), layout="constrained")
        for ax, (groups, part) in zip(
            figure.subplots(1, 4, sharey=True), long.groupby("groups"), strict=True
        ):
            sns.stripplot(
                part, x="seeds", y="false differences", hue="method", dodge=True, size=4, ax=ax,
                jitter=False, legend=groups == long["groups"].max(),
            )  # fmt: skip
            ax.axhline(0.05, color="0.3", lw=1, ls="--")
            ax.set_title(f"{groups} equal groups", loc="left")
            ax.set_ylabel("reports with a false difference")
            ax.yaxis.set_major_locator(MultipleLocator(0.05))
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.legend(title="", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def _format_false(null: pd.DataFrame) -> str:
    rows = []
    for (noise, spread, groups), part in null.groupby(["noise", "spread", "groups"], sort=False):
        cells = [
            f"{row.share:.1%} (≤ {row.bound:.1%}), {row.former:.1%}" for row in part.itertuples()
        ]
        rows.append([_NOISES[str(noise)], str(spread), str(groups), *cells])
    heads = [f"{seeds} seeds: share, before" for seeds in null["seeds"].unique()]
    return format_markdown(rows, ["noise", "standard deviations", "groups", *heads])


def _format_coverage(null: pd.DataFrame) -> str:
    rows = []
    for (noise, seeds), part in null.groupby(["noise", "seeds"], sort=False):
        row = [_NOISES[str(noise)], str(seeds)]
        for held, among in (
            ("intervals_held", "intervals"),
            ("held", "reports"),
            ("means_held", "means"),
            ("next_held", "means"),
        ):
            shares = part[held] / part[among]
            row.append(f"{shares.min():.1%} to {shares.max():.1%}")
        rows.append(row)
    return format_markdown(rows, _COVERED)


def _format_power(shifted: pd.DataFrame) -> str:
    rows = []
    for (spread, groups), part in shifted.groupby(["spread", "groups"], sort=False):
        by_case = part.set_index(["shift", "seeds"])
        cells = [
            f"{row['found'] / row['reports']:.0%} ({row['former_found'] / row['reports']:.0%})"
            for _, row in by_case.sort_index().iterrows()
        ]
        rows.append([str(spread), str(groups), *cells])
    cases = shifted[["shift", "seeds"]].drop_duplicates().sort_values(["shift", "seeds"])
    heads = [f"{row.shift:g} sd, {row.seeds} seeds" for row in cases.itertuples()]
    return format_markdown(rows, ["standard deviations", "groups", *heads])
