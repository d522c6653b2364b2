"""The experiment on change points: series are what they are said to be, and counts add up."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.history_trials import (
    ODD,
    STEPS,
    WITHOUT,
    Condition,
    draw,
    estimate_rho,
    run_trials,
    try_history,
    try_other,
)
from benchmarks.history_trials_report import describe, write_report


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("shape", ["normal", "heavy"])
def test_noise_has_unit_variance_and_the_autocorrelation_that_is_said(
    rho: float, shape: str
) -> None:
    series, _ = draw(Condition(50, rho, shape=shape), 2000)
    assert series.std() == pytest.approx(1, abs=0.1)
    assert series[:, 0].std() == pytest.approx(series[:, -1].std(), rel=0.2)
    lagged = (series[:, 1:] * series[:, :-1]).mean() / (series**2).mean()
    assert lagged == pytest.approx(rho, abs=0.03)


def test_a_step_begins_at_its_place_in_the_middle_third() -> None:
    series, places = draw(Condition(30, 0.0, step=1000.0), 50)
    again, _ = draw(Condition(30, 0.0, step=1000.0), 50)
    assert (series == again).all()
    assert set(places) <= set(range(10, 20))
    assert len(set(places)) > 5
    assert (np.diff(series, axis=1).argmax(axis=1) + 1 == places).all()


def test_outliers_are_one_or_two_and_a_drift_rises() -> None:
    for shape, number in (("outlier", 1), ("outliers", 2)):
        quiet, _ = draw(Condition(30, 0.0, shape=shape), 20)
        assert ((quiet > 6).sum(axis=1) == number).all()
    drift, _ = draw(Condition(30, 0.0, shape="drift"), 500)
    assert drift.mean(axis=0) == pytest.approx(np.linspace(0, 5, 30), abs=0.25)


@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_rho_is_estimated_through_steps(rho: float) -> None:
    series = draw(Condition(20_000, rho), 1)[0][0]
    series[7_000:] += 5
    assert estimate_rho(series) == pytest.approx(rho, abs=0.05)


def test_what_is_plain_is_counted_and_what_is_not_there_is_not() -> None:
    plain = try_history(Condition(30, 0.0, step=40.0), 20)
    assert (plain["found"], plain["placed"], plain["place_holds"]) == (20, 20, 20)
    assert 15 <= int(str(plain["step_holds"])) <= 20  # of 95 %
    without = try_history(Condition(30, 0.0), 20)
    assert (without["found"], without["placed"]) == (0, 0)
    assert try_other("independent", Condition(100, 0.9), 20)["found"] == 20
    assert int(str(try_other("independent", Condition(100, 0.0), 20)["found"])) <= 3


def test_the_report_says_what_the_counts_do(tmp_path: Path) -> None:
    trials = run_trials(scale=0.002)  # one series of each kind
    assert len(trials) == 3 * len(WITHOUT) + len(STEPS) + len(ODD)
    ours = trials[trials["method"] == "history"]
    assert (ours["placed"] <= ours["found"]).all()
    assert (ours[ours["step"] == 0]["placed"] == 0).all()
    trials.to_csv(tmp_path / "trials.csv", index=False)
    text = write_report(tmp_path, tmp_path).read_text()
    for sentence in describe(trials):
        assert sentence in text
    without = trials[(trials["step"] == 0) & (trials["shape"] == "normal")]
    naive = without[without["method"] == "independent"]
    low, high = naive["found"].min(), naive["found"].max()
    assert f"ρ taken for 0, modified BIC: in {low:.1%} to {high:.1%}." in text
