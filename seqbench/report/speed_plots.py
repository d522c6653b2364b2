"""Figures of speed: a frame of `speed` in, a figure out. No number is computed here."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from seqbench.analysis.profiles import KINDS
from seqbench.report.plots import Palette, themed

_ROW_HEIGHT = 0.34
_KIND_COLORS = ("#1b6ca8", "#e0992b", "#7aa974", "#c9c9c9")
_MARKS = {"p50_s": "o", "p95_s": "D", "p99_s": ">"}


def plot_speed(speed: pd.DataFrame, palette: Palette) -> Figure:
    """Plot training and inference throughput of each group, with their intervals.

    Parameters
    ----------
    speed
        From `speed.summarise_speed`.
    palette
        From `plots.color_labels`.
    """
    names = {"train_step": "training", "inference": "inference"}

    def draw(axes: Sequence[Axes], part: pd.DataFrame) -> None:
        for ax, (phase, name) in zip(axes, names.items(), strict=True):
            rows = _sorted(part[part["phase"] == phase], "samples_per_s", part)
            for place, row in enumerate(rows.itertuples()):
                per_call = row.samples_per_s * row.seconds
                ends = [per_call / row.high_s, per_call / row.low_s]
                color = palette[row.label]
                ax.plot(ends, [place, place], color=color, lw=5, alpha=0.4, solid_capstyle="butt")
                fill = "none" if row.unstable else color
                ax.plot(row.samples_per_s, place, "o", ms=7, mfc=fill, mec=color, mew=1.8)
            _log_axis(ax, f"{name}, samples per second")
            _name_rows(ax, list(rows["label"]) if phase == "train_step" else [""] * len(rows))
        axes[0].set_title(_title(part), loc="left")

    return _draw_parts(speed, draw, columns=2)


def plot_latency(speed: pd.DataFrame, palette: Palette) -> Figure:
    """Plot the percentiles of the time that one example takes, as far as there are any.

    Parameters
    ----------
    speed, palette
        As for `plot_speed`.
    """

    def draw(axes: Sequence[Axes], part: pd.DataFrame) -> None:
        (ax,) = axes
        rows = part[part["phase"] == "latency"].sort_values("p50_s", kind="stable")
        for place, row in enumerate(rows.itertuples()):
            color = palette[row.label]
            values = [1000 * getattr(row, percentile) for percentile in _MARKS]
            ax.plot(values, [place] * len(values), color=color, lw=1.5)
            for value, mark in zip(values, _MARKS.values(), strict=True):
                ax.plot(value, place, mark, ms=7, color=color)
        _log_axis(ax, "one example, milliseconds (circle p50, diamond p95, arrow p99)")
        _name_rows(ax, list(rows["label"]))
        ax.set_title(_title(part), loc="left")

    return _draw_parts(speed, draw)


def plot_roofline(speed: pd.DataFrame, limits: pd.DataFrame, palette: Palette) -> Figure:
    """Plot the rate of each group's training step under the machine's roof.

    The roof is the lower of two lines: what memory can feed at an intensity, and what the machine
    does in a large product (S. Williams, A. Waterman and D. Patterson, 2009).

    Parameters
    ----------
    speed, palette
        As for `plot_speed`, with an ``intensity`` in every row.
    limits
        From `speed.measure_limits`.
    """

    def draw(axes: Sequence[Axes], part: pd.DataFrame) -> None:
        (ax,) = axes
        rows = part[part["phase"] == "train_step"]
        keys = ["device", "threads", "precision"]
        own = limits.merge(rows[keys].drop_duplicates(), on=keys)
        ridge = (own["peak_flops_per_s"] / own["peak_bytes_per_s"]).min()
        least = min(rows["intensity"].min(), ridge)
        spread = np.geomspace(least / 2, rows["intensity"].max() * 2, 200)
        for limit in own.itertuples():
            roof = np.minimum(limit.peak_flops_per_s, spread * limit.peak_bytes_per_s)
            ax.plot(spread, roof / 1e9, color="0.3", lw=1.5)
            name = f"{limit.precision}, {limit.threads} threads"
            ax.annotate(
                name, (spread[-1], roof[-1] / 1e9), ha="right", va="bottom", fontsize="small"
            )
        for row in rows.itertuples():
            ax.plot(
                row.intensity, row.flops_per_s / 1e9, "o", color=palette[row.label], label=row.label
            )
        _log_axis(ax, "floating-point operations per byte, by formula")
        ax.set_yscale("log")
        ax.set_ylabel("GFLOP/s of a training step")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_title(_title(part), loc="left")
        columns = -(-len(rows) // 18)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, ncols=columns)

    return _draw_parts(speed, draw, height=4.6)


def plot_profiles(profiles: pd.DataFrame) -> Figure:
    """Plot what a training step's time goes into, a bar a group, nearest to the peak on top.

    Parameters
    ----------
    profiles
        From `profiles.summarise_profiles`.
    """
    colors = dict(zip(KINDS, _KIND_COLORS, strict=True))

    def draw(axes: Sequence[Axes], part: pd.DataFrame) -> None:
        (ax,) = axes
        rows = part[::-1].reset_index(drop=True)
        left = np.zeros(len(rows))
        for kind, name in KINDS.items():
            shares = 100 * rows[kind].to_numpy()
            ax.barh(range(len(rows)), shares, left=left, color=colors[kind], label=name, height=0.7)
            left += shares
        for place, row in enumerate(rows.itertuples()):
            reached = "—" if np.isnan(row.peak_fraction) else f"{row.peak_fraction:.0%}"
            ax.annotate(reached, (101, place), va="center", fontsize="small")
        _name_rows(ax, list(rows["label"]))
        ax.set_xlim(0, 108)
        ax.grid(visible=False, axis="y")
        ax.set_xticks(range(0, 101, 20))
        ax.set_xlabel("per cent of a training step's time (at the right end: of the peak)")
        ax.set_title(_title(part), loc="left")
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)

    return _draw_parts(profiles, draw)


def _draw_parts(
    speed: pd.DataFrame,
    draw: Callable[[Sequence[Axes], pd.DataFrame], None],
    *,
    columns: int = 1,
    height: float | None = None,
) -> Figure:
    """Draw a row of axes for each task and device."""
    parts = [part for _, part in speed.groupby(["task", "device"], sort=False)]
    heights = [height or 1.2 + _ROW_HEIGHT * len(set(part["label"])) for part in parts]
    with themed():
        figure = Figure(figsize=(9.5, sum(heights)), layout="constrained")
        grid = figure.subplots(len(parts), columns, squeeze=False, height_ratios=heights)
        for row, part in zip(grid, parts, strict=True):
            draw(list(row), part)
    return figure


def _sorted(rows: pd.DataFrame, column: str, part: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in the order of the groups' training throughput, fastest first."""
    training = part[part["phase"] == "train_step"].set_index("label")[column]
    order = training.sort_values(ascending=False, kind="stable").index
    return rows.set_index("label").reindex(order).reset_index()


def _title(part: pd.DataFrame) -> str:
    return f"{part['task'].iloc[0]}, {part['device'].iloc[0]}"


def _name_rows(ax: Axes, names: list[str]) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)


def _log_axis(ax: Axes, name: str) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(name)
