"""Which groups differ: against scipy's tests, adjusted by hand, and by what must not be said."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from seqbench.analysis.differences import compare_settings, compare_times, compare_with_best
from seqbench.analysis.stats import select_finished, summarise_groups, time_runs
from seqbench.results.reader import Results, load_results
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
Gather = Callable[[list[dict[str, Any]]], Results]

SCORES = {
    "rnn": [0.90, 0.94, 0.91, 0.93],
    "gru": [0.91, 0.95, 0.93, 0.93],
    "lstm": [0.80, 0.85, 0.80],
}


@pytest.fixture
def gather(tmp_path: Path, make_run: MakeRun) -> Gather:
    """Return a maker of results from the arguments of each run."""

    def make(runs: list[dict[str, Any]]) -> Results:
        with ResultWriter(tmp_path / "a", {}) as writer:
            for settings in runs:
                run, epochs = make_run(**settings)
                writer.add(replace(run, metric="my_own"), epochs)  # may be anything
        return load_results(tmp_path / "a")

    return make


def of_scores(scores: dict[str, list[float]], **settings: Any) -> list[dict[str, Any]]:
    return [
        {"variant": variant, "seed": seed, "score": score, **settings}
        for variant, values in scores.items()
        for seed, score in enumerate(values)
    ]


def test_the_best_is_held_against_all_others_as_among_all_pairs(gather: Gather) -> None:
    compared = compare_with_best(gather(of_scores(SCORES)).runs).set_index("label")
    assert compared["best"].unique().tolist() == ["gru"]
    assert compared["best_seeds"].unique().tolist() == [4]
    assert compared["seeds"].to_dict() == {"rnn": 4, "lstm": 3}
    for variant in ("rnn", "lstm"):
        test = scipy_stats.ttest_ind(SCORES["gru"], SCORES[variant], equal_var=False)
        interval = test.confidence_interval(0.95 ** (1 / 3))  # three pairs of three groups
        row = compared.loc[variant]
        assert row["p"] == pytest.approx(1 - (1 - test.pvalue) ** 3)
        assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
        assert row["shortfall"] == pytest.approx(np.mean(SCORES["gru"]) - np.mean(SCORES[variant]))


def test_each_task_is_a_family_of_its_own(gather: Gather) -> None:
    both = gather(of_scores(SCORES) + of_scores(SCORES, task="row-mnist"))
    compared = compare_with_best(both.runs)
    alone = compare_with_best(gather(of_scores(SCORES)).runs)
    first = compared[compared["task"] == "row-digits"].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, alone)


def test_where_less_is_better_the_least_is_best(gather: Gather) -> None:
    results = gather(of_scores({"rnn": [0.3, 0.3, 0.3], "lstm": [0.2, 0.21, 0.24]}))
    runs = results.runs.assign(higher_is_better=False)
    (row,) = compare_with_best(runs).to_dict("records")
    assert (row["best"], row["label"]) == ("lstm", "rnn")
    assert row["shortfall"] == pytest.approx(0.1 - 0.05 / 3)
    summary = summarise_groups(runs, results.epochs).set_index("label")
    assert summary.loc["lstm", "best_score"] == pytest.approx(0.2)


def test_a_run_that_exploded_takes_nothing_from_the_others(gather: Gather) -> None:
    scores = {"gru": [3e-4, 2e-4, 4e-4], "lstm": [3e-3, 4e-3, 3.5e-3], "irnn": [0.16, 0.17, 1e5]}
    results = gather(of_scores(scores))
    runs = results.runs.assign(metric="mse", higher_is_better=False)
    compared = compare_with_best(runs).set_index("label")
    test = scipy_stats.ttest_ind(scores["gru"], scores["lstm"], equal_var=False)
    assert compared.loc["lstm", "p"] == pytest.approx(1 - (1 - test.pvalue) ** 3)
    summary = summarise_groups(runs, results.epochs).set_index("label")
    low, high = scipy_stats.t.interval(0.95, 2, loc=3e-4, scale=scipy_stats.sem(scores["gru"]))
    assert summary.loc["gru", "score_high"] == pytest.approx(high)
    assert summary.loc["gru", "score_low"] == pytest.approx(max(low, 0))


def test_groups_without_a_common_seed_are_compared(gather: Gather) -> None:
    results = gather(
        [{"seed": seed, "score": 0.5 + 0.01 * seed} for seed in range(3)]
        + [{"variant": "gru", "seed": seed, "score": 0.9 + 0.01 * seed} for seed in (5, 6)]
    )
    (row,) = compare_with_best(results.runs).to_dict("records")
    assert (row["seeds"], row["best_seeds"]) == (3, 2)
    assert row["shortfall"] == pytest.approx(0.955 - 0.51)
    assert row["p"] < 0.05


def test_one_seed_proves_nothing(gather: Gather) -> None:
    results = gather(of_scores({"rnn": [0.5], "gru": [0.9, 0.91]}))
    (row,) = compare_with_best(results.runs).to_dict("records")
    assert np.isnan([row["p"], row["low"], row["high"]]).all()


def test_scores_on_two_lengths_are_not_compared(gather: Gather) -> None:
    results = gather([{"task": "adding", "length": length, "score": 0.5} for length in (10, 20)])
    assert compare_with_best(results.runs).empty


def test_times_are_compared_as_logarithms_run_by_run(gather: Gather) -> None:
    times = {"rnn": [1.0, 1.1, 1.05], "gru": [3.0, 3.3, 3.2], "lstm": [1.02, 1.12, 1.1]}
    results = gather(
        [
            {"variant": variant, "seed": seed, "score": 0.5, "epoch_time_s": seconds}
            for variant, of_seeds in times.items()
            for seed, seconds in enumerate(of_seeds)
        ]
    )
    finished = time_runs(select_finished(results.runs), results.epochs)
    compared = compare_times(finished, "epoch_time_s").set_index("label")
    assert set(compared["best"]) == {"rnn"}
    for variant in ("gru", "lstm"):
        one, other = np.log(times["rnn"]), np.log(times[variant])
        test = scipy_stats.ttest_ind(one, other, equal_var=False)
        assert compared.loc[variant, "p"] == pytest.approx(1 - (1 - test.pvalue) ** 3, abs=1e-4)
    assert compared["p"].to_dict()["lstm"] > 0.5
    assert compared["p"].to_dict()["gru"] < 0.001


def test_a_setting_is_compared_where_all_else_is_alike(gather: Gather) -> None:
    gains = [0.02, 0.03, 0.07]
    runs: list[dict[str, Any]] = [
        {"variant": variant, "hidden_size": size, "seed": s, "score": 0.6 + size / 80 + 0.01 * s}
        for variant in ("rnn", "gru")
        for size in (8, 16)
        for s in range(3)
    ]
    changed = [
        {**run, "readout": "final", "score": run["score"] + gains[run["seed"]]}
        for run in runs
        if run["variant"] == "rnn"
    ]
    compared = compare_settings(gather(runs + changed).runs, "readout").set_index("label")
    assert list(compared.index) == ["rnn hidden_size=8", "rnn hidden_size=16"]
    before = np.array([0.70, 0.71, 0.72])
    test = scipy_stats.ttest_ind(before + gains, before, equal_var=False)
    interval = test.confidence_interval(0.95 ** (1 / 2))  # two comparisons on this task
    for row in compared.to_dict("records"):
        assert (row["value"], row["reference"], row["seeds"]) == ("final", "last", 3)
        assert row["gain"] == pytest.approx(0.04)
        assert row["p"] == pytest.approx(1 - (1 - test.pvalue) ** 2)
        assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))


def test_a_setting_gains_where_it_makes_an_error_less(gather: Gather) -> None:
    last, final = [0.30, 0.31, 0.35], [0.20, 0.22, 0.21]
    results = gather(of_scores({"rnn": last}) + of_scores({"rnn": final}, readout="final"))
    runs = results.runs.assign(higher_is_better=False)
    (row,) = compare_settings(runs, "readout").to_dict("records")
    test = scipy_stats.ttest_ind(last, final, equal_var=False)
    interval = test.confidence_interval(0.95)
    assert row["gain"] == pytest.approx(0.32 - 0.21)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
