"""Why a gate did not measure, compare or decide something, in Markdown."""

from collections.abc import Iterator, Sequence
from typing import get_args

from seqbench.formatting import join_words
from seqbench.gate.cases import Case, Part
from seqbench.gate.verdicts import LEAST_BYTES, Verdict
from seqbench.report.markdown import escape, format_block


def explain(cases: Sequence[Case]) -> Iterator[str]:
    """Yield why benchmarks were not compared or decided, and the errors of those that failed."""
    for heading, list_reasons in (("Not comparable", _list_obstacles), ("Too late", _list_late)):
        reasons: dict[str, list[str]] = {}
        for case in cases:
            for reason in list_reasons(case):
                reasons.setdefault(reason, []).append(escape(case.name))
        for reason, names in reasons.items():
            yield f"{heading}: {join_words(names)} ({escape(reason)})."
    correlated = [
        f"{escape(case.name)} ({case.time.independent:.0f} of {case.time.count})"
        for case in cases
        if case.correlated
    ]
    if correlated:
        yield (
            f"Inconclusive, with correlated successive pairs that count as fewer: "
            f"{join_words(correlated)}. An effect specific to one version changed during the "
            f"measurement."
        )
    yield from _explain_memory(cases)
    for case in cases:
        for side, fault in (("head", case.failure), ("base", case.base_failure)):
            if fault:
                yield f"{escape(case.name)} failed on the {side}'s side:\n\n{format_block(fault)}"


def _explain_memory(cases: Sequence[Case]) -> Iterator[str]:
    """Yield why memory was not measured."""
    if not all(case.has_memory for case in cases):
        yield (
            "Memory cannot be measured without torch's allocators or Linux's "
            "`/proc/self/clear_refs`."
        )
    small = [
        escape(case.name)
        for case in cases
        if case.memory.verdict == Verdict.NOT_MEASURED and case.has_memory
    ]
    if small:
        yield (
            f"Too little memory to be measured: {join_words(small)}. It is read "
            f"from the system, to {LEAST_BYTES >> 20} MiB."
        )


def _list_obstacles(case: Case) -> Iterator[str]:
    """Yield why parts of a benchmark were not compared; without the parts if it is all of them."""
    obstacles = dict(case.obstacles)
    if case.came_to_nothing:
        obstacles["score"] = "on both sides no training has a finite score and finite losses"
    parts: list[Part] = [each for each in get_args(Part) if case.trains or each != "score"]
    found = {part: obstacles[part] for part in parts if part in obstacles}
    for obstacle in dict.fromkeys(found.values()):
        hindered = [part for part, each in found.items() if each == obstacle]
        whole = len(hindered) == len(parts)
        yield obstacle if whole else f"its {join_words([*hindered])}: {obstacle}"


def _list_late(case: Case) -> Iterator[str]:
    """Yield what of a benchmark took longer than its share of the budget."""
    for part, reason in case.late.items():
        yield f"its {part}: {reason}, its share of --budget"
