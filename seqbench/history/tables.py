"""Tables of a history: frames of `trends` and `history` in, cells out."""

from typing import Any

import pandas as pd

from seqbench.formatting import (
    format_count,
    format_difference,
    format_factor,
    format_interval,
    format_score,
    format_seconds,
)
from seqbench.history.trends import ALL_MACHINES, FIGURES
from seqbench.report.tables import Cells, format_p


def format_value(row: Any, value: float) -> str:
    """Return a value of a row's figure in its unit."""
    if row.figure == "score":
        return format_score(value, row.metric)
    if row.figure == "epoch_time_s":
        return format_seconds(value)
    return f"{format_count(float(value))} samples/s"


def format_effect(row: Any) -> str:
    """Return a change's effect: a difference of scores with its sign, a factor of anything else."""
    if row.figure != "score":
        return format_factor(row.effect)
    return f"{'+' if row.effect > 0 else ''}{format_difference(row.effect, row.metric)}"


def format_range(row: Any) -> str:
    """Return the ends of the interval of a change's effect."""
    if row.figure == "score":
        return format_interval(row.low, row.high, row.metric)
    return f"{format_factor(row.low)} to {format_factor(row.high)}"


def _machine(row: Any) -> str:
    return "all" if row.machine == ALL_MACHINES else str(row.machine)


def _noise(row: Any) -> str:
    if pd.isna(row.sigma):
        return "—"
    if row.figure == "score":
        return format_difference(row.sigma, row.metric)
    return f"{row.sigma:.1%}"


TRENDS: Cells = {
    "task": lambda row: row.task,
    "variant": lambda row: row.label,
    "device": lambda row: row.device,
    "figure": lambda row: FIGURES[row.figure],
    "machine": _machine,
    "points": lambda row: str(row.points),
    "first": lambda row: format_value(row, row.first),
    "last": lambda row: format_value(row, row.last),
    "noise": _noise,
    "autocorrelation": lambda row: "—" if pd.isna(row.rho) else f"{row.rho:.2f}",
    "p": lambda row: format_p(row.p),
    "p, Holm": lambda row: format_p(row.p_adjusted),
    "change": lambda row: row.verdict,
}
CHANGES: Cells = {
    "task": lambda row: row.task,
    "variant": lambda row: row.label,
    "device": lambda row: row.device,
    "figure": lambda row: FIGURES[row.figure],
    "machine": _machine,
    "at": lambda row: row.point,
    "perhaps from, to": lambda row: (
        row.point if row.earliest == row.latest else f"{row.earliest}, {row.latest}"
    ),
    "before": lambda row: format_value(row, row.before),
    "after": lambda row: format_value(row, row.after),
    "effect": format_effect,
    "95 % interval": format_range,
    "over seeds": lambda row: format_interval(row.seeds_low, row.seeds_high, row.metric),
    "p": lambda row: format_p(row.p),
    "over all series, Holm": lambda row: format_p(row.p_adjusted),
    "certain": lambda row: row.verdict,
    "differs there": lambda row: row.also or "nothing recorded",
}
MACHINES: Cells = {
    "machine": lambda row: str(row.machine),
    "processor": lambda row: row.cpu,
    "results": lambda row: str(row.results),
    "first": lambda row: row.first,
    "last": lambda row: row.last,
}
