"""What a gate says: one line that can be read, and a command that measures the same again."""

import csv
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from seqbench.errors import ExitCode
from seqbench.gate.benchmark import DEFAULT_FILE
from seqbench.gate.cases import Case, Part
from seqbench.gate.evidence import format_evidence
from seqbench.gate.headline import choose_exit_code, format_headline
from seqbench.gate.peaks import ALLOCATED, RESIDENT
from seqbench.gate.processes import LateError, VersionError
from seqbench.gate.rules import Rules
from seqbench.gate.running import Outcome
from seqbench.gate.summary import format_command, format_summary
from seqbench.gate.versions import Version, Versions
from seqbench.report.markdown import escape
from tests.gate.test_gate_cases import VERSION, make_case

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
    assert f"successive pairs that count as fewer: rnn ({count} of 40). An effect" in told


def test_all_that_the_base_has_must_be_judged_for_a_good_end() -> None:
    same, undecided, new = make_cases({"rnn": 1.0}), make_cases({"gru": 1.0}), make_case(name="new")
    undecided[0].base_s, undecided[0].head_s = [1.0] * 3, [2.15] * 3
    new.new = True
    lacking = "the base lacks it"
    new.obstacles = {"time": lacking, "memory": lacking, "score": lacking}
    assert choose_exit_code([*same, new]) == ExitCode.OK
    assert format_headline([*same, new]) == (
        "No regression: new not comparable; rnn the same; new with scores not comparable; rnn with "
        "equal scores."
    )
    assert choose_exit_code([*same, *undecided]) == ExitCode.GATE_UNDECIDED
    assert format_headline([*same, *undecided]).startswith("Undecided: gru undecided; rnn the same")
    for part in get_args(Part):
        (case,) = make_cases({"rnn": 1.0})
        case.fail(part, VersionError("base", VERSION, "no such gate"))
        assert choose_exit_code([*same, case]) == ExitCode.GATE_UNDECIDED
    late = make_case(name="late")
    late.fail("time", LateError("base", VERSION, 150.0))
    assert choose_exit_code([*same, late]) == ExitCode.GATE_UNDECIDED
    slower = make_cases({"lstm": 1.2})
    assert choose_exit_code([*slower, *undecided]) == ExitCode.REGRESSION_FOUND


def test_no_benchmark_is_both_a_regression_and_undecided() -> None:
    """One is worse, with its time not decided; another has more memory, and is as fast."""
    worse, heavy = make_cases({"rnn": 1.0, "gru": 1.0}, {"rnn": -0.1})
    worse.base_s, worse.head_s = [1.0] * 3, [1.3] * 3
    heavy.base_bytes, heavy.head_bytes, heavy.resolution = [2**10] * 20, [2**11] * 20, 0
    told = format_headline([worse, heavy])
    assert told == (
        "Regression: rnn's accuracy is 10.00 points worse; gru needs 100.0 % more memory (100.0 % "
        "to 100.0 %); rnn with time undecided; gru in the same time; gru with equal scores."
    )


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "\x1b[2J\x1b]0;title\x07",
    "```\n# out of the fence",
    "a | b",
    "[link](http://example.org)",
    "\ud800 alone",
    "````` five",
    "\u202egnp.exe",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_from_outside_becomes_markup_or_reaches_the_terminal(text: str) -> None:
    cases = make_cases({text.splitlines()[0]: 1.0, "gru": 1.0})
    cases[0].fail("time", VersionError("head", VERSION, f"Traceback\n{text}\nValueError: {text}"))
    cases[1].fail("score", VersionError("base", VERSION, f"Traceback\n{text}"))
    cases[1].metric = text
    outcome = make_outcome(cases)
    told = format_summary(outcome)
    told.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", told)
    prose = strip_code(told)
    assert not re.search(r"(?<!\\)[<\[]", prose)
    assert len([line for line in prose.splitlines() if line.startswith("#")]) == 1
    assert len({line.count("|") - line.count("\\|") for line in prose.splitlines()} - {0}) == 1


def strip_code(markdown: str) -> str:
    """Return Markdown without its blocks and spans of code, as CommonMark finds them."""
    lines, fence = [], ""
    for line in markdown.splitlines():
        ticks = re.match("`{3,}", line)
        if not fence and ticks:
            fence = ticks[0]
        elif fence and re.fullmatch(f"`{{{len(fence)},}}", line):
            fence = ""
        elif not fence:
            lines.append(line)
    assert not fence
    return re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", "\n".join(lines))


def test_the_command_takes_names_with_commas_back() -> None:
    names = ["lstm, 2 layers", 'say "hi"', "it's"]
    cases = make_cases(dict.fromkeys(names, 1.2))
    rules = Rules(margins={"lstm, 2 layers": 0.1})
    words = shlex.split(format_command(make_outcome(cases, rules)))
    only = words[words.index("--only") + 1]
    assert set(Rules(only=(only,)).choose([*names, "lstm", "2 layers"])) == set(names)
    assert words[words.index("--margin") + 1] == '"lstm, 2 layers=0.1"'


def test_the_evidence_has_all_that_was_measured() -> None:
    (case,) = make_cases({"rnn": 1.0})
    case.base_bytes, case.head_bytes = [], []
    case.base_scores, case.head_scores = [(0.5, (3.0, 2.0))], [(0.25, (3.5,))]
    case.add_memory((ALLOCATED, 10), (ALLOCATED, 20))
    rows = list(csv.DictReader(format_evidence(make_outcome([case])).splitlines()))
    assert len([row for row in rows if row["kind"] == "pair_s"]) == 40
    assert [tuple(row.values()) for row in rows if row["kind"] != "pair_s"] == [
        ("rnn", "memory_bytes", "0", "", "10", "20"),
        ("rnn", "seed_score", "0", "", "0.5", "0.25"),
        ("rnn", "seed_trace", "0", "0", "3.0", "3.5"),
        ("rnn", "seed_trace", "0", "1", "2.0", ""),
    ]


def test_a_score_of_a_training_that_came_to_nothing_is_shown_without_a_figure() -> None:
    (case,) = make_cases({"rnn": 1.0})
    case.base_scores, case.head_scores = [(0.5, ())] * 20, [(float("nan"), ())] * 20
    told = format_summary(make_outcome([case]))
    assert told.startswith("### Regression: rnn no longer learns; ")
    assert "inf" not in told
    assert "| **worse** | −∞ points | −∞ to −∞" in " ".join(told.split())
