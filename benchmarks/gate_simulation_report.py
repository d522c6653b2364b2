"""The report of `gate_simulation`, from its CSV file alone: a page and a figure."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binomtest

from seqbench.formatting import format_seconds
from seqbench.report.markdown import format_markdown
from seqbench.report.theme import save_figure

MOST_WRONG = 0.01
"""Wanted: the upper end of the interval of false alarms a run is at most that."""

WANTED_FOUND = {0.03: 0.95, 0.02: 0.80}
"""Wanted, with recorded noise: share of slowed benchmarks that are found."""

_HEAD = """\
<!-- Made by `nox -s gate-simulation`; edits are lost. -->
# The gate's rule, simulated

Each run is what the gate does with six benchmarks and its default rules within five minutes, on
simulated pairs of processes. Noise is that of the pairs recorded in `results/gate-trials`,
resampled in blocks of six, or made up. *Machine*: the noise falls on the place in the order
(which process is started, asked and timed first), and which version has which place is drawn for
each pair, as the gate does it. *Version*: the noise is specific to a version whatever its place,
which randomisation does not cure; the interval is wider by as much as successive pairs are
correlated. Recorded noise is taken as recorded, with what is specific to a version in it. Nothing
is timed; seeds are fixed.
"""
_WRONG = """\
## False verdicts

Runs in which any of the six has a verdict that is false: slower or faster without a change, same
or faster with one. The upper bound is the end of the two-sided 95 % interval of Clopper and
Pearson. A version that drifts or jumps while it is measured does take another time for so long,
whatever its code: no rule that may end before that is over can tell it from a change.
"""
_FOUND = """\
## What is found

The share of slowed benchmarks called slower / left inconclusive. All six are slowed.
"""
_CAPTION = """\
Left: upper bound of the share of runs without a change that have a false alarm; the line is what
is wanted. Right: share of slowed benchmarks that are called slower, by true change.
"""


def write_report(results: Path, folder: Path) -> Path:
    """Write the page and its figure from ``simulation.csv``; return the page."""
    rows = add_shares(pd.read_csv(results / "simulation.csv"))
    folder.mkdir(parents=True, exist_ok=True)
    save_figure(plot_shares(rows), folder / "shares.png")
    parts = [
        _HEAD,
        "\n".join(f"- {each}" for each in describe(rows)),
        _WRONG,
        _format_wrong(rows),
        _FOUND,
        _format_found(rows[rows["change"] > 0]),
        "![Upper bounds of false alarms, and shares found.](shares.png)",
        _CAPTION,
        "Reproduce with: `nox -s gate-simulation`.",
    ]
    page = folder / "README.md"
    page.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    return page


def add_shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with ``wrong_high``, the upper bound of false runs, and shares of benchmarks.

    Returns
    -------
    DataFrame
        With ``found``, ``same_share`` and ``open``: shares of benchmarks called slower, called the
        same, and left inconclusive.
    """
    rows = rows.copy()
    rows["wrong_high"] = [
        binomtest(int(row.wrong_runs), int(row.runs)).proportion_ci(0.95).high
        for row in rows.itertuples()
    ]
    for name, verdict in (("found", "slower"), ("same_share", "same"), ("open", "inconclusive")):
        rows[name] = rows[verdict] / rows["benchmarks"]
    return rows


def describe(rows: pd.DataFrame) -> Iterator[str]:
    """Yield what came out, beside what is wanted."""
    none = rows[rows["change"] == 0]
    held = none[none["wrong_high"] <= MOST_WRONG]
    yield (
        f"False alarms: at most {MOST_WRONG:.0%} of runs, by their upper bound, in {len(held)} "
        f"of {len(none)} kinds of noise (wanted: in all)."
    )
    for row in none[none["wrong_high"] > MOST_WRONG].itertuples():
        yield (
            f"Not held for *{row.scenario}*: false alarms in {row.wrong_runs} of {row.runs} runs "
            f"(upper bound {row.wrong_high:.1%})."
        )
    recorded = rows[rows["scenario"] == "recorded"].set_index("change")
    for change, wanted in WANTED_FOUND.items():
        row = recorded.loc[change]
        yield (
            f"With recorded noise a slowdown of {change:.0%} is found in {row['found']:.1%} of "
            f"benchmarks (wanted: {wanted:.0%}), in {row['found_runs'] / row['runs']:.1%} of runs."
        )
    row = recorded.loc[0.0]
    yield (
        f"With recorded noise and no change {row['same_share']:.1%} of benchmarks are called the "
        f"same; a run takes {row['pairs_median']:.0f} pairs (median), about "
        f"{format_seconds(row['seconds_median'])}."
    )


def _format_wrong(rows: pd.DataFrame) -> str:
    lines = []
    for scenario, part in rows.groupby("scenario", sort=False):
        none = part[part["change"] == 0].iloc[0]
        others = part[part["change"] > 0]
        lines.append(
            [
                str(scenario),
                f"{none['wrong_runs']} of {none['runs']}",
                f"{none['wrong_high']:.2%}",
                f"{none['open']:.1%}",
                f"{none['pairs_median']:.0f}",
                f"{none['pairs_p95']:.0f}",
                f"{others['wrong_runs'].sum()} of {others['runs'].sum()}",
            ]
        )
    headers = [
        "noise",
        "false alarms, no change",
        "upper bound",
        "inconclusive",
        "pairs, median",
        "pairs, 95th percentile",
        "false verdicts, with a change",
    ]
    return format_markdown(lines, headers)


def _format_found(rows: pd.DataFrame) -> str:
    changes = sorted(rows["change"].unique())
    lines = []
    for scenario, part in rows.groupby("scenario", sort=False):
        by_change = part.set_index("change")
        cells = [
            f"{by_change.loc[each, 'found']:.1%} / {by_change.loc[each, 'open']:.1%}"
            for each in changes
        ]
        lines.append([str(scenario), *cells])
    return format_markdown(lines, ["noise", *(f"{each:.0%} slower" for each in changes)])


def plot_shares(rows: pd.DataFrame) -> Figure:
    """Return a figure of upper bounds of false alarms and of shares found."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    none = rows[rows["change"] == 0][::-1]
    left.plot(100 * none["wrong_high"], none["scenario"], "o")
    left.axvline(100 * MOST_WRONG, color="0.6", lw=2, zorder=0)
    left.set_xscale("log")
    left.set_xlabel("runs with a false alarm, upper bound, %")
    for number, (scenario, part) in enumerate(
        rows[rows["change"] > 0].groupby("scenario", sort=False)
    ):
        style = "-" if number < 10 else "--"
        right.plot(
            100 * part["change"], 100 * part["found"], style, marker=".", label=str(scenario)
        )
    right.set_xlabel("true slowdown, %")
    right.set_ylabel("benchmarks called slower, %")
    right.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
    for ax in (left, right):
        ax.grid(alpha=0.3)
    return figure
