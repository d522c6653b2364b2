"""The experiment on false differences: noise is what it is said to be, and counts add up."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from benchmarks.stats_trials import (
    CONDITIONS,
    GROUPS,
    NOISES,
    ROUNDED,
    SEEDS,
    SHARED,
    SPREADS,
    Condition,
    compare_as_before,
    draw,
    run_trials,
    try_condition,
)
from benchmarks.stats_trials_report import describe, write_report
from seqbench.analysis.differences import compare_with_best
from seqbench.analysis.significance import adjust_holm
from seqbench.spec import RunSpec


def test_every_number_of_groups_and_seeds_is_tried_with_every_spread() -> None:
    null = {
        (each.groups, each.seeds, each.spread)
        for each in CONDITIONS
        if each.noise == "normal" and not each.shift
    }
    assert null == {(g, n, s) for g in GROUPS for n in SEEDS for s in SPREADS}
    assert set(GROUPS) >= {6, 12}
    assert set(SEEDS) >= {3, 5, 10}


@pytest.mark.parametrize("noise", [*NOISES, *ROUNDED, SHARED])
def test_equal_groups_have_equal_means(noise: str) -> None:
    scores, means = draw(Condition(6, 10, "one to ten", noise), 4000)
    assert (means == 0).all()
    centres = scores.mean(axis=(0, 2))
    assert (np.abs(centres) < 4 * scores.std(axis=(0, 2)) / 200).all()
    again, _ = draw(Condition(6, 10, "one to ten", noise), 4000)
    assert (scores == again).all()


def test_noise_has_the_spread_that_is_said_and_the_last_group_its_shift() -> None:
    scores, means = draw(Condition(6, 10, "one fivefold", shift=2.0), 4000)
    assert scores.std(axis=(0, 2)) == pytest.approx([5, 1, 1, 1, 1, 1], rel=0.03)
    assert means.tolist() == pytest.approx([0, 0, 0, 0, 0, -2 * np.sqrt(30 / 6)])
    assert scores.mean(axis=(0, 2))[-1] == pytest.approx(means[-1], abs=0.03)
    rounded, _ = draw(Condition(6, 5, noise="coarse"), 100)
    assert set(np.unique(np.abs(rounded))) <= {0, 2, 4, 6, 8}
    shared, _ = draw(Condition(6, 10, noise="shared"), 4000)
    assert np.corrcoef(shared[:, 0].ravel(), shared[:, 3].ravel())[0, 1] == pytest.approx(
        0.5, abs=0.02
    )


def test_a_simulated_report_is_what_a_report_says() -> None:
    """The counts of the trial are those of the frames that reports are written from."""
    condition = Condition(6, 5, "half fourfold", shift=4.0)
    scores = draw(condition, 40)[0][..., :-1]
    counted = try_condition(condition, 40)
    false = found = 0
    for report in scores:
        runs = pd.DataFrame(
            [
                {"task": "a", "device": "cpu", "variant": f"v{group}", "seed": seed,
                 "status": "ok", "final_score": score, "higher_is_better": True, "metric": "m",
                 "metric_unit": None, "length": None, "train_examples": None}
                for group, values in enumerate(report) for seed, score in enumerate(values)
            ]
        ).assign(**dict.fromkeys(REST, 1))  # fmt: skip
        said = compare_with_best(runs)
        significant = said[said["p"] < 0.05]
        found += (significant["label"] == "v5").any()
        false += (significant["label"] != "v5").any()
    assert (counted["found"], counted["false"]) == (found, false)
    assert 0 < found < 40


REST = [
    field.name
    for field in fields(RunSpec)
    if field.name not in ("task", "length", "train_examples", "variant", "seed", "device")
]


def test_the_former_method_is_scipys_paired_test_by_holm() -> None:
    scores = np.random.default_rng(3).normal(size=(1, 5, 4))
    best = scores.mean(axis=-1).argmax(axis=1)
    others = [place for place in range(5) if place != best[0]]
    tests = [scipy_stats.ttest_rel(scores[0, best[0]], scores[0, place]) for place in others]
    found = compare_as_before(scores, best)[0]
    assert found[others] == pytest.approx(adjust_holm([test.pvalue for test in tests]))
    assert np.isnan(found[best[0]])


def test_the_page_says_what_was_counted(tmp_path: Path) -> None:
    trials = run_trials(reports=10)
    assert len(trials) == len(CONDITIONS)
    trials.to_csv(tmp_path / "trials.csv", index=False)
    page = write_report(tmp_path, tmp_path / "report").read_text()
    assert all(sentence in page for sentence in describe(trials))
    assert (tmp_path / "report" / "false_differences.png").stat().st_size > 5000
