"""The simulation of the gate's rule: noise is what it is said to be, and counts add up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmarks.gate_simulation import (
    BENCHMARKS,
    PAIRS,
    QUESTIONS,
    RECORDED,
    SCENARIOS,
    Scenario,
    draw,
    draw_ar1,
    judge_runs,
    load_recorded,
    simulate,
)
from benchmarks.gate_simulation_report import add_shares, describe, write_report
from seqbench.gate.benchmark import MARGIN
from seqbench.gate.rules import Rules
from seqbench.gate.verdicts import judge_log_ratios

BY_NAME = {each.name: each for each in SCENARIOS}


@pytest.mark.parametrize("name", BY_NAME)
def test_noise_has_its_shape_no_change_and_is_the_same_each_time(name: str) -> None:
    noise = draw(BY_NAME[name], 0.0, 30)
    assert noise.shape == (30, BENCHMARKS, PAIRS)
    assert (noise == draw(BY_NAME[name], 0.0, 30)).all()
    assert (noise > 0).mean() == pytest.approx(0.5, abs=0.06)
    slower = draw(BY_NAME[name], 0.1, 30)
    assert (slower > np.log(1.1)).mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_noise_that_sticks_to_a_version_is_correlated_and_that_of_the_machine_is_not(
    rho: float,
) -> None:
    for drawn_order, expected in ((False, rho), (True, 0.0)):
        noise = draw(Scenario("one", draw_ar1(rho), drawn_order), 0.0, 200)
        lagged = (noise[..., 1:] * noise[..., :-1]).mean() / (noise**2).mean()
        assert lagged == pytest.approx(expected, abs=0.03)
        assert noise.std() == pytest.approx(0.015, rel=0.1)


def test_recorded_noise_is_that_of_the_runs_of_identical_code_in_blocks() -> None:
    recorded = load_recorded(RECORDED)
    trials = pd.read_csv(RECORDED / "trials.csv")
    assert len(recorded) == trials.loc[trials["slowdown"] == 0, "run"].nunique()
    pairs = pd.read_csv(RECORDED / "pairs.csv")
    one = pairs[(pairs["run"] == trials.loc[trials["slowdown"] == 0, "run"].iloc[0])]
    first = one[one["pair"] == 0].sort_values("benchmark")
    expected = np.log(first["head_s"] / first["base_s"])
    assert recorded[0][:, 0] == pytest.approx(expected.to_numpy())
    every = {tuple(np.abs(column).round(12)) for run in recorded for column in run.T}
    drawn = draw(BY_NAME["recorded"], 0.0, 3)
    assert {tuple(np.abs(column).round(12)) for run in drawn for column in run.T} <= every


@pytest.mark.parametrize("name", ["recorded", "bimodal", "version, AR(1) 0.6"])
@pytest.mark.parametrize("change", [0.0, 0.03])
def test_a_run_is_judged_as_the_gate_judges_it_pair_by_pair(name: str, change: float) -> None:
    logs = draw(BY_NAME[name], change, 4)
    verdicts, pairs = judge_runs(logs)
    for run, benchmark in np.ndindex(logs.shape[:2]):
        own = logs[run, benchmark].tolist()
        for count in range(1, PAIRS + 1):
            found = judge_log_ratios(own[:count], MARGIN, Rules.error_rate / QUESTIONS)
            if found.decided:
                break
        assert verdicts[run, benchmark] == found.verdict
        assert pairs[run, benchmark] == count


def test_runs_are_counted_and_not_benchmarks() -> None:
    """All of the first run's benchmarks are slower, one of the second's; the third's are not."""

    def draw_three(stream: np.random.Generator, runs: int) -> NDArray[np.float64]:
        noise = 0.001 * stream.standard_normal((runs, BENCHMARKS, PAIRS))
        noise[0] += 0.1
        noise[1, 0] += 0.1
        return noise

    row = simulate(Scenario("three", draw_three, drawn_order=False), 0.0, 3)
    assert (row["wrong_runs"], row["found_runs"], row["benchmarks"]) == (2, 2, 18)
    assert (row["slower"], row["same"], row["faster"], row["inconclusive"]) == (7, 11, 0, 0)
    row = simulate(Scenario("three", draw_three, drawn_order=False), 0.05, 3)
    assert (row["wrong_runs"], row["slower"]) == (0, 18)


def make_rows() -> pd.DataFrame:
    rows = []
    for scenario, wrong in (("recorded", 0), ("other", 30)):
        for change in (0.0, 0.02, 0.03):
            said = {"slower": 600, "faster": 0, "same": 0, "inconclusive": 5400}
            if not change:
                said = {"slower": wrong, "faster": 0, "same": 6000 - wrong, "inconclusive": 0}
            rows.append(
                {"scenario": scenario, "change": change, "runs": 1000, "benchmarks": 6000}
                | {"wrong_runs": 0 if change else wrong, "found_runs": 400, **said}
                | {"pairs_median": 30.0, "pairs_p95": 50.0, "seconds_median": 150.0}
            )
    return pd.DataFrame(rows)


def test_the_report_gives_upper_bounds_and_says_what_is_not_held(tmp_path: Path) -> None:
    make_rows().to_csv(tmp_path / "simulation.csv", index=False)
    page = write_report(tmp_path, tmp_path / "report")
    text = page.read_text()
    rows = add_shares(make_rows())
    bound = stats.beta.ppf(0.975, 31, 970)  # Clopper and Pearson's
    assert rows.loc[3, "wrong_high"] == pytest.approx(bound)
    for sentence in describe(rows):
        assert sentence in text
    assert "in 1 of 2 kinds of noise" in text
    assert f"*other*: false alarms in 30 of 1000 runs (upper bound {bound:.1%})" in text
    assert (
        "a slowdown of 3% is found in 10.0% of benchmarks (wanted: 95%), in 40.0% of runs" in text
    )
    assert (tmp_path / "report" / "shares.png").stat().st_size > 10_000
