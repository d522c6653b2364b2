"""Names beside what they name, in place of a legend: none over another, none cut off.

Both functions need the layout of the figure, see `theme.draw_parts`.
"""

from collections.abc import Sequence
from itertools import pairwise
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from numpy.typing import NDArray

from seqbench.report.theme import plain, wrap
from seqbench.report.variant_styles import Style

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]

WIDEST = 26  # characters of a line
_SIZE = 9.0  # points
_MOST_LONG = 6  # names of more than a line
_KEY_SIZE, _KEY_WIDTH = 8.0, 44  # points, characters
_GAP = 1.5  # points between labels
_POINTS_PER_INCH = 72
_RADII = (8, 14, 22, 32, 44, 58, 74, 92, 112)  # points
_ANGLES = (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240)
_MARK = 5.0  # points, half a marker's width
_FORBIDDEN, _UNCLEAR, _CROSSED = 1000, 40, 25  # costs of a place, in points of distance
_LEADING = 12  # points from which on a thin line leads from a label to its point


def label_ends(
    ax: Axes, ends: Sequence[tuple[float, float]], names: Sequence[str], styles: Sequence[Style]
) -> list[Annotation]:
    """Write names to the right of the axes, each joined to the end of its line.

    `spread_labels` moves them apart once the layout is known.
    """
    return [
        ax.annotate(
            wrap(name, WIDEST),
            end,
            xytext=(1.04, end[1]),
            textcoords=ax.get_yaxis_transform(),
            va="center",
            fontsize=_SIZE,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": style.color,
                "lw": 0.8,
                "shrinkA": 1,
                "relpos": (0, 0.5),
            },
        )
        for end, name, style in zip(ends, names, styles, strict=True)
    ]


def spread_labels(ax: Axes, labels: Sequence[Annotation]) -> None:
    """Move labels to the right of the axes up or down, as little as needed to lie apart."""
    labels = sorted(labels, key=lambda label: float(ax.transData.transform(label.xy)[1]))
    boxes = [label.get_window_extent() for label in labels]
    gap = _GAP * _dots(ax) / _POINTS_PER_INCH
    heights = [box.height + gap for box in boxes]
    wanted = [float(ax.transData.transform(label.xy)[1]) for label in labels]
    whole = ax.get_window_extent()
    for label, place in zip(labels, _move_apart(wanted, heights, whole.y0, whole.y1), strict=True):
        label.set_position((1.04, (place - whole.y0) / whole.height))
        label.anncoords = ax.transAxes


def _move_apart(
    wanted: Sequence[float], heights: Sequence[float], low: float, high: float
) -> list[float]:
    """Return places nearest to those wanted, in their order, at least half of two heights apart.

    The pool-adjacent-violators algorithm, on places less the room that those before them take.
    """
    room = np.cumsum([0.0, *((one + other) / 2 for one, other in pairwise(heights))])
    blocks: list[list[float]] = []
    for place, taken in zip(wanted, room, strict=True):
        blocks.append([place - float(taken)])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    ceiling = high - float(room[-1]) - heights[-1] / 2
    means = [max(min(float(np.mean(block)), ceiling), low + heights[0] / 2) for block in blocks]
    flat = [mean for mean, block in zip(means, blocks, strict=True) for _ in block]
    return [place + float(taken) for place, taken in zip(flat, room, strict=True)]


def number_names(ax: Axes, names: Sequence[str]) -> list[str]:
    """Return what to write beside points: their names, or numbers where these would need the room.

    Numbers get a key to the right of the axes.
    """
    if not needs_key(names):
        return list(names)
    key = _format_key(names)
    ax.annotate(key, (1.02, 1), xycoords="axes fraction", va="top", fontsize=_KEY_SIZE)
    return [str(place) for place in range(1, len(names) + 1)]


def _format_key(names: Sequence[str]) -> str:
    return "\n".join(
        fill(f"{number}  {plain(name)}", _KEY_WIDTH, subsequent_indent="     ")
        for number, name in enumerate(names, 1)
    )


