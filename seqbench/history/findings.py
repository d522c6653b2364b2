"""What a history shows, in sentences: frames of `trends` in, Markdown sentences out."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from seqbench.history.change_points import LEAST_POINTS
from seqbench.history.tables import format_effect, format_range, format_value
from seqbench.history.trends import CHANGE, FIGURES, NONE, PERHAPS, TOO_FEW, History
from seqbench.printable import quote_code
from seqbench.report.tables import format_p


def describe_history(history: History) -> Iterator[str]:
    """Yield what was read, what cannot be compared, and what changed or did not."""
    yield _describe_line(history)
    yield from history.timeline.notes
    yield from _describe_machines(history.machines)
    for row in history.changes.itertuples():
        if row.verdict == CHANGE:
            yield describe_change(row)
    for row in history.changes.itertuples():
        if row.verdict == PERHAPS:
            tested = int((history.trends["verdict"] != TOO_FEW).sum())
            yield (
                f"Perhaps: {describe_change(row)} It is not significant after correction for "
                f"{tested} series."
            )
    yield from _count_unchanged(history.trends)


def describe_change(row: Any) -> str:
    """Return what changed, by how much, where, and what else differed there."""
    where = f"between {row.previous} and {row.point}"
    if row.earliest != row.latest:
        where += f" (plausible range: {row.earliest} to {row.latest})"
    text = (
        f"**{row.label}** on `{row.task}` ({row.device}): {FIGURES[row.figure]} "
        f"{'better' if row.better else 'worse'}, {format_value(row, row.before)} to "
        f"{format_value(row, row.after)}, {where}. That is {format_effect(row)} "
        f"({format_range(row)}; p {_with_sign(row.p_adjusted)} by Holm)."
    )
    if not pd.isna(row.seeds_low) and row.seeds_low <= 0 <= row.seeds_high:
        text += " Over seeds the difference is not significant."
    return f"{text} Also different: {quote_code(row.also)}." if row.also else text


def _with_sign(p: float) -> str:
    shown = format_p(p)
    return shown if shown.startswith("<") else f"= {shown}"


def _describe_line(history: History) -> str:
    points = history.timeline.points
    first, last = points[0], points[-1]
    if len(points) == 1:
        return f"1 result of {history.timeline.name}: {first.name}, of {first.made_at[:10]}."
    return (
        f"{len(points)} results of {history.timeline.name}: {first.name}, of "
        f"{first.made_at[:10]}, to {last.name}, of {last.made_at[:10]}."
    )


def _describe_machines(machines: pd.DataFrame) -> Iterator[str]:
    """Yield of each machine but the first in what it differs, where it first occurs."""
    for row in machines.drop_duplicates("machine").itertuples():
        if row.differs:
            yield (
                f"{row.point} was made on machine {row.machine}, the previous one on another: "
                f"{quote_code(row.differs)}. Their times are not compared."
            )


def _count_unchanged(trends: pd.DataFrame) -> Iterator[str]:
    none = trends[trends["verdict"] == NONE]
    few = trends[trends["verdict"] == TOO_FEW]
    if not none.empty:
        yield (
            f"No change was found in {_count(len(none))} of {LEAST_POINTS} points or more. Small "
            f"changes may be hidden by the noise."
        )
    if not few.empty:
        yield (
            f"Not tested: {_count(len(few))} with fewer than {LEAST_POINTS} points; the longest "
            f"has {few['points'].max()}."
        )


def _count(number: int) -> str:
    return f"{number} series"
