"""Text of `seqbench verify`: the outcome, its groups, its reasons."""

from collections.abc import Iterator, Sequence

from seqbench.formatting import format_difference, format_interval, join_words
from seqbench.results.environments import format_differences
from seqbench.verification.outcome import Outcome, Rerun, ScoreCheck, Verification
from seqbench.verification.rounding import LOSS_BOUND
from seqbench.verification.score_shift import ScoreShift

WORDS = {
    Outcome.EQUAL: "bitwise equal",
    Outcome.EQUAL_TO_ROUNDING: "equal to rounding",
    Outcome.EQUIVALENT: "equivalent",
    Outcome.UNDECIDED: "undecided",
    Outcome.DIFFERENT: "differs",
}


def describe_verification(
    found: Verification, *, sampled: bool = False, runs: bool = False
) -> Iterator[str]:
    """Yield the outcome, a line for each group, and what explains them; ``runs``: for each run."""
    yield _describe_outcome(found, sampled)
    for check in found.checks:
        yield f"  {_describe_check(check)}"
        if runs:
            for rerun in check.reruns:
                yield f"    seed {rerun.published.spec.seed}: {_describe_run(rerun)}"
    if found.outcome == Outcome.EQUAL_TO_ROUNDING:
        yield f"the bound is {LOSS_BOUND:g}, relative, or one example of an accuracy"
        yield f"the largest difference: {_name_largest(found)}"
    yield from _explain(found)


def _describe_outcome(found: Verification, sampled: bool) -> str:
    outcome, reruns = found.outcome, found.reruns
    words = WORDS[outcome]
    deciding = [check for check in found.checks if check.outcome == outcome]
    groups = f"{len(deciding)} of {_count(len(found.checks), 'group')}"
    if outcome == Outcome.EQUAL:
        return f"{words}: {_count(len(reruns), 'run')}"
    if outcome == Outcome.EQUAL_TO_ROUNDING:
        equal = sum(rerun.outcome == Outcome.EQUAL for rerun in reruns)
        more = f", {equal} of them bitwise" if equal else ""
        return f"{words}: {_count(len(reruns), 'run')}{more}"
    if outcome == Outcome.EQUIVALENT:
        return f"{words}: the mean score shift is within the margin in every group (TOST, 5 %)"
    if outcome == Outcome.DIFFERENT:
        return f"{words}: {groups}, {join_words([check.name for check in deciding])}"
    return f"{words}: {groups} undecided; {_advise(deciding, sampled)}"


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def _name_largest(found: Verification) -> str:
    """Name the run, epoch and column of the largest difference, relative to its bound."""
    largest = [(check.name, each) for check in found.checks if (each := _find_largest(check))]
    name, rerun = max(largest, key=lambda each: _share(each[1]))
    return f"{name} {_describe_place(rerun)}"


def _find_largest(check: ScoreCheck) -> Rerun | None:
    """Return the run of a group that is furthest from what was published, if any is."""
    return max((each for each in check.reruns if each.deviation), key=_share, default=None)


def _share(rerun: Rerun) -> float:
    return rerun.deviation.share if rerun.deviation else 0.0


def _describe_place(rerun: Rerun) -> str:
    return f"seed {rerun.published.spec.seed}, {_describe_run(rerun)}"


def _advise(undecided: Sequence[ScoreCheck], sampled: bool) -> str:
    """Describe what would decide."""
    needed = [check.shift.seeds_needed for check in undecided if check.shift]
    if any(check.shift and not check.shift.margin for check in undecided):
        return "a published score is not better than the baseline's: set --margin"
    if sampled:
        return "omit --sample to use all seeds of a group"
    known = [seeds for seeds in needed if seeds is not None]
    if not known:
        return "publish a result with more seeds, or set a wider --margin"
    return f"a result with about {max(known)} seeds would probably decide, or a wider --margin"


def _describe_check(check: ScoreCheck) -> str:
    line = f"{check.name}: {WORDS[check.outcome]}, n = {len(check.reruns)}"
    if check.shift is not None:
        metric = check.reruns[0].published.row["metric"]
        line = f"{line}; {_describe_shift(check.shift, metric, check.outcome)}"
        largest = _find_largest(check)
        return f"{line}; largest deviation: {_describe_place(largest)}" if largest else line
    if check.outcome == Outcome.DIFFERENT:
        return f"{line}; {_describe_faults(check.reruns)}"
    return line


def _describe_shift(shift: ScoreShift, metric: str, outcome: Outcome) -> str:
    text = f"mean shift {format_difference(shift.mean, metric)}"
    margin = format_difference(shift.margin, metric)
    if shift.seeds == 1:
        return f"{text}, margin ±{margin}; one seed has no spread: at least two are needed"
    different = outcome == Outcome.DIFFERENT
    interval = shift.difference_interval if different else shift.equivalence_interval
    confidence = shift.difference_confidence if different else 0.9
    text += f", {100 * confidence:.4g} % CI {format_interval(*interval, metric)}, margin ±{margin}"
    if outcome == Outcome.UNDECIDED and shift.margin:
        needed = shift.seeds_needed
        return f"{text}; {f'about {needed}' if needed else 'very many'} seeds would probably decide"
    return text


def _describe_faults(reruns: Sequence[Rerun]) -> str:
    seeds: dict[str, list[str]] = {}
    for rerun in reruns:
        if rerun.fault:
            seeds.setdefault(rerun.fault, []).append(str(rerun.published.spec.seed))
    return "; ".join(f"seed {', '.join(each)}: {fault}" for fault, each in seeds.items())


def _describe_run(rerun: Rerun) -> str:
    if rerun.fault:
        return rerun.fault
    if rerun.deviation is None:
        return WORDS[Outcome.EQUAL]
    place = rerun.deviation
    share = f"{100 * place.share:.2g} % of" if place.share < 10 else f"{place.share:,.0f} times"
    text = f"epoch {place.epoch}, {place.column} differs by {place.difference:.2g}"
    return f"{text} ({share} the bound)"


def _explain(found: Verification) -> Iterator[str]:
    """Yield why runs are not bitwise equal, or ought to be."""
    unequal = [rerun for rerun in found.reruns if rerun.outcome != Outcome.EQUAL]
    if found.differences:
        telling = sorted(found.differences, key=lambda each: ".packages." in each)
        yield f"another environment: {format_differences(telling)}"
    else:
        expected = sum(_was_expected_equal(rerun) for rerun in unequal)
        if expected:
            yield (
                f"in the same environment {_count(expected, 'deterministic run')} should have been "
                f"bitwise equal"
            )
    changed = sum(rerun.code_changed for rerun in unequal)
    if changed:
        noun = "run that is" if changed == 1 else "runs that are"
        yield f"the code of {changed} {noun} not equal has changed"
    unsteady = sum(rerun.deterministic is False for rerun in unequal)
    if unsteady:
        noun = "run is" if unsteady == 1 else "runs are"
        yield f"{unsteady} {noun} marked as nondeterministic and need not be equal"


def _was_expected_equal(rerun: Rerun) -> bool:
    """Return whether nothing explains, on the same machine, that a run is not equal."""
    return rerun.deterministic is True and not rerun.code_changed and rerun.fault is None
