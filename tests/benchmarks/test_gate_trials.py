"""The experiment on the gate: what others say of samples, what is counted, what comes next."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.gate_others import judge_as_others
from benchmarks.gate_trials import COLUMNS, WANTED, choose_slowdown, slow_down
from benchmarks.gate_trials_counts import OTHERS, count_runs, count_verdicts, load_trials
from benchmarks.gate_trials_report import describe, write_report
from benchmarks.gate_trials_rows import count_run, digest_gate, read_done
from tests.gate.test_gate_summary import make_cases, make_outcome
from tests.repositories import Repository


def judge(base_s: list[float], head_s: list[float]) -> dict[str, str]:
    return {told["method"]: told["verdict"] for told in judge_as_others(base_s, head_s)}


def test_others_find_what_is_plain_and_call_equal_samples_the_same() -> None:
    stream = np.random.default_rng(0)
    base = list(stream.normal(1, 0.01, 100))
    slower = [each * 1.2 for each in base]
    assert judge(base, slower) == dict.fromkeys(OTHERS, "slower")
    assert judge(base, base) == dict.fromkeys(OTHERS, "same")
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
    while (slowdown := choose_slowdown(done)) is not None:
        done[slowdown] += 1
    assert done == WANTED
    assert choose_slowdown(done, 0, runs=1) in WANTED  # a sitting may go on


def test_a_sitting_does_what_it_is_asked_for() -> None:
    done = Counter({0.0: WANTED[0.0] - 1})
    assert choose_slowdown(done, change=0.0) == 0.0
    assert choose_slowdown(Counter(WANTED), change=0.0) is None
    assert choose_slowdown(Counter(WANTED), 2, runs=3, change=0.0) == 0.0
    assert choose_slowdown(done, 3, runs=3, change=0.0) is None
    assert choose_slowdown(done, 0, runs=1, change=0.07) == 0.07  # though none are wanted
    assert choose_slowdown(done, change=0.07) is None


def test_runs_of_one_rule_are_counted_and_a_run_that_was_stopped_keeps_its_number(
    tmp_path: Path,
) -> None:
    assert read_done(tmp_path, "new") == (0, Counter())
    (tmp_path / "pairs.csv").write_text("run,pair\n0,0\n0,1\n1,0\n4,0\n")
    (tmp_path / "trials.csv").write_text("run,slowdown\n0,0.05\n0,0.05\n1,0.0\n3,0.0\n")
    (tmp_path / "runs.csv").write_text("run,gate,slowdown\n1,new,0.0\n2,old,0.0\n3,new,0.0\n")
    assert read_done(tmp_path, "new") == (5, Counter({0.0: 2}))
    assert read_done(tmp_path, "old") == (5, Counter({0.0: 1}))


def test_a_rule_is_known_by_its_code_and_not_by_what_is_said_of_it(tmp_path: Path) -> None:
    file = tmp_path / "rule.py"
    digests = []
    for text in (
        'def judge():\n    """Judge."""\n    return 1\n',
        'def judge():\n    """Judge well."""\n    return 1  # now\n',
        'def judge():\n    """Judge."""\n    return 2\n',
    ):
        file.write_text(text)
        digests.append(digest_gate([file]))
    assert digests[0] == digests[1] != digests[2]
    assert len(digest_gate()) == 12


def test_a_run_has_a_row_with_its_verdicts() -> None:
    cases = make_cases({"rnn": 1.0, "gru": 1.2, "lstm": 1.3, "birnn": 0.7})
    for _ in range(30):
        cases[0].add_memory(("one way", 2**22), ("one way", 2**24))
    row = count_run(make_outcome(cases))
    assert (row["slower"], row["faster"], row["same"], row["inconclusive"]) == (2, 1, 1, 0)
    assert (row["more_memory"], row["less_memory"], row["benchmarks"]) == (1, 0, 4)


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
    repository.commit("Harness", {"seqbench/training/loop.py": harness})
    commit = slow_down(repository.folder, 0.1)
    subject = "A training step takes 10% longer"
    assert repository.git("log", "-1", "--format=%H %s") == f"{commit} {subject}"
    clock, names = Clock(), dict[str, Any]()
    monkeypatch.setattr("time.perf_counter", clock.read)
    exec((repository.folder / "seqbench/training/loop.py").read_text(), names)
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


def write_results(folder: Path, gate: str) -> None:
    """Write three runs of 0 % and of 3 %, each of two benchmarks; the first of each is older."""
    rows = [
        dict.fromkeys(COLUMNS, 1)
        | {"method": method, "slowdown": slowdown, "verdict": verdict, "run": run, "ratio": 1.0}
        | {"environment_id": "abc", "commit": "c" * 40, "started_at": "2026-01-01T00:00:00"}
        | {"benchmark": benchmark, "seconds": 60.0 + run}
        for method in ("gate", *OTHERS)
        for slowdown, runs in ((0.0, (0, 1, 2)), (0.03, (3, 4, 5)))
        for run in runs
        for benchmark, slower in (("rnn", (2,)), ("gru", (2, 4)))
        for verdict in ["slower" if run in slower else "same"]
    ]
    pd.DataFrame(rows).to_csv(folder / "trials.csv", index=False)
    new = pd.DataFrame({"run": [1, 2, 4, 5], "gate": gate})
    new.to_csv(folder / "runs.csv", index=False)
    (folder / "environment-abc.json").write_text(
        '{"machine": {"cpu": "A [fast] one", "physical_cores": 1, "logical_cores": 2},'
        ' "software": {"torch": {"version": "2.13.0"}}}'
    )


def test_false_alarms_are_counted_by_run_and_older_rules_apart(tmp_path: Path) -> None:
    write_results(tmp_path, "new")
    trials, runs = load_trials(tmp_path, "new")
    counted = count_runs(runs).set_index(["gate", "slowdown"])
    ours = counted.loc[("new", 0.0)]
    assert (ours["runs"], ours["found"]) == (2, 1)  # though of 4 benchmarks 2 are slower
    low, high = stats.beta.ppf([0.025, 0.975], [1, 2], [2, 1])
    assert (ours["low"], ours["high"]) == pytest.approx((low, high))
    assert counted.loc[("new", 0.03), "found"] == 1
    assert counted.loc[("not recorded", 0.0), "found"] == 0
    methods = count_verdicts(trials).set_index(["method", "slowdown"])["trials"]
    assert (methods["gate", 0.0], methods["earlier gate", 0.0]) == (4, 2)


def test_the_report_says_what_the_trials_do(tmp_path: Path) -> None:
    write_results(tmp_path, "new")
    page = write_report(tmp_path, tmp_path / "report", "new")
    text = page.read_text()
    trials, runs = load_trials(tmp_path, "new")
    for sentence in describe(trials, runs[runs["gate"] == "new"]):
        assert sentence in text
    assert "gave false alarms in 1 of 2 runs, 50.0% (1.3% to 98.7%; wanted: at most 1 %" in text
    assert "found a slowdown of 3% in 1 of 2 runs" in text
    assert r"A \[fast\] one" in text
    assert (tmp_path / "report" / "ratios.png").stat().st_size > 10_000
    assert write_report(tmp_path, tmp_path / "report", "new").read_text() == text
    other = write_report(tmp_path, tmp_path / "report", "newer").read_text()
    assert "There are no runs of today's rule yet." in other
