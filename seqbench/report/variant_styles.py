"""Colours, markers and line styles: bound to a variant's name, the same in every figure.

A built-in variant has a fixed colour, near those of its family; any other name has one by its hash.
So no variant's colour depends on which others are drawn. A bidirectional variant has the marker of
its twin, hollow, and a dashed line. Groups of one variant, which differ in
settings, share its colour and differ in line style and marker.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import seaborn as sns
from matplotlib.colors import to_hex

FAMILIES: dict[str, dict[str, tuple[str, str | None]]] = {
    "Elman": {
        "rnn": ("#0072b2", "#5a45e0"),
        "rnn-relu": ("#6cb8ef", "#3a66e8"),
        "irnn": ("#1fb5c9", "#006d7a"),
        "rnn-orthogonal": ("#27408b", "#8f8cff"),
        "indrnn": ("#7b8fd6", "#6a2fa8"),
    },
    "GRU": {
        "gru": ("#d55e00", "#ff9d80"),
        "gru-layer-norm": ("#f2a83b", "#a67f55"),
        "mingru": ("#8c3b12", "#e5303a"),
    },
    "LSTM": {
        "lstm": ("#009e73", "#22d64f"),
        "lstm-forget-bias": ("#7dbb3c", "#0b6b16"),
        "lstm-chrono": ("#14532d", "#648c6d"),
        "lstm-layer-norm": ("#3fd18b", "#00a83e"),
        "lstm-peephole": ("#b5bd00", "#978200"),
        "lstm-projection": ("#6b7326", "#c5c681"),
        "minlstm": ("#8fd3b1", "#74a860"),
    },
    "linear recurrence": {"lru": ("#8e44ad", "#cf86e0")},
    "not recurrent": {
        "linear": ("#9e9e9e", None),
        "mlp": ("#4d4d4d", None),
        "tcn": ("#e07bb4", None),
        "transformer": ("#c2124f", None),
    },
}
"""Colours of the built-in variants of one direction, and of their bidirectional twins."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = (
    *("-", "--", "-.", ":"),
    *((0, (6, 1, 1, 1, 1, 1)), (0, (9, 3)), (0, (3, 1, 1, 1))),
)
_HUES, _SHADES = 24, (38.0, 52.0, 66.0)

_COLORS = {
    f"{prefix}{name}": color
    for family in FAMILIES.values()
    for name, colors in family.items()
    for prefix, color in zip(("", "bi"), colors, strict=True)
    if color
}
_PLACES = {name: place for family in FAMILIES.values() for place, name in enumerate(family)}


@dataclass(frozen=True)
class Style:
    """How a group of runs is drawn.

    Parameters
    ----------
    color
        As ``#rrggbb``.
    marker, line
        As matplotlib calls them.
    hollow
        Whether its markers are.
    """

    color: str
    marker: str
    line: str | tuple[int, tuple[int, ...]]
    hollow: bool

    @property
    def face(self) -> str:
        """What its markers are filled with."""
        return "white" if self.hollow else self.color


Palette = dict[str, Style]


def style_labels(labels: Iterable[str]) -> Palette:
    """Return the style of each label: a variant's name, and settings after a space."""
    met: Counter[str] = Counter()
    palette: Palette = {}
    for label in dict.fromkeys(labels):
        variant = str(label).partition(" ")[0]
        palette[label] = style_variant(variant, met[variant])
        met[variant] += 1
    return palette


def style_variant(name: str, place: int = 0) -> Style:
    """Return the style of a variant, or of the group in some place among those of one variant."""
    twin = name.startswith("bi")
    first = _PLACES.get(name.removeprefix("bi") if twin else name, _draw(name, len(MARKERS)))
    return Style(
        color=color_of(name),
        marker=MARKERS[(first + place) % len(MARKERS)],
        line=LINES[(twin + place) % len(LINES)],
        hollow=twin,
    )


def color_of(name: str) -> str:
    """Return the colour of a variant, which depends on its name alone."""
    if name in _COLORS:
        return _COLORS[name]
    hue = 360 * _draw(f"hue {name}", _HUES) / _HUES
    shade = _SHADES[_draw(f"shade {name}", len(_SHADES))]
    red, green, blue = np.clip(sns.external.husl.husl_to_rgb(hue, 75.0, shade), 0, 1)
    return str(to_hex((red, green, blue)))


def _draw(text: str, count: int) -> int:
    """Return a number below ``count`` that depends on a text alone."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") % count
