"""The figure of a history: frames of `trends` in, a figure out. No number is computed here."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from seqbench.formatting import format_count, format_seconds
from seqbench.history.trends import FIGURES, PERHAPS, History
from seqbench.report.plots import score_axis
from seqbench.report.theme import themed, wrap
from seqbench.report.variant_styles import Palette, style_labels

_WIDTH = 15.0
_HEIGHT = 4.2
_LEGEND_HEIGHT = 0.32
_MOST_TICKS = 12
_LONGEST_NAME = 24  # characters
_STEPS = [1, 2, 5, 10]
_DECADE = 10  # below it a logarithmic axis has too few round numbers for ticks
_FORMATS = {"epoch_time_s": format_seconds, "train_samples_per_s": format_count}


def plot_history(history: History) -> Figure:
    """Plot each figure over the results, with its levels where changes were found.

    A row of axes for each task and device. A line is a group on one machine for times, on all for
    scores; grey lines are where the machine changes; levels are drawn broad, and a change is a
    vertical line, dashed if not significant after correction.
    """
    parts = list(history.points.groupby(["task", "device"], sort=False))
    palette = style_labels(history.points["label"])
    heights = [max(_HEIGHT, 1 + _LEGEND_HEIGHT * len(set(part["label"]))) for _, part in parts]
    with themed():
        figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
        grid = figure.subplots(len(parts), len(FIGURES), squeeze=False, height_ratios=heights)
        for axes, ((task, device), part) in zip(grid, parts, strict=True):
            for ax, column in zip(axes, FIGURES, strict=True):
                _draw_lines(ax, part, column, palette)
                _draw_changes(ax, _select(history.changes, part), column, palette)
                _draw_machines(ax, history.machines)
                _name_axes(ax, part, column)
            axes[0].set_title(f"{task}, {device}", loc="left")
            handles, labels = axes[0].get_legend_handles_labels()
            axes[-1].legend(
                handles, labels, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False
            )
    return figure


def _draw_lines(ax: Axes, part: pd.DataFrame, column: str, palette: Palette) -> None:
    for label, group in part.groupby("label", sort=False):
        style = palette[str(label)]
        lines = [group] if column == "score" else [each for _, each in group.groupby("machine")]
        for number, line in enumerate(lines):
            known = line[line[column].notna()]
            ax.plot(
                known["position"],
                known[column],
                marker=style.marker,
                ms=4,
                mfc=style.face,
                lw=1.2,
                ls=style.line,
                color=style.color,
                label=wrap(label) if number == 0 else None,
            )


def _select(changes: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    if changes.empty:
        return changes
    same = (changes["task"] == part["task"].iloc[0]) & (changes["device"] == part["device"].iloc[0])
    return changes[same]


def _draw_changes(ax: Axes, changes: pd.DataFrame, column: str, palette: Palette) -> None:
    """Draw where a figure changes; throughput changes where the epoch time does."""
    for row in changes.itertuples():
        color = palette[row.label].color
        style = "--" if row.verdict == PERHAPS else "-"
        if row.figure == column:
            for value, start, end in (
                (row.before, row.starts, row.position - 0.5),
                (row.after, row.position - 0.5, row.ends),
            ):
                ax.plot([start, end], [value] * 2, color=color, lw=6, alpha=0.3)
        if row.figure == column or (row.figure, column) == ("epoch_time_s", "train_samples_per_s"):
            ax.axvline(row.position - 0.5, color=color, ls=style, lw=1.5)


def _draw_machines(ax: Axes, machines: pd.DataFrame) -> None:
    for row in machines.itertuples():
        if row.differs:
            ax.axvline(row.position - 0.5, color="0.6", ls=":", lw=1.5)
    step = -(-len(machines) // _MOST_TICKS)
    shown = machines.iloc[::step]
    names = [_shorten(name) for name in shown["point"]]
    style: dict[str, Any] = {"rotation": 45, "ha": "right", "fontsize": "x-small"}
    ax.set_xticks(shown["position"], names, parse_math=False, **style)  # names come from outside
    ax.set_xlim(-0.5, len(machines) - 0.5)


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _name_axes(ax: Axes, part: pd.DataFrame, column: str) -> None:
    values = part[column].dropna()
    if values.empty:
        ax.set_yticks([])
        ax.set_ylabel(f"{FIGURES[column]}: not measured")
        return
    if column == "score":
        score_axis(ax.yaxis, part["metric"].iloc[0], values)
        return
    unit = {"epoch_time_s": "epoch time", "train_samples_per_s": "training, samples per second"}
    ax.set_yscale("log")
    wide = values.max() > _DECADE * values.min()
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if wide else MaxNLocator(6, steps=_STEPS))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _FORMATS[column](float(value))))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel(f"{unit[column]} (log scale)")
