"""What a gate says: one line that can be read, and a command that measures the same again."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from seqbench.gate.agent import RESIDENT
from seqbench.gate.benchmark import DEFAULT_FILE
from seqbench.gate.cases import Case, Rules
from seqbench.gate.headline import format_headline
from seqbench.gate.running import Outcome
from seqbench.gate.summary import format_command, format_summary
from seqbench.gate.versions import Version, Versions
from seqbench.tables import escape
from tests.test_gate_cases import VERSION, make_case

SUBJECT = "Faster | [better](http://example.org)"
NAMES = ("rnn", "birnn", "gru", "bigru", "lstm")


def make_cases(ratios: Mapping[str, float], gains: Mapping[str, float] = {}) -> list[Case]:
    """Return cases of which a step took so many times as long, and learned so much more."""
    cases = []
    for name, ratio in ratios.items():
        case = make_case(name=name)
        for _ in range(40):
            case.add_pair(0.010, 0.010 * ratio)
        case.add_memory((RESIDENT, 5 * 2**20), (RESIDENT, 5 * 2**20))
        for _ in range(20):
            case.add_seed((0.5, ()), (0.5 + gains.get(name, 0.0), ()))
        cases.append(case)
    return cases


def make_outcome(cases: list[Case], rules: Rules | None = None) -> Outcome:
    head = Version("main", "d" * 40, SUBJECT, False, Path())
    return Outcome(Versions(VERSION, head), DEFAULT_FILE, rules or Rules(), cases, 20, 60.0, 20.0)


def test_three_changes_are_told_in_full_and_the_others_are_named() -> None:
    cases = make_cases({"rnn": 1.1, "birnn": 1.4, "gru": 1.3, "bigru": 1.2, "lstm": 1.0})
    assert format_headline(cases) == (
        "Regression: birnn is 40.0 % slower (40.0 % to 40.0 %); gru is 30.0 % slower (30.0 % to "
        "30.0 %); bigru is 20.0 % slower (20.0 % to 20.0 %); rnn slower too; lstm the same; all 5 "
        "with equal scores."
    )


def test_a_trade_is_told_however_many_others_changed() -> None:
    ratios = {"rnn": 1.1, "birnn": 1.4, "gru": 1.3, "bigru": 1.2, "lstm": 0.8}
    told = format_headline(make_cases(ratios, {"lstm": -0.1}))
    assert (
        "; lstm trades accuracy for speed; rnn slower too; lstm faster too; lstm worse too" in told
    )


def test_what_became_faster_and_worse_is_a_trade() -> None:
    (case,) = make_cases({"rnn": 0.8}, {"rnn": -0.1})
    assert format_headline([case]) == (
        "Regression: rnn is 20.0 % faster (20.0 % to 20.0 %); rnn's accuracy is 10.00 points "
        "worse; so rnn trades accuracy for speed."
    )


def test_what_did_not_change_is_counted() -> None:
    two = make_cases({"rnn": 1.0, "gru": 1.0})
    assert format_headline(two) == "No regression: both the same; both with equal scores."
    five = make_cases(dict.fromkeys(NAMES, 1.0))
    assert format_headline(five) == "No regression: all 5 the same; all 5 with equal scores."


def test_the_command_names_what_to_reproduce() -> None:
    cases = make_cases({"rnn": 1.0, "gru": 1.2})
    ordinary = "seqbench gate --base cccccccccc --head dddddddddd"
    assert format_command(make_outcome(cases)) == f"{ordinary} --only gru"
    rules = Rules(only=("rnn", "gru"), margins={"gru": 0.3}, error_rate=0.05, budget_s=60)
    same = make_cases({"rnn": 1.0, "gru": 1.0})
    assert format_command(make_outcome(same)) == ordinary
    words = shlex.split(format_command(make_outcome(same, rules)))
    assert words[6:] == [
        *("--only", "rnn,gru"),
        *("--budget", "60", "--error-rate", "0.05", "--margin", "gru=0.3"),
    ]


def test_a_commits_subject_cannot_write_markdown() -> None:
    told = format_summary(make_outcome(make_cases({"rnn": 1.0})))
    assert rf"- head: dddddddddd ({escape(SUBJECT)})" in told
    assert SUBJECT not in told
    table = [line for line in told.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {9}  # two tables of eight columns


def test_pairs_that_are_correlated_are_told_where_they_leave_it_inconclusive() -> None:
    drifting, mixed = make_case(name="rnn"), make_case(name="gru")
    for number in range(40):
        drifting.add_pair(1.0, 1.05 + 0.001 * number)
        mixed.add_pair(1.0, 0.9 + 0.2 * (number % 2))
    for case in (drifting, mixed):
        case.add_memory((RESIDENT, 2**20), (RESIDENT, 2**20))
    assert (drifting.correlated, mixed.correlated) == (True, False)
    told = format_summary(make_outcome([drifting, mixed]))
    count = f"{drifting.time.independent:.0f}"
    assert f"that are correlated and count as fewer: rnn ({count} of 40). Something" in told
