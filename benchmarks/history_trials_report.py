"""The report of `history_trials`, from its CSV file alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from seqbench.report.markdown import format_markdown

METHODS = {
    "history": "seqbench history",
    "AR1seg": "ρ estimated as AR1seg does, modified BIC",
    "independent": "ρ taken for 0, modified BIC",
}
SHAPES = {
    "heavy": "Student's t of 3 degrees",
    "outlier": "one point lies 10 σ away",
    "outliers": "two points side by side lie 10 σ away",
    "drift": "a straight line that rises by 5 σ",
}

_HEAD = """\
<!-- Made by `nox -s history-trials`; edits are lost. -->
# Change points, measured

Series were simulated whose truth is known: AR(1) noise of standard deviation σ, with and without a
step in the level, and what `seqbench history` says of each was counted. Nothing is timed; seeds are
fixed, and the same counts come out again on any machine.
"""
_WITHOUT = """\
## Without a change

The share of series in which a change was found; each is a false alarm. Columns are ρ, the
autocorrelation of the noise at lag 1. 5 % is what is aimed at.
"""
_OTHERS = """\
The others look for pieces of three points at least, as seqbench does. What is AR1seg's here is
its estimate of ρ; its software treats pieces and cuts that lie close together in ways of its own.
"""
_STEPS = """\
## With a step

The share of series in which a step, somewhere in the middle third, was found within two points of
its place.
"""
_HOLDS = """\
Of the steps that were found so, the share whose 95 % interval holds the true step, and whose range
of places holds the true place; the least and the most over ρ.
"""
_ODD = """\
## Noise that is not as supposed

The share of series in which a change was found. Shocks that die away, outliers and a drift are
none, but look like levels.
"""


def write_report(results: Path, folder: Path) -> Path:
    """Write the page from ``trials.csv``; return it."""
    trials = pd.read_csv(results / "trials.csv")
    folder.mkdir(parents=True, exist_ok=True)
    without, steps = select_normal(trials, step=False), select_normal(trials, step=True)
    parts = [
        _HEAD,
        "\n".join(f"- {each}" for each in describe(trials)),
        _WITHOUT,
        _tabulate(without, ["method", "points"], "found"),
        _OTHERS,
        _STEPS,
        _tabulate(steps, ["points", "step"], "placed"),
        _HOLDS,
        _format_holds(steps),
        _ODD,
        _format_odd(trials[trials["shape"] != "normal"]),
        "Again: `nox -s history-trials`.",
    ]
    page = folder / "README.md"
    page.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    return page


def select_normal(trials: pd.DataFrame, step: bool) -> pd.DataFrame:
    """Return the trials of normal noise with a step, or of that without."""
    return trials[(trials["shape"] == "normal") & ((trials["step"] != 0) == step)]


def describe(trials: pd.DataFrame) -> Iterator[str]:
    """Yield what was found, in sentences."""
    without = select_normal(trials, step=False)
    ours = without[without["method"] == "history"]
    shares = ours["found"] / ours["series"]
    worst = ours.loc[shares.idxmax()]
    yield (
        f"Without a change, one was found in {shares.min():.1%} to {shares.max():.1%} of series;"
        f" most at {worst['points']} points and ρ = {worst['rho']:g}."
    )
    for method in list(METHODS)[1:]:
        part = without[without["method"] == method]
        shares = part["found"] / part["series"]
        yield f"{METHODS[method]}: in {shares.min():.1%} to {shares.max():.1%}."
    for step, part in select_normal(trials, step=True).groupby("step"):
        ranges = []
        for points, row in part.groupby("points"):
            shares = row["placed"] / row["series"]
            ranges.append(f"{shares.min():.0%} to {shares.max():.0%} at {points} points")
        yield f"A step of {step:g} σ was found in {', '.join(ranges)}."


def _tabulate(trials: pd.DataFrame, names: Sequence[str], counted: str) -> str:
    """Return shares of series, a column for each ρ."""
    rhos = sorted(trials["rho"].unique())
    rows = []
    for key, part in trials.groupby(list(names), sort=False):  # in the order of the file
        by_rho = part.set_index("rho")
        shares = [by_rho.loc[rho, counted] / by_rho.loc[rho, "series"] for rho in rhos]
        rows.append([*map(_name, names, key), *(f"{share:.1%}" for share in shares)])
    return format_markdown(rows, [*names, *(f"ρ = {rho:g}" for rho in rhos)])


def _name(column: str, value: object) -> str:
    if column == "method":
        return METHODS[str(value)]
    return f"{value:g} σ" if column == "step" else str(value)


def _format_holds(steps: pd.DataFrame) -> str:
    rows = []
    for (points, step), part in steps.groupby(["points", "step"]):
        row = [str(points), f"{step:g} σ"]
        for counted in ("step_holds", "place_holds"):
            shares = part[counted] / part["placed"]
            row.append(f"{shares.min():.0%} to {shares.max():.0%}")
        rows.append(row)
    return format_markdown(rows, ["points", "step", "interval holds the step", "range, the place"])


def _format_odd(odd: pd.DataFrame) -> str:
    rows = [
        [SHAPES[row.shape], f"{row.rho:g}", str(row.points), f"{row.found / row.series:.1%}"]
        for row in odd.itertuples()
    ]
    return format_markdown(rows, ["noise", "ρ", "points", "a change found"])
