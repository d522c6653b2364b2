"""What a gate says, in Markdown: one line, a table with the worst first, how to see it again."""

import math
import shlex
from collections.abc import Iterator, Sequence
from statistics import median

from seqbench.errors import ExitCode
from seqbench.formatting import format_difference, format_interval, format_seconds, join_words
from seqbench.gate.cases import Case, Rules
from seqbench.gate.running import DEFAULT_FILE, Outcome
from seqbench.gate.verdicts import Finding, Verdict
from seqbench.tables import escape, format_markdown

_WORST_FIRST = (
    Verdict.FAILED,
    Verdict.SLOWER,
    Verdict.WORSE,
    Verdict.INCONCLUSIVE,
    Verdict.NOT_COMPARABLE,
    Verdict.SAME,
    Verdict.EQUAL,
    Verdict.FASTER,
    Verdict.BETTER,
)
_TITLES = {
    ExitCode.OK: "No regression",
    ExitCode.REGRESSION_FOUND: "Regression",
    ExitCode.RUNS_FAILED: "Failed",
    ExitCode.NOTHING_MEASURED: "Nothing measured",
}
_HEADERS = (
    "benchmark",
    "time",
    "change",
    "between",
    "could have shown",
    "base",
    "head",
    "pairs",
    "score",
    "gain",
    "between",
    "seeds",
)
_QUIET = _WORST_FIRST.index(Verdict.NOT_COMPARABLE)
_COMMITS_SHOWN = 10


def choose_exit_code(outcome: Outcome) -> ExitCode:
    """Return how a gate ends: a regression before a failure before nothing measured."""
    found = [finding for case in outcome.cases for finding in _findings(case)]
    verdicts = {finding.verdict for finding in found}
    if verdicts & {Verdict.SLOWER, Verdict.WORSE}:
        return ExitCode.REGRESSION_FOUND
    if Verdict.FAILED in verdicts:
        return ExitCode.RUNS_FAILED
    return ExitCode.OK if any(each.count for each in found) else ExitCode.NOTHING_MEASURED


def format_summary(outcome: Outcome) -> str:
    """Return the whole summary as Markdown, fit for a comment on a pull request."""
    parts = [
        f"### {format_headline(outcome)}",
        _format_table(outcome.cases),
        *_explain(outcome.cases),
        _describe_versions(outcome),
        _describe_measuring(outcome),
        f"See it again: `{format_command(outcome)}`",
    ]
    return "\n\n".join(parts) + "\n"


def format_headline(outcome: Outcome) -> str:
    """Return the one line that says what came of it."""
    told = "; ".join(_tell(outcome.cases))
    return f"{_TITLES[choose_exit_code(outcome)]}: {told or 'there is no benchmark'}."


def format_command(outcome: Outcome) -> str:
    """Return the command that measures again what was not the same, or else everything."""
    versions = outcome.versions
    words = ["seqbench", "gate", "--base", versions.base.commit[:10]]
    head = versions.head
    words += ["--head", head.asked if head.changed else head.commit[:10]]
    words += [word for each in versions.base_env for word in ("--base-env", each)]
    names = [case.name for case in _sort(outcome.cases) if _severity(case) < _QUIET]
    words += ["--only", ",".join(names)] if names else []
    words += ["--benchmarks", str(outcome.file)] if outcome.file != DEFAULT_FILE else []
    return shlex.join([*words, *_format_rules(outcome.rules)])


def _format_rules(rules: Rules) -> Iterator[str]:
    """Yield the options that set rules, as far as they are not the defaults."""
    ordinary = Rules()
    if rules.budget_s != ordinary.budget_s:
        yield from ("--budget", f"{rules.budget_s:g}")
    for option, usual, one, named in (
        ("--error-rate", ordinary.error_rate, rules.error_rate, rules.error_rates),
        ("--margin", ordinary.margin, rules.margin, rules.margins),
        ("--score-margin", ordinary.score_margin, rules.score_margin, rules.score_margins),
    ):
        texts = [] if one == usual else [f"{one:g}"]
        texts += [f"{name}={share:g}" for name, share in named.items()]
        if texts:
            yield from (option, ",".join(texts))


def describe_trade(case: Case) -> str:
    """Return what a change trades for what, in words; empty if it does not."""
    verdicts = {finding.verdict for finding in _findings(case)}
    if verdicts >= {Verdict.FASTER, Verdict.WORSE}:
        return f"trades {case.metric} for speed"
    return (
        f"pays for {case.metric} with time" if verdicts >= {Verdict.SLOWER, Verdict.BETTER} else ""
    )


def _findings(case: Case) -> list[Finding]:
    return [case.time, *([case.score] if case.score is not None else [])]


def _severity(case: Case) -> int:
    """Return the rank of a case's worst verdict, 0 for the worst there is."""
    return min(_WORST_FIRST.index(finding.verdict) for finding in _findings(case))


