"""Colours of variants: fixed by name, and distinguishable, by another channel where need be."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from seqbench import VARIANTS
from seqbench.report.variant_styles import FAMILIES, Style, color_of, style_labels, style_variant

BUILT_IN = [
    f"{prefix}{name}"
    for family in FAMILIES.values()
    for name, colors in family.items()
    for prefix, color in zip(("", "bi"), colors, strict=True)
    if color
]


def lab(color: str) -> np.ndarray:
    """Return CIE L*a*b* of an sRGB colour, by the formulas of IEC 61966-2-1 and CIE 15 (D65)."""
    part = np.array(to_rgb(color))
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_every_recurrent_and_other_variant_of_the_package_has_a_fixed_colour() -> None:
    names = {name for name in VARIANTS if not name.removeprefix("bi").startswith("zoo-")}
    assert set(BUILT_IN) == names


def test_colours_of_one_direction_are_far_apart_and_all_styles_differ() -> None:
    colors = {name: lab(color_of(name)) for name in BUILT_IN}
    one_direction = [name for name in BUILT_IN if not name.startswith("bi")]
    assert len(one_direction) == 20
    for one, other in combinations(one_direction, 2):  # about 2.3 is just noticeable
        assert np.linalg.norm(colors[one] - colors[other]) > 18, (one, other)
    for one, other in combinations(BUILT_IN, 2):
        near = np.linalg.norm(colors[one] - colors[other]) < 18
        styles = style_variant(one), style_variant(other)
        assert styles[0] != styles[1]
        assert not near or styles[0].marker != styles[1].marker, (one, other)
    assert all(color[0] < 82 for color in colors.values()), "legible on white"


def test_no_other_label_changes_a_style() -> None:
    alone = {name: style_labels([name])[name] for name in [*BUILT_IN, "mine", "other"]}
    together = style_labels([*reversed(BUILT_IN), "other", "mine"])
    assert together == alone


def test_a_colour_of_an_unknown_name_stays_for_ever() -> None:
    assert color_of("zoo-janet") == "#d6428d"
    assert style_variant("zoo-janet") == Style("#d6428d", "s", "-", hollow=False)
    assert len({style_variant(f"mine-{number}").color for number in range(40)}) > 20


def test_groups_of_a_variant_share_its_colour_and_differ_in_line_and_marker() -> None:
    labels = ["gru", *(f"gru hidden_size={size}" for size in (8, 16, 32))]
    styles = style_labels(labels)
    assert {style.color for style in styles.values()} == {color_of("gru")}
    assert len({(style.line, style.marker) for style in styles.values()}) == len(labels)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "lru", "mine"])
def test_a_bidirectional_variant_is_dashed_and_hollow_with_the_marker_of_its_twin(
    name: str,
) -> None:
    one, twin = style_variant(name), style_variant(f"bi{name}")
    assert (one.line, one.hollow) == ("-", False)
    assert (twin.line, twin.hollow) == ("--", True)
    if name != "mine":
        assert twin.marker == one.marker
