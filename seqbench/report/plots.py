"""Figures: a frame of `stats` in, a figure out. No number is computed here.

Each figure has a row of axes for each task, since scores and times of two tasks do not share a
scale. The same frames give the same image, byte for byte, with the same matplotlib.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from textwrap import fill
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from seqbench.metrics import find_metric

_THEME = {**sns.axes_style("whitegrid"), **sns.plotting_context("notebook")}
_DOTS_PER_INCH = 110
_ROW_HEIGHT = 4.2
_BAR_HEIGHT = 0.42
_LEGEND_HEIGHT = 0.27
_WIDEST_NAME = 40  # characters
_DECADES = 30  # how far errors may lie apart on a linear axis

CURVE_AXES = {"epoch": "epoch", "train_time_s": "training seconds, mean over seeds"}
"""What learning curves go over, and how that is called."""

Palette = dict[str, tuple[float, float, float]]


def themed() -> AbstractContextManager[None]:
    """Return a context in which figures look alike, whatever matplotlib's files on a machine say.

    A figure is drawn and saved in it.
    """
    return style.context(_THEME, after_reset=True)


def _wrap_names(ax: Axes) -> None:
    """Break long names in legend and axis into lines, so that they leave room for the drawing."""
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    if any(len(name) > _WIDEST_NAME for name in names):
        ax.set_yticks(ax.get_yticks(), [fill(name, _WIDEST_NAME) for name in names])
    legend = ax.get_legend()
    texts = legend.get_texts() if legend else []
    crowded = any(len(text.get_text()) > _WIDEST_NAME // 2 for text in texts)
    for text in texts:
        text.set_text(fill(text.get_text(), _WIDEST_NAME))
        if crowded:
            text.set_fontsize("x-small")


def color_labels(labels: Sequence[str]) -> Palette:
    """Return a colour for each label, the same in every figure of a report."""
    distinct = list(dict.fromkeys(labels))
    colors = sns.color_palette("colorblind" if len(distinct) <= 10 else "husl", len(distinct))
    return dict(zip(distinct, colors, strict=True))


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, without the date or the program's version in it."""
    with themed():
        for ax in figure.axes:
            _wrap_names(ax)
        figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})


def draw_learning_curves(ax: Axes, curves: pd.DataFrame, palette: Palette, x: str) -> None:
    """Draw the learning curves of one task into ``ax``; see `plot_learning_curves`."""
    devices = list(dict.fromkeys(curves["device"]))
    for (label, device), line in curves.groupby(["label", "device"], sort=False):
        style = "-" if device == devices[0] else "--"
        name = label if len(devices) == 1 else f"{label}, {device}"
        marker = "o" if len(line) <= 5 else None
        ax.plot(line[x], line["score"], style, marker=marker, color=palette[label], label=name)
        low, high = line["score_min"], line["score_max"]
        ax.fill_between(line[x], low, high, color=palette[label], alpha=0.15, linewidth=0)
    ax.set_xlabel(CURVE_AXES[x])
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=x == "epoch"))
    _score_axis_of(ax.yaxis, curves, curves["score_min"])


def plot_learning_curves(curves: pd.DataFrame, palette: Palette, x: str) -> Figure:
    """Plot the score over ``x`` (``epoch`` or ``train_time_s``), whole and close up.

    A line is the mean over seeds, the band reaches from the lowest to the highest of them, the
    dotted line is the trivial answer. The close-up shows the range of the scores that the groups
    end with.

    Parameters
    ----------
    curves
        From `stats.learning_curves`.
    palette
        From `color_labels`.
    x
        Column for the horizontal axis.
    """

    def draw(axes: Sequence[Axes], part: pd.DataFrame) -> None:
        for ax in axes:
            draw_learning_curves(ax, part, palette, x)
        axes[0].axhline(part["baseline_score"].iloc[0], color="0.3", ls=":", lw=1.5)
        last = part[part["epoch"] == part.groupby("label")["epoch"].transform("max")]
        axes[1].set_ylim(_with_margins(axes[1], last["score_min"].min(), last["score_max"].max()))
        axes[0].set_title(part["task"].iloc[0], loc="left")
        axes[1].set_title("close up", loc="left")
        axes[1].set_ylabel("")
        axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

    return _draw_rows(curves, draw, columns=2)


