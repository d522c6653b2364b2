"""The published figures: each with its source, of metrics and tasks as they are here."""

import pandas as pd
import pytest

from seqbench.analysis.published import load_published
from seqbench.tasks.task import TASKS


def test_every_figure_has_a_source_and_its_tasks_metric() -> None:
    published = load_published()
    told = ["task", "variant", "metric", "score", "source", "convention"]
    assert not published[told].isna().any().any()
    assert (published["source"] != "").all()
    for row in published[published["task"].isin(set(TASKS))].itertuples():
        assert row.metric == TASKS[row.task].metric
        assert (TASKS[row.task].default_length is None) == pd.isna(row.length)
    assert not published.duplicated(["task", "length", "variant", "source"]).any()


def test_the_notebooks_two_figures_are_there() -> None:
    rows = load_published().query("task == 'row-mnist'").set_index("variant")
    assert rows["score"].to_dict() == {"rnn": 0.9504, "birnn": 0.9555}
    # 28 features, two layers of 128 tanh units, and a linear head, counted by hand
    assert rows.loc["rnn", "parameters"] == 128 * (28 + 128 + 2) + 128 * (256 + 2) + 1290
    assert rows.loc["birnn", "parameters"] == 2 * (128 * (28 + 130) + 128 * (256 + 130)) + 2570


def test_figures_of_the_papers_tables_are_copied_right() -> None:
    """Against the tables as they are printed, in per cent."""
    rows = load_published().set_index(["source", "variant", "task"])["score"]
    tcn = "TCN (Bai et al. 2018), table 1"
    for variant, pixel, permuted in (
        ("rnn", 21.5, 25.3), ("lstm", 87.2, 85.7), ("gru", 96.2, 87.3), ("tcn", 99.0, 97.2),
    ):  # fmt: skip
        assert 100 * rows[tcn, variant, "pixel-mnist"] == pytest.approx(pixel)
        assert 100 * rows[tcn, variant, "permuted-mnist"] == pytest.approx(permuted)
    wrnn = "wRNN, table 2"
    for variant, pixel, permuted in (
        ("irnn", 98.5, 92.5), ("lstm", 98.8, 92.9), ("gru", 99.1, 94.1), ("zoo-lem", 99.5, 96.6),
    ):  # fmt: skip
        assert 100 * rows[wrnn, variant, "pixel-mnist"] == pytest.approx(pixel)
        assert 100 * rows[wrnn, variant, "permuted-mnist"] == pytest.approx(permuted)
