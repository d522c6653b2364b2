"""One's own result beside the published one: equal settings only, means and medians of each."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seqbench.analysis.analysis import analyse
from seqbench.analysis.side_by_side import set_side_by_side
from seqbench.results.reader import Results, load_results

FOLDER = Path(__file__).parents[2] / "results" / "quick"


def make(epoch_time_s: float, seeds: tuple[int, ...], **settings: Any) -> Results:
    """Return the committed result with other times, of some seeds, with other settings."""
    results = load_results(FOLDER)
    runs = results.runs[results.runs["seed"].isin(seeds)].assign(**settings)
    epochs = results.epochs[results.epochs["run_id"].isin(runs["run_id"])]
    epochs = epochs.assign(epoch_time_s=epoch_time_s, contended=False)
    return replace(results, runs=runs, epochs=epochs)


def test_equal_settings_stand_side_by_side() -> None:
    own, published = make(0.5, (0, 1), threads=1), make(2.0, (0, 1, 2, 3, 4))
    table = set_side_by_side(analyse(own), analyse(published)).set_index("label")
    rows = pd.read_csv(FOLDER / "runs.csv").set_index("variant")
    assert set(table.index) == set(rows.index)
    for variant, row in table.iterrows():
        scores = rows.loc[[variant]].set_index("seed")["final_score"]
        assert row["score"] == pytest.approx((scores[0] + scores[1]) / 2)
        assert row["score_published"] == pytest.approx(sum(scores) / 5)
        assert (row["seeds"], row["seeds_published"]) == (2, 5)
        assert (row["epoch_time_s"], row["epoch_time_s_published"]) == (0.5, 2.0)
        assert row["speed_up"] == 4.0


@pytest.mark.parametrize("settings", [{"hidden_size": 64}, {"optimizer": "sgd"}, {"epochs": 3}])
def test_other_settings_have_nothing_published(settings: dict[str, Any]) -> None:
    own = make(0.5, (0, 1), **settings)
    assert set_side_by_side(analyse(own), analyse(make(2.0, (0, 1)))).empty


def test_a_result_without_a_finished_run_has_nothing_beside_it() -> None:
    failed = make(0.5, (0, 1), status="failed")
    assert set_side_by_side(analyse(failed), analyse(make(2.0, (0,)))).empty
    assert set_side_by_side(analyse(make(2.0, (0,))), analyse(failed)).empty
