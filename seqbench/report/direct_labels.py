"""Names beside what they name, in place of a legend: none over another, none cut off.

Both functions need the layout of the figure, see `theme.draw_parts`.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from seqbench.report.theme import plain, wrap
from seqbench.report.variant_styles import Style

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
    numbers = [str(place) for place in range(1, len(names) + 1)]
    key = [
        fill(f"{number}  {plain(name)}", _KEY_WIDTH, subsequent_indent="     ")
        for number, name in zip(numbers, names, strict=True)
    ]
    ax.annotate("\n".join(key), (1.02, 1), xycoords="axes fraction", va="top", fontsize=_KEY_SIZE)
    return numbers


def needs_key(names: Sequence[str]) -> bool:
    """Tell whether names are too many and too long to stand beside their points."""
    return len(names) > _MOST_LONG and max(map(len, names)) > WIDEST


def point_chart_height(names: Sequence[str]) -> float:
    """Return the height in inches of a chart with room for the names of its points."""
    if needs_key(names):
        lines = sum(len(name) // _KEY_WIDTH + 1.2 for name in names)
        return max(4.6, 1.0 + 0.15 * lines)
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
    places = [_to_dots(ax, point) for point in points]
    marks = [Bbox.from_bounds(x, y, 0, 0).padded(_MARK * unit) for x, y in places]
    lines = [
        Bbox(
            [
                (x - unit, _to_dots(ax, (point[0], low))[1]),
                (x + unit, _to_dots(ax, (point[0], high))[1]),
            ]
        )
        for point, (x, _), (low, high) in zip(points, places, bars, strict=False)
    ]
    taken: list[Bbox] = []
    whole = ax.get_window_extent().padded(-2 * unit)
    for index in sorted(range(len(places)), key=lambda index: places[index]):
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
            arrowprops={"arrowstyle": "-", "color": styles[index].color, "lw": 1, "shrinkB": 4},
        )
        size = text.get_window_extent()
        ranked: list[tuple[float, int, tuple[float, float], int, Bbox]] = []
        for dx, dy, radius in _candidates(size.width / unit, size.height / unit):
            middle = (places[index][0] + dx * unit, places[index][1] + dy * unit)
            corner = (middle[0] - size.width / 2, middle[1] - size.height / 2)
            box = Bbox.from_bounds(*corner, size.width, size.height)
            cost = (
                _FORBIDDEN * (box.count_overlaps([*marks, *taken]) + (not _holds(whole, box)))
                + _UNCLEAR * _is_nearer_to_another(box, places, index)
                + _CROSSED * box.count_overlaps(lines)
                + radius
            )
            ranked.append((cost, len(ranked), (dx, dy), radius, box))
        _, _, offset, radius, box = min(ranked, key=lambda each: each[:2])
        taken.append(box)
        text.set_position(offset)
        text.set_in_layout(False)
        if radius < _LEADING and text.arrow_patch:
            text.arrow_patch.set_visible(False)


def _holds(whole: Bbox, box: Bbox) -> bool:
    return bool(
        whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
    )


def _is_nearer_to_another(box: Bbox, places: Sequence[tuple[float, float]], own: int) -> bool:
    """Tell whether another point than its own lies nearer to a label."""
    distances = [
        np.hypot(max(box.x0 - x, 0, x - box.x1), max(box.y0 - y, 0, y - box.y1)) for x, y in places
    ]
    return any(each < distances[own] for place, each in enumerate(distances) if place != own)


def _to_dots(ax: Axes, point: tuple[float, float]) -> tuple[float, float]:
    x, y = ax.transData.transform(point)
    return float(x), float(y)


def _candidates(width: float, height: float) -> Iterator[tuple[float, float, int]]:
    """Yield offsets of a label's middle in points, and their radius, the nearest first."""
    for radius in _RADII:
        for angle in np.deg2rad(_ANGLES):
            dx, dy = float(np.cos(angle)), float(np.sin(angle))
            yield dx * (radius + width / 2), dy * (radius + height / 2), radius


def _dots(ax: Axes) -> float:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return float(figure.dpi)