def plot_final_scores(runs: pd.DataFrame, summary: pd.DataFrame, palette: Palette) -> Figure:
    """Plot the final score of every run as a dot, and each group's mean as a line across.

    Parameters
    ----------
    runs
        Columns ``task``, ``device``, ``label``, ``final_score``.
    summary
        From `stats.summarise_groups`.
    palette
        From `color_labels`.
    """

    def draw(axes: Sequence[Axes], part: pd.DataFrame) -> None:
        (ax,) = axes
        dots = runs[runs["task"] == part["task"].iloc[0]]
        names = [f"{row.label}, {row.device}" for row in part.itertuples()]
        one_device = len(set(part["device"])) == 1
        for place, row in enumerate(part.itertuples()):
            own = dots[(dots["label"] == row.label) & (dots["device"] == row.device)]
            color = palette[row.label]
            ax.plot([row.score] * 2, [place - 0.3, place + 0.3], color=color, lw=2.5)
            ax.plot(own["final_score"], [place] * len(own), "o", color=color, ms=6, alpha=0.7)
        ax.set_yticks(range(len(part)), list(part["label"]) if one_device else names)
        ax.set_ylim(len(part) - 0.5, -0.5)
        _score_axis_of(ax.xaxis, part, dots["final_score"])
        ax.set_xlabel(f"{ax.get_xlabel()} (line: mean over seeds; dot: a run)")
        ax.set_title(part["task"].iloc[0], loc="left")

    return _draw_rows(summary, draw, bars=True)


def plot_epoch_time(epochs: pd.DataFrame, summary: pd.DataFrame, palette: Palette) -> Figure:
    """Plot the training time of every epoch as a dot, and the median over runs as a bar's end.

    Parameters
    ----------
    epochs
        Columns ``task``, ``device``, ``label``, ``epoch_time_s``.
    summary
        From `stats.summarise_groups`.
    palette
        From `color_labels`.
    """

    def draw(axes: Sequence[Axes], part: pd.DataFrame) -> None:
        dots = epochs[epochs["task"] == part["task"].iloc[0]]
        _bars(axes[0], part, "epoch_time_s", palette, dots)
        axes[0].set_xlabel(
            "training time of an epoch, seconds (bar: median over runs; dot: an epoch)"
        )

    return _draw_rows(summary, draw, bars=True)


def plot_throughput(
    runs: pd.DataFrame, summary: pd.DataFrame, palette: Palette, phase: str
) -> Figure:
    """Plot samples per second by variant and device: ``phase`` is ``train`` or ``eval``.

    Parameters
    ----------
    runs
        Columns ``task``, ``device``, ``label``, ``<phase>_samples_per_s``.
    summary
        From `stats.summarise_groups`.
    palette
        From `color_labels`.
    phase
        Which throughput.
    """
    column = f"{phase}_samples_per_s"
    name = {"train": "training", "eval": "inference"}[phase]

    def draw(axes: Sequence[Axes], part: pd.DataFrame) -> None:
        dots = runs[runs["task"] == part["task"].iloc[0]]
        _bars(axes[0], part, column, palette, dots)
        axes[0].set_xlabel(f"{name}, samples per second (bar: median over runs; dot: a run)")
        axes[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))

    return _draw_rows(summary, draw, bars=True)


