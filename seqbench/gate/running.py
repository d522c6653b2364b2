"""A gate from beginning to end: scores, memory, then pairs of processes until all is decided."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seqbench.errors import UsageError
from seqbench.gate.cases import Case
from seqbench.gate.declarations import pair_declarations
from seqbench.gate.pairs import blaming, measure_pair
from seqbench.gate.peaks import RESIDENT
from seqbench.gate.processes import EndedError, ForeignVersionError, VersionError
from seqbench.gate.rules import Rules
from seqbench.gate.sameness import Differences, are_same_code, find_differences, find_readers
from seqbench.gate.sides import LOADING_S, Sides, allow, draw_order, start_sides
from seqbench.gate.versions import Versions

FIRST_SEEDS = 2
"""Seeds that must be bitwise equal on both sides for a score to pass at once."""

FIRST_READINGS = 2
"""Readings of memory that must be equal on both sides for it to pass at once."""

_REHEARSED_UNTIL = 0.3  # shares of the budget
_SCORES_UNTIL = 0.5
_MEMORY_UNTIL = 0.7

Say = Callable[[str], object]


@dataclass(frozen=True)
class Outcome:
    """Outcome of a gate.

    Parameters
    ----------
    versions, file, rules
        What was compared, by which benchmarks, and how.
    cases
        The benchmarks with the evidence on them.
    pairs
        How many pairs of processes were measured.
    seconds, sampled_s
        What it took in all, and of that the samples of both sides.
    """

    versions: Versions
    file: Path
    rules: Rules
    cases: list[Case]
    pairs: int
    seconds: float
    sampled_s: float


def run_gate(versions: Versions, file: Path, rules: Rules, say: Say = lambda text: None) -> Outcome:
    """Measure two versions against each other.

    A process may be up to a third slower than its twin for as long as it lives, depending on its
    memory layout. So pairs are replaced by new ones, and each is one value.

    Parameters
    ----------
    versions
        What is compared.
    file
        The benchmark file, relative to a version's folder.
    rules
        How it is judged and what it may cost.
    say
        Called with a message for each step.

    Raises
    ------
    VersionError
        If a version cannot import its benchmarks, with the end of its traceback, or if it runs
        code that is neither its own nor installed.
    UsageError
        If the head has no benchmark file, or the rules name an unknown benchmark.
    """
    start = time.monotonic()
    found = find_differences(versions.base.folder, versions.head.folder)  # before anything runs
    cases = _find_cases(versions, file, rules)
    if not rules.measure_same and are_same_code(versions, found):
        _rehearse(versions, file, cases, found, start + _REHEARSED_UNTIL * rules.budget_s, say)
    _compare_scores(versions, file, cases, start + _SCORES_UNTIL * rules.budget_s, say)
    _compare_memory(versions, file, cases, start + _MEMORY_UNTIL * rules.budget_s, say)
    pairs, sampled_s = _compare_times(versions, file, cases, start + rules.budget_s, say)
    seconds = time.monotonic() - start
    return Outcome(versions, file, rules, cases, pairs, seconds, sampled_s)


def _find_cases(versions: Versions, file: Path, rules: Rules) -> list[Case]:
    """Return the benchmarks of both versions; a base without the file has none."""
    if not (versions.head.folder / file).is_file():
        raise UsageError(f"the head, {versions.head}, has no {file}: benchmarks for the gate")
    within_s = max(LOADING_S, rules.budget_s)
    with start_sides(versions, file) as sides:
        if (versions.base.folder / file).is_file():
            sides.ask_both("load", within_s=within_s)
            base, head = sides.ask_both("describe")
        else:
            sides.ask("head", "load", within_s=within_s)
            base, head = [], sides.ask("head", "describe")
    return pair_declarations((versions.base, base), (versions.head, head), file, rules)


def _rehearse(
    versions: Versions,
    file: Path,
    cases: Sequence[Case],
    found: Differences,
    deadline: float,
    say: Say,
) -> None:
    """Call cases the same if no benchmark reads the words in which the versions differ."""
    names = [case.name for case in cases]
    try:
        readers = find_readers(versions, file, names, found, deadline)
    except ForeignVersionError:
        raise
    except VersionError as error:
        readers = error.brief
    if readers:
        say(f"only documentation differs, but {readers}: measuring")
    for case in cases:
        case.same_code = not readers


def _compare_scores(
    versions: Versions, file: Path, cases: Sequence[Case], deadline: float, say: Say
) -> None:
    """Train with one seed after the other, both sides at once, until every score is decided."""

    def list_open() -> list[Case]:
        wanting = [case for case in cases if case.wants_seeds(FIRST_SEEDS)]
        return wanting if time.monotonic() < deadline else []

    steps = _Steps(say)
    while list_open():  # again if a process ended over a case
        with suppress(EndedError), start_sides(versions, file) as sides:
            sides.ask_both("load", within_s=allow(deadline))
            while open_ := list_open():
                steps.tell(len(open_), f"scores: {len(open_)} of {len(cases)} are compared")
                _train_once(sides, open_, deadline)


def _train_once(sides: Sides, cases: Sequence[Case], deadline: float) -> None:
    """Train each benchmark with its next seed, as far as there is time."""
    for case in cases:
        if time.monotonic() > deadline:
            return
        within_s = allow(deadline, len(cases))  # one that hangs leaves the others their shares
        with blaming(case, "score"):
            seed = len(case.base_scores)
            case.add_seed(*sides.ask_both("train", case.name, seed, within_s=within_s))


def _compare_memory(
    versions: Versions, file: Path, cases: Sequence[Case], deadline: float, say: Say
) -> None:
    """Read peaks of memory, both sides at once, until every benchmark's is decided."""

    def list_open() -> list[Case]:
        wanting = [case for case in cases if case.wants_memory(FIRST_READINGS)]
        return wanting if time.monotonic() < deadline else []

    steps = _Steps(say)
    while open_ := list_open():
        waiting = list(open_)
        steps.tell(len(open_), f"memory: {len(open_)} of {len(cases)} are compared")
        while waiting and time.monotonic() < deadline:
            with suppress(EndedError), start_sides(versions, file, draw_order()) as sides:
                sides.ask_both("load", within_s=allow(deadline))
                _read_memory(sides, waiting, allow(deadline, len(open_)))


