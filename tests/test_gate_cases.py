"""Benchmarks of the gate on their way to a verdict: rules, scores, what a side cannot do."""

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import seqbench
from seqbench.errors import SettingError
from seqbench.gate.cases import Case, Part, Rules
from seqbench.gate.processes import VersionError
from seqbench.gate.verdicts import Verdict
from seqbench.gate.versions import Version

VERSION = Version("main", "c" * 40, "A project", False, Path())

DECLARED: dict[str, Any] = {
    "name": "rnn",
    "settings": {},
    "work": ("gate.py", "make_step"),
    "train": ("gate.py", "learn"),
    "margin": 0.05,
    "memory_margin": 0.1,
    "score_margin": 0.02,
    "metric": "accuracy",
    "higher_is_better": True,
    "error_rate": None,
}


def make_case(**changes: Any) -> Case:
    return Rules().make_case(DECLARED | changes, share=0.01)


def score_of(case: Case) -> Verdict:
    assert case.score is not None
    return case.score.verdict


def test_scores_are_equal_only_if_their_traces_are_too() -> None:
    case = make_case()
    case.add_seed((0.9, (0.5, 0.25)), (0.9, (0.5, 0.25)))
    assert case.wants_seeds(2)
    case.add_seed((0.8, (math.nan,)), (0.8, (math.nan,)))
    assert score_of(case) == Verdict.EQUAL
    assert not case.wants_seeds(2)
    case.add_seed((0.9, (0.5, 0.25)), (0.9, (0.5, math.nextafter(0.25, 1))))
    assert score_of(case) == Verdict.INCONCLUSIVE
    assert case.wants_seeds(2)


@pytest.mark.parametrize(
    ("higher_is_better", "verdict"), [(True, Verdict.BETTER), (False, Verdict.WORSE)]
)
def test_which_way_a_score_runs_decides_what_is_better(
    higher_is_better: bool, verdict: Verdict
) -> None:
    case = make_case(higher_is_better=higher_is_better, metric="cross_entropy")
    for _ in range(10):
        case.add_seed((0.5, ()), (0.6, ()))
    assert score_of(case) == verdict


def test_a_training_that_comes_to_nothing_is_worse_than_any_and_equal_to_its_like() -> None:
    worse, alike = make_case(), make_case()
    for seed in range(10):
        worse.add_seed((0.9, ()), (math.nan, ()))
        alike.add_seed((math.nan, (seed,)), (math.nan, (-seed,)))
    assert score_of(worse) == Verdict.WORSE
    assert score_of(alike) == Verdict.SAME


@pytest.mark.parametrize(("part", "other"), [("time", "score"), ("score", "time")])
def test_what_only_the_base_cannot_do_leaves_the_other_part_to_be_compared(
    part: Part, other: Part
) -> None:
    case = make_case()
    case.add_pair(1.0, 1.0)
    case.add_seed((0.9, ()), (0.8, ()))
    case.fail(part, VersionError("base", VERSION, "no such gate"))
    assert getattr(case, part).verdict == Verdict.NOT_COMPARABLE
    assert getattr(case, other).verdict == Verdict.INCONCLUSIVE
    assert case.stuck == (part == "time")
    case.fail(part, VersionError("head", VERSION, "no such gate"))
    assert {finding.verdict for finding in case.findings} == {Verdict.FAILED}


def test_without_a_training_there_is_no_score() -> None:
    case = make_case(train=None)
    assert case.score is None
    assert not case.wants_seeds(2)


def test_rules_go_before_what_a_benchmark_declares_and_its_name_before_all_others() -> None:
    rules = Rules(margin=0.1, margins={"lstm": 0.2}, error_rates={"lstm": 0.3})
    declared = [
        DECLARED | {"name": name, "margin": 0.01, "error_rate": 0.02} for name in ("a", "lstm")
    ]
    one, other = (rules.make_case(each, share=0.001) for each in declared)
    assert (one.margin, one.error_rate, one.score_margin) == (0.1, 0.02, 0.02)
    assert (other.margin, other.error_rate) == (0.2, 0.3)
    assert Rules().make_case(DECLARED, share=0.001).error_rate == 0.001


def test_rules_out_of_range_are_refused() -> None:
    with pytest.raises(SettingError, match="margin"):
        Rules(margins={"rnn": 1.5})
    with pytest.raises(SettingError, match="error_rate"):
        Rules(error_rate=0.0)


def test_code_that_comes_from_elsewhere_is_not_taken_for_the_versions(tmp_path: Path) -> None:
    """The version has a package seqbench of its own, but the one imported here is not it."""
    code = (
        f"import pathlib, seqbench.gate.agent as a; a.check_origin(pathlib.Path({str(tmp_path)!r}))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, cwd=Path(seqbench.__file__).parents[1]).returncode == 0
    (tmp_path / "seqbench").mkdir()
    done = subprocess.run(
        command, cwd=Path(seqbench.__file__).parents[1], capture_output=True, text=True
    )
    assert re.search(r"seqbench comes from .* not from the version in", done.stderr)