def needs_key(names: Sequence[str]) -> bool:
    """Tell whether names are too many and too long to stand beside their points."""
    return len(names) > _MOST_LONG and max(map(len, names)) > WIDEST


def point_chart_height(names: Sequence[str]) -> float:
    """Return the height in inches of a chart with room for the names of its points."""
    if needs_key(names):
        return max(4.6, 1.0 + 0.15 * (_format_key(names).count("\n") + 1))
    return 4.6 + 0.07 * max(0, len(names) - 8)


def label_points(
    ax: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    styles: Sequence[Style],
    bars: Sequence[tuple[float, float]] = (),
) -> None:
    """Write each name beside its point: as near as there is room, and nearer than other points.

    Parameters
    ----------
    ax
        With the points drawn.
    points
        In the data's coordinates.
    names, styles
        Of the points.
    bars
        The ends of each point's error bar, if it has one, over which a name should not lie.
    """
    unit = _dots(ax) / _POINTS_PER_INCH
    places = ax.transData.transform(points)
    marks = np.hstack([places - _MARK * unit, places + _MARK * unit])
    ends = [(point[0], end) for point, bar in zip(points, bars, strict=False) for end in bar]
    lines = ax.transData.transform(np.reshape(ends, (-1, 2))).reshape(-1, 4) + unit * np.array(
        [-1, 0, 1, 0]
    )
    whole = np.asarray(ax.get_window_extent().padded(-2 * unit).extents)
    taken = np.empty((0, 4))
    for index in sorted(range(len(places)), key=lambda index: tuple(places[index])):
        text = ax.annotate(
            wrap(names[index], WIDEST),
            points[index],
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_SIZE,
            zorder=5,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            arrowprops={"arrowstyle": "-", "color": "0.6", "lw": 0.7, "ls": ":", "shrinkB": 4},
        )
        size = np.asarray(text.get_window_extent().size)
        offsets, radii = _list_places(size / unit)
        middles = places[index] + offsets * unit
        boxes = np.hstack([middles - size / 2, middles + size / 2])
        forbidden = _count_overlaps(boxes, np.vstack([marks, taken])) + ~_are_within(boxes, whole)
        cost = (
            _FORBIDDEN * forbidden
            + _UNCLEAR * _are_nearer_to_another(boxes, places, index)
            + _CROSSED * _count_overlaps(boxes, lines)
            + radii
        )
        best = int(cost.argmin())
        taken = np.vstack([taken, boxes[best]])
        text.set_position(tuple(offsets[best]))
        text.set_in_layout(False)
        if radii[best] < _LEADING and text.arrow_patch:
            text.arrow_patch.set_visible(False)


def _list_places(size: Numbers) -> tuple[Numbers, Numbers]:
    """Return offsets of a label's middle in points, and their radii, the nearest first."""
    radii, angles = np.repeat(_RADII, len(_ANGLES)), np.tile(np.deg2rad(_ANGLES), len(_RADII))
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return directions * (radii[:, np.newaxis] + size / 2), radii.astype(float)


def _count_overlaps(boxes: Numbers, others: Numbers) -> Numbers:
    """Return over how many others each box lies; a row is the lower left and upper right corner."""
    mine = boxes[:, np.newaxis]
    apart = (mine[..., :2] >= others[:, 2:]) | (mine[..., 2:] <= others[:, :2])
    return np.asarray((~apart.any(axis=-1)).sum(axis=-1))


def _are_within(boxes: Numbers, whole: Numbers) -> Truths:
    inside = (boxes[:, :2] >= whole[:2]) & (boxes[:, 2:] <= whole[2:])
    return np.asarray(inside.all(axis=-1))


def _are_nearer_to_another(boxes: Numbers, places: Numbers, own: int) -> Truths:
    """Tell whether another point than its own lies nearer to a label."""
    low, high = boxes[:, np.newaxis, :2], boxes[:, np.newaxis, 2:]
    beyond = np.maximum(np.maximum(low - places, places - high), 0.0)
    distances = np.hypot(beyond[..., 0], beyond[..., 1])
    return np.asarray((distances < distances[:, own : own + 1]).any(axis=-1))


def _dots(ax: Axes) -> float:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return float(figure.dpi)
