"""Figures: the right scale, and what they must show besides the curves."""

import numpy as np
import pandas as pd
import pytest

from seqbench.report.curves import plot_learning_curves
from seqbench.report.plots import (
    plot_epoch_time,
    plot_final_scores,
    plot_score_against_throughput,
)
from seqbench.report.variant_styles import style_labels


def curves(metric: str, scores: list[float], baseline: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "task": "a",
            "device": "cpu",
            "label": "rnn",
            "metric": metric,
            "metric_unit": None,
            "epoch": range(1, len(scores) + 1),
            "train_time_s": [0.5 * epoch for epoch in range(1, len(scores) + 1)],
            "score": scores,
            "score_min": [0.9 * score for score in scores],
            "score_max": [1.1 * score for score in scores],
            "baseline_score": baseline,
        }
    )


@pytest.mark.parametrize(
    ("metric", "scores", "scale"),
    [
        ("mse", [0.2, 0.01, 0.001], "log"),
        ("mse", [0.2, 0.15, 0.1], "linear"),
        ("mse", [0.2, 0.1, 0.0], "linear"),
        ("accuracy", [0.01, 0.5, 0.9], "linear"),
    ],
)
def test_errors_that_span_decades_get_a_logarithmic_axis(
    metric: str, scores: list[float], scale: str
) -> None:
    figure = plot_learning_curves(curves(metric, scores, 0.17), style_labels(["rnn"]), "epoch")
    whole, close_up = figure.axes
    assert whole.get_yscale() == close_up.get_yscale() == scale
    low, high = close_up.get_ylim()
    assert low < 0.9 * scores[-1] or scores[-1] == 0
    assert high > 1.1 * scores[-1]


def test_the_trivial_answer_is_drawn() -> None:
    figure = plot_learning_curves(
        curves("accuracy", [0.5, 0.9], 0.1), style_labels(["rnn"]), "epoch"
    )
    levels = [np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].lines]
    assert [0.1, 0.1] in levels


def test_a_group_of_one_seed_has_no_error_bar() -> None:
    row = {
        "task": "a", "device": "cpu", "label": "rnn", "metric": "mse", "score": 0.1,
        "metric_unit": None,
        "score_low": float("nan"), "score_high": float("nan"), "train_samples_per_s": 100.0,
    }  # fmt: skip
    figure = plot_score_against_throughput(pd.DataFrame([row]), style_labels(["rnn"]))
    assert not figure.axes[0].collections


def test_every_run_is_a_dot_and_every_mean_a_line() -> None:
    shared: dict[str, object] = {"task": "a", "device": "cpu", "metric": "accuracy"}
    shared |= {"metric_unit": None, "higher_is_better": True}
    runs = pd.DataFrame(
        [
            {**shared, "label": label, "final_score": score}
            for label, scores in (("rnn", (0.7, 0.9)), ("gru", (0.95,)))
            for score in scores
        ]
    )
    summary = pd.DataFrame(
        [{**shared, "label": "rnn", "score": 0.8}, {**shared, "label": "gru", "score": 0.95}]
    )
    (axes,) = plot_final_scores(runs, summary, style_labels(["rnn", "gru"])).axes
    drawn = [np.asarray(line.get_xdata()).tolist() for line in axes.lines]
    assert drawn == [[0.95, 0.95], [0.95], [0.8, 0.8], [0.7, 0.9]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["gru", "rnn"]
    assert axes.get_xlabel().startswith("test accuracy, %")


def test_each_bar_and_each_dot_lies_on_the_row_of_its_group() -> None:
    medians = {"gru": 3.0, "rnn": 1.0, "lstm": 2.0}
    shared = {"task": "a", "device": "cpu"}
    summary = pd.DataFrame(
        [shared | {"label": name, "epoch_time_s": time} for name, time in medians.items()]
    )
    epochs = pd.DataFrame(
        [
            shared | {"label": name, "epoch_time_s": time + shift}
            for shift in (-0.25, 0.0, 0.25)
            for name, time in medians.items()
        ]
    )
    (ax,) = plot_epoch_time(epochs, summary, style_labels(medians)).axes
    rows = [text.get_text() for text in ax.get_yticklabels()]
    assert rows == ["rnn", "lstm", "gru"]
    boxes = [bar.get_extents().transformed(ax.transData.inverted()) for bar in ax.patches]
    bars = {rows[round((box.y0 + box.y1) / 2)]: box.x1 for box in boxes}
    assert bars == pytest.approx(medians)
    (dots,) = ax.lines
    drawn = [(rows[round(float(y))], x) for x, y in np.asarray(dots.get_xydata()).tolist()]
    wanted = [(name, time + shift) for name, time in medians.items() for shift in (-0.25, 0, 0.25)]
    assert sorted(drawn) == sorted(wanted)
