"""The headline of a gate's summary, and the exit code."""

import math
from collections.abc import Iterator, Sequence

from seqbench.errors import ExitCode
from seqbench.formatting import format_difference, join_words
from seqbench.gate.cases import Case
from seqbench.gate.verdicts import Finding, Verdict
from seqbench.report.markdown import escape

_SHOWN_IN_FULL = 3
"""Benchmarks; of more that changed, one line would have too many figures to be read."""

_TITLES = {
    ExitCode.OK: "No regression",
    ExitCode.REGRESSION_FOUND: "Regression",
    ExitCode.RUNS_FAILED: "Failed",
    ExitCode.NOTHING_MEASURED: "Nothing measured",
    ExitCode.GATE_UNDECIDED: "Undecided",
}
_OPEN = (Verdict.INCONCLUSIVE, Verdict.NOT_COMPARABLE)


def choose_exit_code(cases: Sequence[Case]) -> ExitCode:
    """Return how a gate ends: a regression before a failure before no time measured.

    All is well only if all that the base has was judged; what only the head has cannot be.
    """
    verdicts = {finding.verdict for case in cases for finding in case.findings}
    if verdicts & {Verdict.SLOWER, Verdict.WORSE, Verdict.MORE_MEMORY}:
        return ExitCode.REGRESSION_FOUND
    if Verdict.FAILED in verdicts:
        return ExitCode.RUNS_FAILED
    if not any(case.time.count or case.same_code for case in cases):
        return ExitCode.NOTHING_MEASURED
    judged = (case for case in cases if not case.new)
    if any(finding.verdict in _OPEN for case in judged for finding in case.findings):
        return ExitCode.GATE_UNDECIDED
    return ExitCode.OK


def format_headline(cases: Sequence[Case]) -> str:
    """Return the one line that states its outcome."""
    title = _TITLES[choose_exit_code(cases)]
    if cases and all(case.same_code for case in cases):
        return f"{title}: both versions are the same code, so nothing was measured."
    return f"{title}: {'; '.join(_tell(cases)) or 'no benchmark'}."


def describe_trade(case: Case) -> str:
    """Return what a change trades for what, as text; empty if it does not."""
    verdicts, metric = {finding.verdict for finding in case.findings}, escape(case.metric)
    if verdicts >= {Verdict.FASTER, Verdict.WORSE}:
        return f"trades {metric} for speed"
    return f"pays for {metric} with time" if verdicts >= {Verdict.SLOWER, Verdict.BETTER} else ""


def rank(case: Case) -> Verdict:
    """Return a benchmark's worst verdict."""
    return min((finding.verdict for finding in case.findings), key=list(Verdict).index)


def sort_worst_first(cases: Sequence[Case]) -> list[Case]:
    """Return cases with the worst first; of equal verdicts the greatest change first."""
    order = list(Verdict)
    return sorted(cases, key=lambda case: (order.index(rank(case)), -_known(case.time.change)))


def format_percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.1f} %"


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _tell(cases: Sequence[Case]) -> Iterator[str]:
    """Yield a phrase for each benchmark that changed, then those that did not."""
    changed = [case for case in sort_worst_first(cases) if any(_tell_changes(case))]
    for case in changed[:_SHOWN_IN_FULL]:
        yield from _tell_changes(case)
    more = changed[_SHOWN_IN_FULL:]
    yield from (f"{escape(case.name)} {trade}" for case in more if (trade := describe_trade(case)))
    others = [case for case in cases if not any(case is each for each in changed)]
    for among, part, verdict, words in (
        (more, "time", Verdict.SLOWER, "slower too"),
        (more, "time", Verdict.FASTER, "faster too"),
        (more, "memory", Verdict.MORE_MEMORY, "with more memory too"),
        (more, "memory", Verdict.LESS_MEMORY, "with less memory too"),
        (more, "score", Verdict.WORSE, "worse too"),
        (more, "score", Verdict.BETTER, "better too"),
        (cases, "time", Verdict.FAILED, "failed on the head's side"),
        (others, "time", Verdict.INCONCLUSIVE, "undecided"),
        (others, "time", Verdict.NOT_COMPARABLE, "not comparable"),
        (others, "time", Verdict.SAME, "the same"),
        (changed, "time", Verdict.INCONCLUSIVE, "with time undecided"),
        (changed, "time", Verdict.NOT_COMPARABLE, "with time not comparable"),
        (changed, "time", Verdict.SAME, "in the same time"),
        (cases, "memory", Verdict.INCONCLUSIVE, "with memory undecided"),
        (cases, "score", Verdict.INCONCLUSIVE, "with scores undecided"),
        (cases, "score", Verdict.NOT_COMPARABLE, "with scores not comparable"),
        (cases, "score", Verdict.EQUAL, "with equal scores"),
    ):
        found = [escape(case.name) for case in among if _verdict_of(case, part) == verdict]
        if found:
            every = len(found) == len(cases) > 1
            yield f"{_count_all(len(cases)) if every else join_words(found)} {words}"


def _count_all(count: int) -> str:
    return "both" if count == 2 else f"all {count}"


def _tell_changes(case: Case) -> Iterator[str]:
    """Yield in what a benchmark changed, and what is traded for what."""
    name = escape(case.name)
    if case.time.verdict in (Verdict.SLOWER, Verdict.FASTER):
        yield f"{name} is {_format_change(case.time)}"
    if case.memory.verdict in (Verdict.MORE_MEMORY, Verdict.LESS_MEMORY):
        yield f"{name} needs {_format_change(case.memory)}"
    if case.score is not None and case.score.verdict in (Verdict.WORSE, Verdict.BETTER):
        yield f"{name}{_format_gain(case)}"
    if trade := describe_trade(case):
        yield f"so {name} {trade}"


def _verdict_of(case: Case, part: str) -> Verdict | None:
    finding: Finding | None = getattr(case, part)
    return None if finding is None else finding.verdict


def _format_change(found: Finding) -> str:
    """Return how much slower or faster, as ``10.2 % slower (8.9 % to 11.6 %)``."""
    ends = " to ".join(map(format_percent, sorted((abs(found.low), abs(found.high)))))
    return f"{format_percent(abs(found.change))} {found.verdict} ({ends})"


def _format_gain(case: Case) -> str:
    """Return how much a score is worse or better; without figures if one side learned nothing."""
    score = case.score
    assert score is not None
    if not math.isfinite(score.change):
        return " learns now" if score.verdict == Verdict.BETTER else " no longer learns"
    amount = format_difference(abs(score.change), case.metric)
    return f"'s {escape(case.metric)} is {amount} {score.verdict}"