def plot_score_against_throughput(summary: pd.DataFrame, palette: Palette) -> Figure:
    """Plot each group's mean final score, with its interval, over its training throughput."""

    def draw(axes: Sequence[Axes], part: pd.DataFrame) -> None:
        (ax,) = axes
        one_device = len(set(part["device"])) == 1
        for row in part.itertuples():
            spread = [[row.score - row.score_low], [row.score_high - row.score]]
            ax.errorbar(
                row.train_samples_per_s,
                row.score,
                yerr=spread if pd.notna(row.score_low) else None,
                fmt="o" if row.device == part["device"].iloc[0] else "s",
                color=palette[row.label],
                capsize=4,
                markersize=8,
                label=row.label if one_device else f"{row.label}, {row.device}",
            )
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel("training, samples per second (log scale)")
        _score_axis_of(ax.yaxis, part, part["score"])
        ax.set_title(part["task"].iloc[0], loc="left")
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

    return _draw_rows(summary, draw)


def _draw_rows(
    frame: pd.DataFrame,
    draw: Callable[[Sequence[Axes], pd.DataFrame], None],
    *,
    columns: int = 1,
    bars: bool = False,
) -> Figure:
    """Draw a row of axes for each task of ``frame``."""
    parts = [part for _, part in frame.groupby("task", sort=False)]
    labels = [len(part[["label", "device"]].drop_duplicates()) for part in parts]
    heights = [
        1.2 + _BAR_HEIGHT * count if bars else max(_ROW_HEIGHT, 0.6 + _LEGEND_HEIGHT * count)
        for count in labels
    ]
    with themed():
        figure = Figure(figsize=(9.5, sum(heights)), layout="constrained")
        grid = figure.subplots(len(parts), columns, squeeze=False, height_ratios=heights)
        for row, part in zip(grid, parts, strict=True):
            draw(list(row), part)
    return figure


def _bars(
    ax: Axes, summary: pd.DataFrame, column: str, palette: Palette, dots: pd.DataFrame
) -> None:
    """Draw a horizontal bar for each group, and what it is the median of as dots on it."""
    devices = list(dict.fromkeys(summary["device"]))
    order = list(dict.fromkeys(summary["label"]))
    by_device = len(devices) > 1
    where: dict[str, Any] = {"x": column, "y": "label", "order": order, "ax": ax}
    if by_device:
        where |= {"hue": "device", "hue_order": devices}
        sns.barplot(summary, palette="muted", alpha=0.6, **where)
    else:
        sns.barplot(summary, palette=palette, alpha=0.6, hue="label", legend=False, **where)
    black = {"palette": ["0.2"] * len(devices)} if by_device else {"color": "0.2"}
    sns.stripplot(dots, size=3.5, jitter=False, dodge=by_device, legend=False, **black, **where)
    ax.set_ylabel("")
    ax.set_title(f"{summary['task'].iloc[0]}, {' and '.join(devices)}", loc="left")


def _score_axis_of(axis: Axis, part: pd.DataFrame, scores: pd.Series) -> None:
    first = part.iloc[0]
    score_axis(axis, first["metric"], scores, first["metric_unit"])


def score_axis(axis: Axis, metric: str, scores: pd.Series, unit: object = None) -> None:
    """Name the axis of the score, with its unit; errors that span decades get a logarithmic one."""
    name = f"test {metric.replace('_', ' ')}"
    plain = str(unit).replace("$", r"\$")  # which would begin a formula
    axis.set_label_text(f"{name}, {plain}" if isinstance(unit, str) and unit else name)
    if find_metric(metric).share:
        axis.set_label_text(f"{name}, %")
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    elif scores.min() > 0 and scores.max() > _DECADES * scores.min():
        set_scale = axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale
        set_scale("log")


def _with_margins(ax: Axes, low: float, high: float) -> tuple[float, float]:
    """Return limits a little beyond ``low`` and ``high``, on the scale that the axis has."""
    if ax.get_yscale() == "log":
        margin = (high / low) ** 0.1
        return low / margin, high * margin
    margin = 0.1 * (high - low) or 0.01
    return low - margin, high + margin
