"""The gate's summary in Markdown: one line, tables with the worst first, how to reproduce it."""

import math
import shlex
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from seqbench.formatting import (
    format_bytes,
    format_difference,
    format_interval,
    format_seconds,
    join_words,
)
from seqbench.gate.benchmark import DEFAULT_FILE
from seqbench.gate.cases import Case
from seqbench.gate.explanations import explain
from seqbench.gate.headline import format_headline, format_percent, rank, sort_worst_first
from seqbench.gate.rules import Rules, join_names
from seqbench.gate.running import Outcome
from seqbench.gate.verdicts import Verdict
from seqbench.report.markdown import escape, format_code, format_markdown

_TIME_HEADERS = (
    "benchmark",
    "time",
    "change",
    "confidence interval",
    "minimum detectable change",
    "base",
    "head",
    "pairs",
)
_OTHER_HEADERS = (
    "benchmark",
    "score",
    "gain",
    "confidence interval",
    "seeds",
    "memory",
    "change",
    "base → head",
)
_COMMITS_SHOWN = 10
_ALARMING = (Verdict.FAILED, Verdict.SLOWER, Verdict.WORSE, Verdict.MORE_MEMORY)


def format_summary(outcome: Outcome) -> str:
    """Return the whole summary as Markdown, fit for a comment on a pull request."""
    parts = [
        f"### {format_headline(outcome.cases)}",
        _format_times(outcome.cases),
        _format_others(outcome.cases),
        *explain(outcome.cases),
        _describe_versions(outcome),
        _describe_measuring(outcome),
        f"Reproduce with: {format_code(format_command(outcome))}",
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
    names = names or [case.name for case in outcome.cases if outcome.rules.only]
    words += ["--only", join_names(names)] if names else []
    words += ["--benchmarks", str(outcome.file)] if outcome.file != DEFAULT_FILE else []
    return shlex.join([*words, *_format_rules(outcome.rules)])


def _format_rules(rules: Rules) -> Iterator[str]:
    """Yield the options that set rules, as far as they are not the defaults."""
    ordinary = Rules()
    if rules.measure_same:
        yield "--measure-same"
    if rules.budget_s != ordinary.budget_s:
        yield from ("--budget", f"{rules.budget_s:g}")
    for setting, one, named in rules.list_shares():
        texts = [] if one == getattr(ordinary, setting) else [f"{one:g}"]
        texts += [f"{name}={share:g}" for name, share in named.items()]
        if texts:
            yield from (f"--{setting.replace('_', '-')}", join_names(texts))


def _format_times(cases: Sequence[Case]) -> str:
    """Return a table of times with a row for each benchmark, the worst first."""
    rows = []
    for case in sort_worst_first(cases):
        time = case.time
        row = [escape(case.name), _mark(time.verdict)]
        if time.count:
            known = math.isfinite(time.low)
            row += [
                _signed(time.change),
                f"{_signed(time.low)} to {_signed(time.high)}" if known else "—",
                format_percent(time.shown) if known else "—",
                *(format_seconds(median(each)) for each in (case.base_s, case.head_s)),
                str(time.count),
            ]
        else:
            row += ["—"] * 6
        rows.append(row)
    return format_markdown(rows, _TIME_HEADERS)


def _format_others(cases: Sequence[Case]) -> str:
    """Return a table of scores and memory, as `_format_times`."""
    rows = [
        [escape(case.name), *_format_score(case), *_format_memory(case)]
        for case in sort_worst_first(cases)
    ]
    return format_markdown(rows, _OTHER_HEADERS)


def _format_memory(case: Case) -> list[str]:
    memory = case.memory
    if not memory.count:
        return [_mark(memory.verdict), "—", "—"]
    sides = (format_bytes(*[median(each)] * 3) for each in (case.base_bytes, case.head_bytes))
    return [_mark(memory.verdict), _signed(memory.change), " → ".join(sides)]


def _format_score(case: Case) -> list[str]:
    score = case.score
    if score is None:
        return ["—"] * 4
    if score.verdict == Verdict.EQUAL:
        return ["bitwise equal", "—", "—", str(score.count)]
    if not score.count:
        return [_mark(score.verdict), "—", "—", "—"]
    known = (score.low, score.high) != (-math.inf, math.inf)
    figures = [
        format_difference(score.change, case.metric),
        format_interval(score.low, score.high, case.metric) if known else "—",
    ]
    # infinite where one side's training failed
    cells = [each.replace("-inf", "−∞").replace("inf", "∞") for each in figures]
    return [_mark(score.verdict), *cells, str(score.count)]


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


def _mark(verdict: Verdict) -> str:
    """Return a verdict, set off if it is a reason to look."""
    return f"**{verdict}**" if verdict in _ALARMING else str(verdict)


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
    if any(case.same_code for case in outcome.cases):
        return (
            "Not measured: no file of the two versions differs, except documentation, comments "
            "and docstrings that no benchmark reads; both run in one environment. "
            "`--measure-same` measures anyway."
        )
    margin = _format_margins(case.margin for case in outcome.cases)
    memory_margin = _format_margins(case.memory_margin for case in outcome.cases)
    return (
        f"Measured in {format_seconds(outcome.seconds)}: {outcome.pairs} interleaved process "
        f"pairs; in each, both versions alternated on one core, in random order. "
        f"*Change* is the median over pairs; its confidence interval is valid at every number of "
        f"pairs, and at most {100 * outcome.rules.error_rate:g} % of runs without a change have "
        f"a wrong verdict. *Same*: all of it within {margin}; *slower* or *faster*: no change is "
        f"excluded; minimum detectable change: the smallest change detectable with this number "
        f"of pairs. Memory is the peak of the work; *same*: within "
        f"{memory_margin}."
    )


def _format_margins(margins: Iterable[float]) -> str:
    texts = [format_percent(each) for each in sorted(set(margins))]
    return texts[0] if len(texts) == 1 else f"the margin ({join_words(texts)})"
