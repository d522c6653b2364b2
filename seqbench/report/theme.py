"""How figures look and how they are saved: the same on every machine, byte for byte."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from textwrap import fill
from typing import Any
from unittest import mock

import pandas as pd
import seaborn as sns
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

FORMATS = ("png", "svg", "pdf")
"""Formats of figures, as their file names end."""

WIDTH = 9.5
"""Inches, of every figure of a report."""

ROW_HEIGHT = 0.36
"""Inches, of a group in a chart whose rows are groups."""

_EMBEDDED = {"pdf.fonttype": 42, "svg.hashsalt": "seqbench"}  # TrueType, as publishers ask
_THEME = {**sns.axes_style("whitegrid"), **sns.plotting_context("notebook"), **_EMBEDDED}
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_DOTS_PER_INCH = 110
_WIDEST_NAME = 40  # characters
_DECADE = 10  # below it a logarithmic axis has too few round numbers for ticks

Finish = Callable[[], None]
"""What places labels once the layout of a figure is known."""


def themed() -> AbstractContextManager[None]:
    """Return a context in which figures look alike, whatever matplotlib's files on a machine say.

    A figure is drawn and saved in it.
    """
    return style.context(_THEME, after_reset=True)


def plain(text: object) -> str:
    """Return a text that matplotlib shows as it is: a dollar sign begins no formula."""
    return str(text).replace("$", r"\$")


def wrap(name: object, width: int = _WIDEST_NAME) -> str:
    """Return a name in lines of a width in characters, to be shown as it is."""
    return fill(plain(name), width)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the path's suffix names, without date or version in it."""
    without_date = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    with themed(), mock.patch.dict(os.environ, without_date, clear=True):
        figure.savefig(path, dpi=_DOTS_PER_INCH, metadata=_METADATA[path.suffix.removeprefix(".")])


def draw_parts(
    frame: pd.DataFrame,
    draw: Callable[[SubFigure, pd.DataFrame], Sequence[Finish] | None],
    height: Callable[[pd.DataFrame], float],
) -> Figure:
    """Draw a row for each task and device of ``frame``.

    Parameters
    ----------
    frame
        Columns ``task``, ``device`` and what ``draw`` needs.
    draw
        Draws the row of one task and device, and returns what remains to be done once the layout
        is known.
    height
        Of that row, in inches.
    """
    parts = [part for _, part in frame.groupby(["task", "device"], sort=False)]
    heights = [height(part) for part in parts]
    with themed():
        size = (WIDTH, sum(heights))
        figure = Figure(figsize=size, dpi=_DOTS_PER_INCH)
        FigureCanvasAgg(figure)  # or each question for a text's size makes a new canvas
        rows = figure.subfigures(len(parts), squeeze=False, height_ratios=heights)
        finishes: list[Finish] = []
        for row, part in zip(rows[:, 0], parts, strict=True):
            finishes += draw(row, part) or ()
        # laid out once: a figure with an engine is drawn and laid out again when it is saved
        ConstrainedLayoutEngine().execute(figure)
        for finish in finishes:
            finish()
    return figure


def row_chart_height(part: pd.DataFrame) -> float:
    """Return the height in inches of a chart whose rows are the groups of ``part``."""
    lines = sum(wrap(label).count("\n") + 1 for label in part["label"].unique())
    return 1.25 + ROW_HEIGHT * max(float(part["label"].nunique()), 0.62 * lines)


def title_of(part: pd.DataFrame) -> str:
    """Return the task and the device of a part."""
    return plain(f"{part['task'].iloc[0]}, {part['device'].iloc[0]}")


def name_rows(ax: Axes, names: Sequence[object]) -> None:
    """Name the rows of a chart, from its top."""
    ax.set_yticks(range(len(names)), [wrap(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)


def log_axis(axis: Axis, name: str, values: pd.Series) -> None:
    """Make an axis logarithmic, with round numbers as its ticks, and name it."""
    is_x = axis is axis.axes.xaxis
    (axis.axes.set_xscale if is_x else axis.axes.set_yscale)("log")
    known = values.dropna()
    wide = len(known) and known.max() > _DECADE * known.min()
    few = LogLocator(subs=(1, 2, 5)) if not wide or not is_x else LogLocator(subs=(1, 3))
    far = len(known) and known.max() > 300 * known.min()
    axis.set_major_locator(LogLocator() if far and is_x else few)
    if len(known) and known.max() < 2.2 * known.min():
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(f"{name} (log scale)")
