"""A task's declaration, checked before it is used. Each rule returns a sentence."""

import re
from collections.abc import Iterator

from seqbench.metrics import find_metric
from seqbench.tasks.faults import find_unit_fault

METRIC = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
LONGEST = 100  # characters of a metric's name, which is in every row


def find_plan_fault(task: object) -> str | None:
    """Return what is wrong with what the plan goes by, or None: read-outs, length, direction."""
    return next(_list_plan_faults(task), None)


def find_size_fault(task: object) -> str | None:
    """Return what is wrong with what models and rows go by, or None: sizes and metric.

    A task may find out its sizes as it loads its data, so they are checked afterwards.
    """
    return next(_list_size_faults(task), None)


def _list_plan_faults(task: object) -> Iterator[str]:
    readouts = getattr(task, "readouts", None)
    names = isinstance(readouts, tuple | list) and all(isinstance(each, str) for each in readouts)
    if not names or not readouts:
        yield f"declares readouts = {readouts!r}, expected a tuple of names of read-outs"
    elif "each" in readouts and len(readouts) > 1:
        yield f"declares readouts = {readouts!r}, but each excludes all others"
    if not isinstance(looks_ahead := getattr(task, "looks_ahead", None), bool):
        yield f"declares looks_ahead = {looks_ahead!r}, expected True or False"
    length = getattr(task, "default_length", None)
    if length is not None and not _is_size(length):
        yield f"declares default_length = {length!r}, expected a whole number ≥ 1, or None"


def _list_size_faults(task: object) -> Iterator[str]:
    for name in ("features", "time", "outputs"):
        if not _is_size(size := getattr(task, name, None)):
            yield f"declares {name} = {size!r}, expected a whole number ≥ 1"
    metric = getattr(task, "metric", None)
    if not isinstance(metric, str) or len(metric) > LONGEST or not METRIC.fullmatch(metric):
        yield f"declares metric = {metric!r}, expected lower-case words joined by underscores"
        return
    if fault := find_unit_fault(metric, getattr(task, "metric_unit", None)):
        yield fault
    higher, known = getattr(task, "higher_is_better", None), find_metric(metric).higher_is_better
    if not isinstance(higher, bool) or known not in (None, higher):
        expected = "True or False" if known is None else str(known)
        yield f"declares higher_is_better = {higher!r} of {metric}, expected {expected}"


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
