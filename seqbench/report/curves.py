"""Learning curves: of few groups in one drawing, of many each in a panel of its own."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from seqbench.report.direct_labels import label_ends, spread_labels
from seqbench.report.plots import score_axis_of
from seqbench.report.theme import WIDTH, Finish, draw_parts, log_axis, title_of, wrap
from seqbench.report.variant_styles import Palette

MOST_TOGETHER = 8
"""Of more groups each gets a panel of its own, with the others in grey."""

CURVE_AXES = {"epoch": "epoch", "train_time_s": "training time, s (mean over seeds)"}
"""What learning curves go over, and how that is called."""

_COLUMNS, _PANEL_WIDTH = 5, 20  # panels side by side, characters of a panel's name
_LEFT, _TOP, _BOTTOM, _GAP = 0.9, 0.4, 0.65, 0.12  # inches, around and between panels
_PANEL_HEIGHT, _NAME_HEIGHT, _LINE_HEIGHT = 1.15, 0.35, 0.15  # inches
_TICKS = 3  # at most, on an axis of a panel
_FEW_EPOCHS = 12  # each of which gets a marker
_WIDE = 10  # ratio of training times from which on their axis is logarithmic


def plot_learning_curves(curves: pd.DataFrame, palette: Palette, x: str) -> Figure:
    """Plot the score over ``x`` (``epoch`` or ``train_time_s``).

    A line is the mean over seeds, the band reaches from the lowest to the highest of them, the
    dotted line is the baseline. Up to `MOST_TOGETHER` groups of a task and device are drawn
    together, whole and close up: the range of the scores that the groups end with. More groups get
    a panel each, with the other groups in grey.

    Parameters
    ----------
    curves
        From `stats.learning_curves`.
    palette
        From `variant_styles.style_labels`.
    x
        Column for the horizontal axis.
    """

    def draw(figure: SubFigure, part: pd.DataFrame) -> list[Finish]:
        together = part["label"].nunique() <= MOST_TOGETHER
        return (_draw_together if together else _draw_apart)(figure, part, palette, x)

    return draw_parts(curves, draw, _height_of)


def draw_learning_curves(ax: Axes, curves: pd.DataFrame, palette: Palette, x: str) -> None:
    """Draw the learning curves of one task and device into ``ax``; see `plot_learning_curves`."""
    for label, line in curves.groupby("label", sort=False):
        _draw_line(ax, line, str(label), palette, x)
    _name_axis(ax, curves, x)
    score_axis_of(ax.yaxis, curves, curves["score_min"])


def _height_of(part: pd.DataFrame) -> float:
    count = int(part["label"].nunique())
    if count <= MOST_TOGETHER:
        return 4.2
    return _TOP + _BOTTOM + _row_height_of(part["label"].unique()) * -(-count // _COLUMNS)


def _row_height_of(names: Iterable[str]) -> float:
    lines = max(wrap(name, _PANEL_WIDTH).count("\n") for name in names)
    return _PANEL_HEIGHT + _NAME_HEIGHT + _LINE_HEIGHT * lines


def _draw_together(figure: SubFigure, part: pd.DataFrame, palette: Palette, x: str) -> list[Finish]:
    whole, close = figure.subplots(1, 2)
    for ax in (whole, close):
        draw_learning_curves(ax, part, palette, x)
    whole.axhline(part["baseline_score"].iloc[0], color="0.3", ls=":", lw=1.5)
    last = part[part["epoch"] == part.groupby("label")["epoch"].transform("max")]
    close.set_ylim(_with_margins(close, last["score_min"].min(), last["score_max"].max()))
    whole.set_title(title_of(part), loc="left")
    close.set_title("close-up", loc="left")
    close.set_ylabel("")
    names = list(last["label"])
    ends = list(zip(last[x].astype(float), last["score"].astype(float), strict=True))
    labels = label_ends(close, ends, names, [palette[name] for name in names])
    return [partial(spread_labels, close, labels)]


def _draw_apart(figure: SubFigure, part: pd.DataFrame, palette: Palette, x: str) -> list[Finish]:
    lines = {str(label): line for label, line in part.groupby("label", sort=False)}
    names = list(lines)
    gap = pd.DataFrame({x: [np.nan], "score": [np.nan]})  # between two lines of one path
    joined = pd.concat([each for line in lines.values() for each in (line, gap)])
    all_lines = joined[x].to_numpy(dtype=float), joined["score"].to_numpy(dtype=float)
    baseline = part["baseline_score"].iloc[0]
    low, high = min(part["score_min"].min(), baseline), max(part["score_max"].max(), baseline)
    panels = _place_panels(figure, names, _height_of(part))
    for place, (ax, name) in enumerate(zip(panels, names, strict=True)):
        ax.plot(*all_lines, color="0.83", lw=0.7, zorder=1)
        _draw_line(ax, lines[name], name, palette, x)
        ax.axhline(baseline, color="0.3", ls=":", lw=1)
        ax.set_title(wrap(name, _PANEL_WIDTH), loc="left", fontsize=9.5, y=1)
        _name_axis(ax, part, x)
        score_axis_of(ax.yaxis, part, part["score_min"])
        for scale, axis in ((ax.get_xscale(), ax.xaxis), (ax.get_yscale(), ax.yaxis)):
            if scale == "linear":
                axis.set_major_locator(
                    MaxNLocator(_TICKS, integer=axis is ax.xaxis and x == "epoch")
                )
        ax.set_xlim(panels[0].get_xlim())
        ax.set_ylim(_with_margins(ax, low, high))
        ax.tick_params(labelsize=9)
        ax.tick_params(labelbottom=place + _COLUMNS >= len(names), labelleft=place % _COLUMNS == 0)
        x_name, y_name = ax.get_xlabel(), ax.get_ylabel()
        ax.set(xlabel="", ylabel="")
        ax.minorticks_off()
    height = _height_of(part)
    figure.suptitle(title_of(part), x=0.01, y=1 - 0.1 / height, va="top", ha="left", fontsize=12)
    figure.supxlabel(x_name, y=0.1 / height, va="bottom", fontsize=11)
    figure.supylabel(y_name, x=0.01, fontsize=11)
    return []


def _place_panels(figure: SubFigure, names: Sequence[str], height: float) -> list[Axes]:
    """Return axes for panels, row by row, each where it stays: to lay out hundreds takes minutes.

    Sharing axes takes time squared, and places for titles and labels that are to be found take
    most of the time of a drawing.
    """
    row = _row_height_of(names)
    width = (WIDTH - _LEFT - _COLUMNS * _GAP) / _COLUMNS
    panels = []
    for place in range(len(names)):
        left = _LEFT + place % _COLUMNS * (width + _GAP)
        bottom = height - _TOP - place // _COLUMNS * row - (row - 0.1)
        size = width / WIDTH, _PANEL_HEIGHT / height
        ax = figure.add_axes((left / WIDTH, bottom / height, *size))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_label_coords(0.5, 0.5)
        panels.append(ax)
    return panels


def _draw_line(ax: Axes, line: pd.DataFrame, label: str, palette: Palette, x: str) -> None:
    style = palette[label]
    ax.plot(
        line[x],
        line["score"],
        ls=style.line,
        marker=style.marker if len(line) <= _FEW_EPOCHS else None,
        ms=5,
        mfc=style.face,
        color=style.color,
        label=wrap(label),
        zorder=3,
    )
    low, high = line["score_min"], line["score_max"]
    ax.fill_between(line[x], low, high, color=style.color, alpha=0.15, linewidth=0)


def _name_axis(ax: Axes, curves: pd.DataFrame, x: str) -> None:
    ends = curves.groupby("label")[x].max()
    if x != "epoch" and ends.max() > _WIDE * ends.min():
        log_axis(ax.xaxis, CURVE_AXES[x], curves[x])
        return
    ax.set_xlabel(CURVE_AXES[x])
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=x == "epoch"))


def _with_margins(ax: Axes, low: float, high: float) -> tuple[float, float]:
    """Return limits a little beyond ``low`` and ``high``, on the scale that the axis has."""
    if ax.get_yscale() == "log":
        margin = (high / low) ** 0.1
        return low / margin, high * margin
    margin = 0.1 * (high - low) or 0.01
    return low - margin, high + margin