def _read_memory(sides: Sides, waiting: list[Case], within_s: float) -> None:
    """Read one peak of memory of each benchmark that waits, as far as one process can.

    What is resident belongs to all that a process has done, so it is read once in its life.
    """
    while waiting:
        case = waiting.pop(0)
        with blaming(case, "memory"):
            readings = sides.ask_both("measure_memory", case.name, within_s=within_s)
            case.add_memory(*readings)
            if any(each is not None and each[0] == RESIDENT for each in readings):
                return


def _compare_times(
    versions: Versions, file: Path, cases: Sequence[Case], deadline: float, say: Say
) -> tuple[int, float]:
    """Measure pairs of processes until all times are decided; return how many, and samples."""
    steps, sampled_s, pairs = _Steps(say), 0.0, 0
    while open_ := [case for case in cases if case.wants_pairs()]:
        if time.monotonic() > deadline:
            break
        with suppress(EndedError), start_sides(versions, file, draw_order()) as sides:
            sides.ask_both("load", within_s=allow(deadline))
            sampled_s += measure_pair(sides, open_, deadline)
        pairs += 1
        decided = sum(case.time.decided for case in cases)
        steps.tell(decided, f"pair {pairs}: {decided} of {len(cases)} times decided")
    return pairs, sampled_s


class _Steps:
    """Reports the progress of a gate: when something was decided, and else ever more seldom."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._count, self._state = 0, -1

    def tell(self, state: int, text: str) -> None:
        """Print a text if the state changed, or if it is the first, second, fourth, eighth."""
        self._count += 1
        if state != self._state or self._count.bit_count() == 1:
            self._say(text)
        self._state = state
