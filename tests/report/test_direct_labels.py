"""Names in figures of many groups: none over another, none cut off, none left out."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Annotation, Text

from seqbench.report.direct_labels import label_points
from seqbench.report.figures import SCORE_FIGURES
from seqbench.report.theme import save_figure
from seqbench.report.variant_styles import style_labels
from seqbench.results.reader import Results, load_results
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter

Draw = Callable[..., dict[str, Figure]]
MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
NAMES = [
    *("rnn", "birnn", "gru", "bigru", "lstm", "bilstm", "rnn-relu", "irnn", "rnn-orthogonal"),
    *("indrnn", "gru-layer-norm", "lstm-layer-norm", "lstm-chrono", "lstm-peephole", "mingru"),
    *("lstm-projection", "minlstm", "lru", "tcn", "transformer"),
]


@pytest.fixture
def make_results(tmp_path: Path, make_run: MakeRun) -> Callable[[int], Results]:
    """Return a maker of a result of many variants whose scores and times lie close together."""

    def make(count: int) -> Results:
        with ResultWriter(tmp_path / "a", {}) as writer:
            for place, name in enumerate(NAMES[:count]):
                for seed in range(2):
                    score = 0.9 + 0.002 * (place * 7 % 10) + 0.001 * seed
                    time = 1 + 0.04 * (place * 11 % 20)
                    writer.add(*make_run(score, time, variant=name, seed=seed, epochs=3))
        return load_results(tmp_path / "a")

    return make


def names_of(figure: Figure) -> list[Annotation]:
    figure.draw_without_rendering()
    return [text for ax in figure.axes for text in ax.texts if isinstance(text, Annotation)]


@pytest.mark.parametrize(
    ("count", "name"), [(6, "score_by_epoch"), (20, "score_against_throughput")]
)
def test_names_lie_apart_and_within_the_figure(
    make_results: Callable[[int], Results], draw: Draw, count: int, name: str
) -> None:
    figure = draw(make_results(count), name)[name]
    labels = names_of(figure)
    assert sorted(label.get_text() for label in labels) == sorted(NAMES[:count])
    boxes = {label.get_text(): Annotation.get_window_extent(label) for label in labels}
    texts = {label.get_text(): super(Annotation, label).get_window_extent() for label in labels}
    for one, other in combinations(texts, 2):
        assert not texts[one].overlaps(texts[other]), (one, other)
    whole = figure.bbox
    for box in boxes.values():
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1


def test_of_many_groups_each_has_a_panel_and_no_legend(
    make_results: Callable[[int], Results], draw: Draw
) -> None:
    figures = draw(make_results(20), "score_by_epoch", "score_by_time")
    assert set(figures) == {"score_by_epoch", "score_by_time"}
    for figure in figures.values():
        panels = figure.axes
        assert [ax.get_title(loc="left") for ax in panels] == NAMES
        assert all(ax.get_legend() is None for ax in panels)
        for ax in panels:
            all_lines, own, _baseline = ax.lines
            values = np.asarray(all_lines.get_ydata(), dtype=float)
            assert np.isnan(values).sum() == 20, "a gap after each group"
            assert set(np.asarray(own.get_ydata())) < set(values)
            assert (ax.get_xlim(), ax.get_ylim()) == (panels[0].get_xlim(), panels[0].get_ylim())


def test_long_names_become_numbers_with_a_key(
    tmp_path: Path, make_run: MakeRun, draw: Draw
) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for size in range(1, 10):
            for rate in (0.001, 0.01):
                run = make_run(0.9, 1 + size, hidden_size=size, learning_rate=rate)
                writer.add(*run)
    name = "score_against_throughput"
    figure = draw(load_results(tmp_path / "a"), name)[name]
    key, *numbers = names_of(figure)
    assert {text.get_text() for text in numbers} == {str(number) for number in range(1, 19)}
    joined = " ".join(key.get_text().split())
    assert "1 rnn learning_rate=0.001 hidden_size=1" in joined
    assert "18 rnn learning_rate=0.01 hidden_size=9" in joined


def test_nothing_of_long_names_is_cut_off(tmp_path: Path, make_run: MakeRun, draw: Draw) -> None:
    rates = [0.1 / 3**power for power in range(20)]
    with ResultWriter(tmp_path / "a", {}) as writer:
        for place, rate in enumerate(rates):
            score, variant = 0.9 + 0.001 * place, "bizoo-peephole-lstm"
            writer.add(*make_run(score, 1.0 + place, variant=variant, learning_rate=rate, epochs=3))
    for name, figure in draw(load_results(tmp_path / "a"), *SCORE_FIGURES).items():
        figure.draw_without_rendering()
        width, height = figure.bbox.size
        for ax in figure.axes:
            box = ax.get_tightbbox()
            assert box
            left, low, right, high = box.extents
            assert (left >= 0, low >= 0, right <= width, high <= height) == (True,) * 4, name
        save_figure(figure, tmp_path / f"{name}.png")
        image = imread(tmp_path / f"{name}.png")[..., :3]
        edges = (image[0], image[-1], image[:, 0], image[:, -1])
        assert [float(edge.min()) for edge in edges] == [1.0] * 4, name


def test_names_of_points_that_crowd_lie_apart() -> None:
    figure = Figure(figsize=(6, 4))
    ax = figure.subplots()
    names = [f"variant-{place}" for place in range(9)]
    points = [(0.001 * place, 0.001 * (place * 4 % 9)) for place in range(9)]
    ax.set(xlim=(-1, 1), ylim=(-1, 1))
    label_points(ax, points, names, list(style_labels(names).values()))
    boxes = [Text.get_window_extent(text) for text in names_of(figure)]  # without the line
    assert len(boxes) == 9
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
