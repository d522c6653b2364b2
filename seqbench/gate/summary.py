"""What a gate says, in Markdown: one line, a table with the worst first, how to see it again."""

import math
import shlex
from collections.abc import Iterator, Sequence
from statistics import median

from seqbench.formatting import format_difference, format_interval, format_seconds, join_words
from seqbench.gate.benchmark import DEFAULT_FILE
from seqbench.gate.cases import Case, Rules
from seqbench.gate.headline import format_headline, format_percent, rank, sort_worst_first
from seqbench.gate.running import Outcome
from seqbench.gate.verdicts import Verdict
from seqbench.tables import escape, format_markdown

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
_COMMITS_SHOWN = 10
_ALARMING = (Verdict.FAILED, Verdict.SLOWER, Verdict.WORSE)


def format_summary(outcome: Outcome) -> str:
    """Return the whole summary as Markdown, fit for a comment on a pull request."""
    parts = [
        f"### {format_headline(outcome.cases)}",
        _format_table(outcome.cases),
        *_explain(outcome.cases),
        _describe_versions(outcome),
        _describe_measuring(outcome),
        f"See it again: `{format_command(outcome)}`",
    ]
    return "\n\n".join(parts) + "\n"


def format_command(outcome: Outcome) -> str:
    """Return the command that measures again what was not the same, or else everything again."""
    versions = outcome.versions
    words = ["seqbench", "gate", "--base", versions.base.commit[:10]]
    head = versions.head
    words += ["--head", head.asked if head.changed else head.commit[:10]]
    words += [word for each in versions.base_env for word in ("--base-env", each)]
    worth_it = (*_ALARMING, Verdict.INCONCLUSIVE)
    names = [case.name for case in sort_worst_first(outcome.cases) if rank(case) in worth_it]
    names = names or list(outcome.rules.only)
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


def _format_table(cases: Sequence[Case]) -> str:
    """Return a table with a row for each benchmark, the worst first."""
    rows = []
    for case in sort_worst_first(cases):
        time = case.time
        row = [escape(case.name), _mark(time.verdict)]
        if time.count:
            known = math.isfinite(time.low)
            row += [
                _signed(time.change),
                f"{_signed(time.low)} and {_signed(time.high)}" if known else "—",
                format_percent(time.shown) if known else "—",
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


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


def _mark(verdict: Verdict) -> str:
    """Return a verdict, set off if it is a reason to look."""
    return f"**{verdict}**" if verdict in _ALARMING else str(verdict)


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
    margins = [format_percent(each) for each in sorted({case.margin for case in outcome.cases})]
    margin = margins[0] if len(margins) == 1 else f"the margin ({join_words(margins)})"
    return (
        f"Measured in {format_seconds(outcome.seconds)}: {outcome.pairs} pairs of processes, in "
        f"each of which both versions took turns on one core. *Change* is the median over pairs; "
        f"*between* holds it however often one looks, and at most "
        f"{100 * outcome.rules.error_rate:g} % of such runs have a verdict that is wrong. *Same*: "
        f"all of it within {margin}; *slower* or *faster*: that nothing changed is ruled out; "
        f"*could have shown*: the smallest change that this much evidence tells from none."
    )