def _sort(cases: Sequence[Case]) -> list[Case]:
    """Return cases with the worst first; of equal verdicts the greatest change first."""
    return sorted(cases, key=lambda case: (_severity(case), -_known(case.time.change)))


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _tell(cases: Sequence[Case]) -> Iterator[str]:
    """Yield what is to be said of each benchmark that changed, then how many did not."""
    for case in _sort(cases):
        if case.time.verdict in (Verdict.SLOWER, Verdict.FASTER):
            yield f"{case.name} is {_format_times(case)}"
        if case.score is not None and case.score.verdict in (Verdict.WORSE, Verdict.BETTER):
            yield f"{case.name}'s {case.metric} is {_format_gain(case)}"
        if trade := describe_trade(case):
            yield f"so {case.name} {trade}"
    for part, verdict, words in (
        ("time", Verdict.FAILED, "failed on the head's side"),
        ("time", Verdict.INCONCLUSIVE, "undecided"),
        ("score", Verdict.INCONCLUSIVE, "undecided in its score"),
        ("time", Verdict.NOT_COMPARABLE, "not comparable"),
        ("time", Verdict.SAME, "the same"),
    ):
        found = [case.name for case in cases if _verdict_of(case, part) == verdict]
        if found:
            names = join_words(found) if len(found) < len(cases) else f"all {len(cases)}"
            yield f"{names} {words}"


def _verdict_of(case: Case, part: str) -> Verdict | None:
    finding: Finding | None = getattr(case, part)
    return None if finding is None else finding.verdict


def _format_times(case: Case) -> str:
    """Return how much slower or faster, as ``10.2 % slower (8.9 % to 11.6 %)``."""
    time = case.time
    ends = sorted(abs(each) for each in (time.low, time.high))
    return (
        f"{_percent(abs(time.change))} {time.verdict} ({_percent(ends[0])} to {_percent(ends[1])})"
    )


def _format_gain(case: Case) -> str:
    score = case.score
    assert score is not None
    return f"{format_difference(abs(score.change), case.metric)} {score.verdict}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


def _format_table(cases: Sequence[Case]) -> str:
    """Return a table with a row for each benchmark, the worst first."""
    rows = []
    for case in _sort(cases):
        time = case.time
        row = [escape(case.name), _mark(time.verdict)]
        if time.count:
            known = math.isfinite(time.low)
            row += [
                _signed(time.change),
                f"{_signed(time.low)} and {_signed(time.high)}" if known else "—",
                _percent(time.shown) if known else "—",
                *(format_seconds(median(each)) for each in (case.base_s, case.head_s)),
                str(time.count),
            ]
        else:
            row += ["—"] * 6
        rows.append(row + _format_score(case))
    return format_markdown(rows, _HEADERS)


def _format_score(case: Case) -> list[str]:
    score = case.score
    if score is None:
        return ["—"] * 4
    if score.verdict == Verdict.EQUAL:
        return ["equal to the last bit", "—", "—", str(score.count)]
    if not score.count:
        return [_mark(score.verdict), "—", "—", "—"]
    known = math.isfinite(score.low)
    return [
        _mark(score.verdict),
        format_difference(score.change, case.metric),
        format_interval(score.low, score.high, case.metric) if known else "—",
        str(score.count),
    ]


def _mark(verdict: Verdict) -> str:
    """Return a verdict, set off if it is a reason to look."""
    bold = verdict in (Verdict.FAILED, Verdict.SLOWER, Verdict.WORSE)
    return f"**{verdict}**" if bold else str(verdict)


def _explain(cases: Sequence[Case]) -> Iterator[str]:
    """Yield why benchmarks were not compared, and the errors of those that failed."""
    reasons: dict[str, list[str]] = {}
    for case in cases:
        if case.time_obstacle == case.score_obstacle and case.trains:
            obstacles = [("", case.time_obstacle)]
        else:
            obstacles = [("its time: ", case.time_obstacle), ("its score: ", case.score_obstacle)]
        for part, obstacle in obstacles:
            if obstacle:
                reasons.setdefault(part + obstacle, []).append(case.name)
    for reason, names in reasons.items():
        yield f"Not comparable: {join_words(names)} ({reason})."
    for case in cases:
        if case.failure:
            yield f"{case.name} failed on the head's side:\n\n```\n{case.failure}\n```"


def _describe_versions(outcome: Outcome) -> str:
    versions = outcome.versions
    count = len(versions.commits)
    lines = [f"- base: {escape(str(versions.base))}", f"- head: {escape(str(versions.head))}"]
    if count:
        lines.append(f"- {'1 commit' if count == 1 else f'{count} commits'} between them:")
    lines += [f"  - {escape(commit)}" for commit in versions.commits[:_COMMITS_SHOWN]]
    if count > _COMMITS_SHOWN:
        lines.append(f"  - and {count - _COMMITS_SHOWN} more")
    return "\n".join(lines)


def _describe_measuring(outcome: Outcome) -> str:
    margins = [_percent(each) for each in sorted({case.margin for case in outcome.cases})]
    margin = margins[0] if len(margins) == 1 else f"the margin ({join_words(margins)})"
    return (
        f"Measured in {format_seconds(outcome.seconds)}: {outcome.pairs} pairs of processes, in "
        f"each of which both versions took turns on one core. *Change* is the median over pairs; "
        f"*between* holds it however often one looks, and any verdict of this run is wrong in at "
        f"most {100 * outcome.rules.error_rate:g} % of runs. *Same*: all of it within "
        f"{margin}; *slower* or *faster*: no change is ruled out; *could have shown*: the smallest "
        f"change that this much evidence tells from none."
    )
