"""One pair of processes: they alternate on one core, A B B A, over all benchmarks."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from seqbench.gate.cases import Case, Part
from seqbench.gate.processes import EndedError, ForeignVersionError, VersionError
from seqbench.gate.sides import HANGING, Sides, allow

_SAMPLED_S = 1.5  # a pair's samples; to start its processes takes longer
_ROUNDS = (4, 12)  # fewest and most rounds of A B B A
_LEAST_SAMPLE_S = 2e-3  # shorter work is done several times for a sample
_LOOK_S = 0.2  # long enough to see that a core is busy
_TRIMMED = 0.1  # share of a side's samples that its mean leaves out at either end


@dataclass
class _Turns:
    """Of one benchmark: calls in a sample, seconds of a call, and each side's samples so far."""

    calls: int
    call_s: float
    samples_s: dict[str, list[float]] = field(default_factory=lambda: {"base": [], "head": []})


def measure_pair(sides: Sides, cases: Sequence[Case], deadline: float) -> float:
    """Let two processes that are loaded alternate, and give each case its outcome.

    Parameters
    ----------
    sides
        The processes, in the order in which they alternate.
    cases
        What they are asked to do; one in which a side fails is marked and left out.
    deadline
        When the budget is spent, by `time.monotonic`: no process is waited for much longer.

    Returns
    -------
    seconds
        What all samples of both sides took together.

    Raises
    ------
    EndedError
        If a process ended over a case, which is marked.
    """
    turns: dict[str, _Turns] = {}
    for case in cases:
        with blaming(case, "time"):
            within_s = allow(deadline, len(cases))
            prepared_s = sides.ask_both("prepare", case.name, within_s=within_s, in_turn=True)
            call_s = max(*prepared_s, 1e-9)
            turns[case.name] = _Turns(max(1, round(_LEAST_SAMPLE_S / call_s)), call_s)
    sides.ask_both("settle", find_idlest_core())
    first, second = sides.order
    orders = (first, second, second, first), (second, first, first, second)
    for number in range(_count_rounds(turns)):
        for case in cases:
            if (each := turns.get(case.name)) and not case.stuck:
                within_s = max(allow(deadline, len(cases)), HANGING * each.calls * each.call_s)
                with blaming(case, "time"):
                    for name in orders[number % 2]:
                        seconds = sides.ask(name, "time", case.name, each.calls, within_s=within_s)
                        each.samples_s[name].append(seconds)
    for case in cases:
        if (each := turns.get(case.name)) and not case.stuck:
            base_s, head_s = (_trim_mean(each.samples_s[name]) for name in ("base", "head"))
            case.add_pair(base_s / each.calls, head_s / each.calls)
    return sum(sum(map(sum, each.samples_s.values())) for each in turns.values())


@contextmanager
def blaming(case: Case, part: Part) -> Iterator[None]:
    """Record a side's failure in its case; the end of a process is passed on to the caller.

    So does code that comes from elsewhere: it is no matter of a case.
    """
    try:
        yield
    except ForeignVersionError:
        raise
    except VersionError as error:
        case.fail(part, error)
        if isinstance(error, EndedError):
            raise


def find_idlest_core() -> int | None:
    """Return the core that has least to do just now; None where processes cannot be kept on one."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    busy = dict(enumerate(psutil.cpu_percent(_LOOK_S, percpu=True)))  # a container may hide some
    return min(os.sched_getaffinity(0), key=lambda core: (busy.get(core, 100.0), -core))


def _count_rounds(turns: dict[str, Any]) -> int:
    round_s = 4 * sum(each.calls * each.call_s for each in turns.values())
    fewest, most = _ROUNDS
    return min(most, max(fewest, round(_SAMPLED_S / round_s))) if turns else 0


def _trim_mean(values: Sequence[float]) -> float:
    """Return the mean without the least and the greatest tenth."""
    cut = int(_TRIMMED * len(values))
    return float(np.sort(values)[cut : len(values) - cut].mean())
