"""Figures of speed: a frame of `speed` in, a figure out. No number is computed here."""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from seqbench.analysis.profiles import KINDS
from seqbench.formatting import format_share
from seqbench.report.direct_labels import label_points, number_names, point_chart_height
from seqbench.report.theme import (
    Finish,
    draw_parts,
    log_axis,
    name_rows,
    row_chart_height,
    title_of,
)
from seqbench.report.variant_styles import Palette

_KIND_COLORS = ("#1b6ca8", "#e0992b", "#7aa974", "#c9c9c9")
_MARKS = {"p50_s": "o", "p95_s": "D", "p99_s": ">"}


def plot_speed(speed: pd.DataFrame, palette: Palette) -> Figure:
    """Plot training and inference throughput of each group, with their intervals.

    Parameters
    ----------
    speed
        From `speed.summarise_speed`.
    palette
        From `variant_styles.style_labels`.
    """
    names = {"train_step": "training", "inference": "inference"}

    def draw(figure: SubFigure, part: pd.DataFrame) -> None:
        axes = figure.subplots(1, 2)
        for ax, (phase, name) in zip(axes, names.items(), strict=True):
            rows = _sorted(part[part["phase"] == phase], "samples_per_s", part)
            for place, row in enumerate(rows.itertuples()):
                per_call = row.samples_per_s * row.seconds
                ends = [per_call / row.high_s, per_call / row.low_s]
                color = palette[row.label].color
                ax.plot(ends, [place, place], color=color, lw=5, alpha=0.4, solid_capstyle="butt")
                fill = "none" if row.unstable else color
                ax.plot(row.samples_per_s, place, "o", ms=7, mfc=fill, mec=color, mew=1.8)
            log_axis(ax.xaxis, f"{name}, samples/s", rows["samples_per_s"])
            name_rows(ax, list(rows["label"]) if phase == "train_step" else [""] * len(rows))
        axes[0].set_title(title_of(part), loc="left")

    return draw_parts(speed, draw, row_chart_height)


def plot_latency(speed: pd.DataFrame, palette: Palette) -> Figure:
    """Plot the percentiles of the time that one example takes, as far as there are any.

    Parameters
    ----------
    speed, palette
        As for `plot_speed`.
    """

    def draw(figure: SubFigure, part: pd.DataFrame) -> None:
        ax = figure.subplots()
        rows = part[part["phase"] == "latency"].sort_values("p50_s", kind="stable")
        for place, row in enumerate(rows.itertuples()):
            color = palette[row.label].color
            values = [1000 * getattr(row, percentile) for percentile in _MARKS]
            ax.plot(values, [place] * len(values), color=color, lw=1.5)
            for value, mark in zip(values, _MARKS.values(), strict=True):
                ax.plot(value, place, mark, ms=7, color=color)
        name = "circle p50, diamond p95, arrow p99\nlatency of one example, ms"
        log_axis(ax.xaxis, name, 1000 * pd.concat([rows[each] for each in _MARKS]))
        name_rows(ax, list(rows["label"]))
        ax.set_title(title_of(part), loc="left")

    return draw_parts(speed, draw, row_chart_height)


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

    def draw(figure: SubFigure, part: pd.DataFrame) -> list[Finish]:
        ax = figure.subplots()
        rows = part[part["phase"] == "train_step"]
        keys = ["device", "threads", "precision"]
        own = limits.merge(rows[keys].drop_duplicates(), on=keys)
        ridge = (own["peak_flops_per_s"] / own["peak_bytes_per_s"]).min()
        least = min(rows["intensity"].min(), ridge)
        spread = np.geomspace(least / 2, rows["intensity"].max() * 4, 200)
        for limit in own.itertuples():
            roof = np.minimum(limit.peak_flops_per_s, spread * limit.peak_bytes_per_s)
            ax.plot(spread, roof / 1e9, color="0.3", lw=1.5)
            plural = "" if limit.threads == 1 else "s"
            name = f"{limit.precision}, {limit.threads} thread{plural}"
            ax.annotate(
                name, (spread[-1], roof[-1] / 1e9), ha="right", va="bottom", fontsize="small"
            )
        for row in rows.itertuples():
            style = palette[row.label]
            rate = row.flops_per_s / 1e9
            ax.plot(row.intensity, rate, style.marker, color=style.color, mfc=style.face, ms=7)
        log_axis(ax.xaxis, "floating-point operations per byte, by formula", pd.Series(spread))
        log_axis(ax.yaxis, "training step, GFLOP/s", rows["flops_per_s"] / 1e9)
        ax.set_title(title_of(part), loc="left")
        names = list(rows["label"])
        points = list(zip(rows["intensity"], rows["flops_per_s"] / 1e9, strict=True))
        styles = [palette[each] for each in names]
        return [partial(label_points, ax, points, number_names(ax, names), styles)]

    return draw_parts(speed, draw, lambda part: point_chart_height(part["label"].unique()))


def plot_profiles(profiles: pd.DataFrame) -> Figure:
    """Plot what a training step's time goes into, a bar a group, nearest to the peak on top.

    Parameters
    ----------
    profiles
        From `profiles.summarise_profiles`.
    """
    colors = dict(zip(KINDS, _KIND_COLORS, strict=True))

    def draw(figure: SubFigure, part: pd.DataFrame) -> None:
        ax = figure.subplots()
        rows = part[::-1].reset_index(drop=True)
        left = np.zeros(len(rows))
        for kind, name in KINDS.items():
            shares = 100 * rows[kind].to_numpy()
            ax.barh(range(len(rows)), shares, left=left, color=colors[kind], label=name, height=0.7)
            left += shares
        for place, row in enumerate(rows.itertuples()):
            reached = format_share(row.peak_fraction)
            ax.annotate(reached, (101, place), va="center", fontsize="small")
        name_rows(ax, list(rows["label"]))
        ax.set_xlim(0, 109)
        ax.grid(visible=False, axis="y")
        ax.set_xticks(range(0, 101, 20))
        ax.set_xlabel("share of a training step's time, % (right: % of peak throughput)")
        ax.set_title(title_of(part), loc="left")
        figure.legend(loc="outside upper right", ncols=len(KINDS), frameon=False, fontsize=10)

    return draw_parts(profiles, draw, row_chart_height)


def _sorted(rows: pd.DataFrame, column: str, part: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in the order of the groups' training throughput, fastest first."""
    training = part[part["phase"] == "train_step"].set_index("label")[column]
    order = training.sort_values(ascending=False, kind="stable").index
    return rows.set_index("label").reindex(order).reset_index()
