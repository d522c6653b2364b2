"""The experiment on the gate: what others say of samples, what is counted, what comes next."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.gate_trials import (
    COLUMNS,
    WANTED,
    choose_slowdown,
    is_complete,
    judge_as_others,
    read_done,
    slow_down,
)
from benchmarks.gate_trials_report import METHODS, count_verdicts, describe, write_report
from tests.repositories import Repository


def judge(base_s: list[float], head_s: list[float]) -> dict[str, str]:
    return {told["method"]: told["verdict"] for told in judge_as_others(base_s, head_s)}


def test_others_find_what_is_plain_and_call_equal_samples_the_same() -> None:
    stream = np.random.default_rng(0)
    base = list(stream.normal(1, 0.01, 100))
    slower = [each * 1.2 for each in base]
    others = list(METHODS)[1:]
    assert judge(base, slower) == dict.fromkeys(others, "slower")
    assert judge(base, base) == dict.fromkeys(others, "same")
    assert judge(slower, base) == {
        "pytest-benchmark": "same",  # it only looks for what is slower
        "mann-whitney": "faster",
        "bootstrap": "faster",
    }


def test_pytest_benchmarks_rule_is_a_mean_that_is_5_percent_longer() -> None:
    assert judge([1.0, 1.0], [1.0, 1.09])["pytest-benchmark"] == "same"
    assert judge([1.0, 1.0], [1.0, 1.11])["pytest-benchmark"] == "slower"


def test_the_plain_bootstrap_has_the_interval_that_scipy_gives() -> None:
    stream = np.random.default_rng(1)
    base, head = stream.exponential(1, 200), stream.exponential(1.3, 200)
    told = next(t for t in judge_as_others(list(base), list(head)) if t["method"] == "bootstrap")
    expected = stats.bootstrap(
        (head, base),
        lambda one, other, axis: one.mean(axis=axis) / other.mean(axis=axis),
        method="percentile",
        confidence_level=0.99,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert (told["low"], told["high"]) == pytest.approx((expected.low, expected.high), rel=0.05)


def test_the_slowdown_that_lacks_most_of_its_runs_is_next_until_none_does() -> None:
    done: Counter[float] = Counter()
    while not is_complete(done):
        done[choose_slowdown(done)] += 1
    assert done == WANTED
    assert choose_slowdown(done) in WANTED  # a sitting may go on


def test_a_run_that_was_killed_before_its_trials_were_written_keeps_its_number(
    tmp_path: Path,
) -> None:
    assert read_done(tmp_path) == (0, Counter())
    (tmp_path / "pairs.csv").write_text("run,pair\n0,0\n0,1\n1,0\n2,0\n")
    (tmp_path / "trials.csv").write_text("run,slowdown\n0,0.05\n0,0.05\n1,0.0\n")
    assert read_done(tmp_path) == (3, Counter({0.05: 1, 0.0: 1}))


class Clock:
    """A clock that goes on by a millisecond with each look at it."""

    now = 0.0

    def read(self) -> float:
        self.now += 0.001
        return self.now


def test_a_step_is_slowed_in_a_commit_by_a_share_of_its_own_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path / "clone")
    harness = (
        "class Training:\n    def step(self, clock):\n        clock.now += 1\n        return 7\n"
    )
    repository.commit("Harness", {"seqbench/harness/training.py": harness})
    commit = slow_down(repository.folder, 0.1)
    subject = "A training step takes 10% longer"
    assert repository.git("log", "-1", "--format=%H %s") == f"{commit} {subject}"
    clock, names = Clock(), dict[str, Any]()
    monkeypatch.setattr("time.perf_counter", clock.read)
    exec((repository.folder / "seqbench/harness/training.py").read_text(), names)
    assert names["Training"]().step(clock) == 7
    assert clock.now == pytest.approx(1.1, abs=0.005)


def make_trials(verdicts: dict[tuple[str, float], list[str]]) -> pd.DataFrame:
    rows = [
        dict.fromkeys(COLUMNS, 1)
        | {"method": method, "slowdown": slowdown, "verdict": verdict, "run": run, "ratio": 1.0}
        | {"environment_id": "abc", "commit": "c" * 40, "started_at": "2026-01-01T00:00:00"}
        | {"benchmark": "rnn", "seconds": 60.0 + run}
        for (method, slowdown), said in verdicts.items()
        for run, verdict in enumerate(said)
    ]
    return pd.DataFrame(rows)


def test_found_is_slower_and_without_a_change_any_change_is_a_false_alarm() -> None:
    trials = make_trials(
        {
            ("gate", 0.0): ["same"] * 97 + ["faster", "slower", "inconclusive"],
            ("gate", 0.1): ["slower"] * 19 + ["faster"],
            ("bootstrap", 0.0): ["slower"] * 50 + ["same"] * 50,
        }
    )
    counted = count_verdicts(trials).set_index(["method", "slowdown"])
    ours = counted.loc[("gate", 0.0)]
    assert (ours["trials"], ours["found"], ours["same"], ours["undecided"]) == (100, 2, 97, 1)
    assert ours["share"] == 0.02
    low, high = stats.beta.ppf([0.025, 0.975], [2, 3], [99, 98])  # Clopper and Pearson's
    assert (ours["low"], ours["high"]) == pytest.approx((low, high))
    assert counted.loc[("gate", 0.1), "found"] == 19
    assert counted.loc[("bootstrap", 0.0), "share"] == 0.5


def test_the_report_says_what_the_trials_do(tmp_path: Path) -> None:
    said = {(method, slowdown): ["slower", "same"] for method in METHODS for slowdown in WANTED}
    trials = make_trials(said)
    (tmp_path / "environment-abc.json").write_text(
        '{"machine": {"cpu": "A [fast] one", "physical_cores": 1, "logical_cores": 2},'
        ' "software": {"torch": {"version": "2.13.0"}}}'
    )
    trials.to_csv(tmp_path / "trials.csv", index=False)
    page = write_report(tmp_path, tmp_path / "report")
    text = page.read_text()
    for sentence in describe(trials):
        assert sentence in text
    assert "found a slowdown of 10% in 1 of 2 trials, 50.0%" in text
    assert r"A \[fast\] one" in text
    assert (tmp_path / "report" / "ratios.png").stat().st_size > 10_000
    assert write_report(tmp_path, tmp_path / "report").read_text() == text
