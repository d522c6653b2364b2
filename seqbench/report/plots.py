"""Figures of trained runs: a frame of `stats` in, a figure out. No number is computed here.

Each figure has a row for each task and device, since scores and times of two tasks do not share a
scale. The same frames give the same image, byte for byte, with the same matplotlib.
"""

from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter

from seqbench.metrics import find_metric
from seqbench.report.direct_labels import label_points, number_names, point_chart_height
from seqbench.report.theme import (
    Finish,
    draw_parts,
    log_axis,
    name_rows,
    plain,
    row_chart_height,
    title_of,
)
from seqbench.report.variant_styles import Palette

_DECADES = 30  # how far errors may lie apart on a linear axis


def plot_final_scores(runs: pd.DataFrame, summary: pd.DataFrame, palette: Palette) -> Figure:
    """Plot the final score of every run as a dot, and each group's mean as a line; best on top.

    Parameters
    ----------
    runs
        Columns ``task``, ``device``, ``label``, ``final_score``.
    summary
        From `stats.summarise_groups`.
    palette
        From `variant_styles.style_labels`.
    """

    def draw(figure: SubFigure, part: pd.DataFrame) -> None:
        ax = figure.subplots()
        better = bool(part["higher_is_better"].iloc[0])
        rows = part.sort_values("score", ascending=not better, kind="stable")
        dots = _of_part(runs, part)
        for place, row in enumerate(rows.itertuples()):
            own = dots.loc[dots["label"] == row.label, "final_score"]
            style = palette[row.label]
            ax.plot([row.score] * 2, [place - 0.32, place + 0.32], color=style.color, lw=2.5)
            places = [place] * len(own)
            ax.plot(own, places, style.marker, color=style.color, mfc=style.face, ms=6, alpha=0.8)
        name_rows(ax, list(rows["label"]))
        score_axis_of(ax.xaxis, part, dots["final_score"])
        ax.set_xlabel(f"{ax.get_xlabel()} (line: mean over seeds; marker: a run)")
        ax.set_title(title_of(part), loc="left")

    return draw_parts(summary, draw, row_chart_height)


def plot_epoch_time(epochs: pd.DataFrame, summary: pd.DataFrame, palette: Palette) -> Figure:
    """Plot the training time of every epoch as a dot, and the median over runs as a bar's end.

    Parameters
    ----------
    epochs
        Columns ``task``, ``device``, ``label``, ``epoch_time_s``.
    summary
        From `stats.summarise_groups`.
    palette
        From `variant_styles.style_labels`.
    """

    def draw(figure: SubFigure, part: pd.DataFrame) -> None:
        ax = figure.subplots()
        rows = part.sort_values("epoch_time_s", kind="stable")
        _draw_bars(ax, rows, "epoch_time_s", palette, _of_part(epochs, part))
        ax.set_xlabel("epoch time, s (bar: median over runs; dot: an epoch)")

    return draw_parts(summary, draw, row_chart_height)


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
        From `variant_styles.style_labels`.
    phase
        Which throughput.
    """
    column = f"{phase}_samples_per_s"
    name = {"train": "training", "eval": "inference"}[phase]

    def draw(figure: SubFigure, part: pd.DataFrame) -> None:
        ax = figure.subplots()
        rows = part.sort_values(column, ascending=False, kind="stable")
        _draw_bars(ax, rows, column, palette, _of_part(runs, part))
        ax.set_xlabel(f"{name} throughput, samples/s (bar: from the median time; dot: a run)")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))

    return draw_parts(summary, draw, row_chart_height)


def plot_score_against_throughput(summary: pd.DataFrame, palette: Palette) -> Figure:
    """Plot each group's mean final score, with its interval, over its training throughput."""

    def draw(figure: SubFigure, part: pd.DataFrame) -> list[Finish]:
        ax = figure.subplots()
        part = part[part["train_samples_per_s"].notna()]
        for row in part.itertuples():
            spread = [[row.score - row.score_low], [row.score_high - row.score]]
            style = palette[row.label]
            ax.errorbar(
                row.train_samples_per_s,
                row.score,
                yerr=spread if pd.notna(row.score_low) else None,
                fmt=style.marker,
                color=style.color,
                mfc=style.face,
                capsize=3,
                markersize=8,
                elinewidth=1,
            )
        log_axis(ax.xaxis, "training throughput, samples/s", part["train_samples_per_s"])
        score_axis_of(ax.yaxis, part, part["score"])
        ax.margins(x=0.12, y=0.08)
        ax.set_title(title_of(part), loc="left")
        names = list(part["label"])
        points = list(zip(part["train_samples_per_s"], part["score"], strict=True))
        styles = [palette[each] for each in names]
        bars = list(
            zip(
                part["score_low"].fillna(part["score"]),
                part["score_high"].fillna(part["score"]),
                strict=True,
            )
        )
        return [partial(label_points, ax, points, number_names(ax, names), styles, bars)]

    return draw_parts(summary, draw, lambda part: point_chart_height(part["label"]))


def _of_part(frame: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a frame that are of the task and the device of a part."""
    task, device = part["task"].iloc[0], part["device"].iloc[0]
    return frame[(frame["task"] == task) & (frame["device"] == device)]


def _draw_bars(
    ax: Axes, rows: pd.DataFrame, column: str, palette: Palette, dots: pd.DataFrame
) -> None:
    """Draw a horizontal bar for each group, and what it is the median of as dots on it."""
    names = list(rows["label"])
    colors = [palette[name].color for name in names]
    ax.barh(range(len(names)), rows[column], height=0.75, color=colors, alpha=0.6)
    places = {name: place for place, name in enumerate(names)}
    ax.plot(dots[column], dots["label"].map(places), "o", color="0.2", ms=3.5)
    name_rows(ax, names)
    ax.grid(visible=False, axis="y")
    ax.set_title(title_of(rows), loc="left")


def score_axis_of(axis: Axis, part: pd.DataFrame, scores: pd.Series) -> None:
    """Name the axis of the scores of a part, see `score_axis`."""
    first = part.iloc[0]
    score_axis(axis, first["metric"], scores, first["metric_unit"])


def score_axis(axis: Axis, metric: str, scores: pd.Series, unit: object = None) -> None:
    """Name the axis of the score, with its unit; errors that span decades get a logarithmic one."""
    name = f"test {metric.replace('_', ' ')}"
    axis.set_label_text(f"{name}, {plain(unit)}" if isinstance(unit, str) and unit else name)
    if find_metric(metric).share:
        axis.set_label_text(f"{name}, %")
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))
    elif scores.min() > 0 and scores.max() > _DECADES * scores.min():
        set_scale = axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale
        set_scale("log")
