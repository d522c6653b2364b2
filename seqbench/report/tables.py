"""Tables: frames of `stats` in, Markdown tables out, a row a row."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from seqbench.analysis.profiles import KINDS
from seqbench.analysis.significance import SIGNIFICANCE
from seqbench.analysis.stats import MEMORY
from seqbench.formatting import (
    format_bytes,
    format_count,
    format_difference,
    format_factor,
    format_interval,
    format_score,
    format_seconds,
)
from seqbench.report.markdown import escape, format_markdown

Cells = dict[str, Callable[[Any], str]]

SUMMARY: Cells = {
    "task": lambda row: row.task,
    "variant": lambda row: row.label,
    "device": lambda row: row.device,
    "implementation": lambda row: row.implementation,
    "parameters": lambda row: _known(row.parameters),
    "seeds": lambda row: str(row.seeds),
    "score": lambda row: format_score(row.score, row.metric, row.metric_unit),
    "95 % interval": lambda row: _cut_interval(row),
    "epoch time": lambda row: format_seconds(row.epoch_time_s),
    "range (min–max)": lambda row: (
        f"{format_seconds(row.epoch_time_min_s)}–{format_seconds(row.epoch_time_max_s)}"
    ),
    "× least": lambda row: format_factor(row.relative_time),
    "training, samples/s": lambda row: _per_second(row.train_samples_per_s),
    "inference, samples/s": lambda row: _per_second(row.eval_samples_per_s),
    "of peak": lambda row: "—" if pd.isna(row.peak_fraction) else f"{row.peak_fraction:.0%}",
    "peak memory": lambda row: _memory(row),
    "contended": lambda row: f"{row.contended:.0%}",
    "stable": lambda row: _stable(row.unstable),
}
DIFFERENCES: Cells = {
    "task": lambda row: row.task,
    "device": lambda row: row.device,
    "best": lambda row: row.best,
    "compared with": lambda row: row.label,
    "ahead by": lambda row: format_difference(row.shortfall, row.metric, row.metric_unit),
    "95 % interval": lambda row: format_interval(row.low, row.high, row.metric, row.metric_unit),
    "seeds": lambda row: (
        str(row.seeds) if row.seeds == row.best_seeds else f"{row.best_seeds} and {row.seeds}"
    ),
    "p, adjusted": lambda row: format_p(row.p),
}
PUBLISHED: Cells = {
    "task": lambda row: (
        row.task_name
        if pd.isna(row.published_length)
        else f"{row.task_name} T={row.published_length}"
    ),
    "variant": lambda row: row.variant,
    "published": lambda row: format_score(row.published_score, row.metric, row.metric_unit),
    "source": lambda row: _known(row.source),
    "parameters": lambda row: _known(row.published_parameters),
    "epochs": lambda row: _known(row.published_epochs),
    "convention": lambda row: _known(row.convention),
    "ours": lambda row: format_score(row.score, row.metric, row.metric_unit),
    "of": lambda row: "—" if pd.isna(row.score) else _name_group(row),
    "our parameters": lambda row: _known(row.parameters),
    "our epochs": lambda row: _known(row.epochs),
}
COMPARISON: Cells = {
    "task": lambda row: row.task,
    "variant": lambda row: row.label,
    "device": lambda row: row.device,
    "seeds": lambda row: str(row.seeds),
    "first": lambda row: format_score(row.first, row.metric),
    "second": lambda row: format_score(row.second, row.metric),
    "better by": lambda row: (
        "equal scores" if row.equal == row.seeds else format_difference(row.gain, row.metric)
    ),
    "95 % interval": lambda row: format_interval(row.low, row.high, row.metric),
    "p, adjusted": lambda row: format_p(row.p),
    "epoch time, second over first": lambda row: (
        "—" if pd.isna(row.time_ratio) else format_factor(row.time_ratio)
    ),
    "between": lambda row: (
        "—"
        if pd.isna(row.ratio_low)
        else f"{format_factor(row.ratio_low)} and {format_factor(row.ratio_high)}"
    ),
}
FAILED: Cells = {
    "run": lambda row: row.run_id,
    "status": lambda row: row.status,
    "error": lambda row: row.error,
}


def _known(value: Any) -> str:
    """Return a text or a whole number, or a dash where nothing is known."""
    if pd.isna(value) or value == "":
        return "—"
    return value if isinstance(value, str) else format_count(int(value))


def _memory(row: Any) -> str:
    """Return the memory of a group of runs, with its range, or a dash where it is not known."""
    sizes = [getattr(row, name) for name in MEMORY]
    return "—" if pd.isna(sizes[0]) else format_bytes(*sizes)


def _cut_interval(row: Any) -> str:
    """Return the interval of a score, and whether it was cut to what the metric can be."""
    interval = format_interval(row.score_low, row.score_high, row.metric, row.metric_unit)
    return f"{interval} (cut)" if row.cut else interval


def _stable(unstable: Any) -> str:
    """Return whether a time is stable, or a dash where that is not known."""
    return "—" if pd.isna(unstable) else "no" if unstable else "yes"


def _name_group(row: Any) -> str:
    return row.label if row.task == row.task_name else f"{row.label}, {row.task}"


def format_p(p: float) -> str:
    """Return a p value with three decimals, more where it decides, or a dash for none."""
    if pd.isna(p):
        return "—"
    if p < 0.001:
        return "< 0.001"
    near = f"{p:.3f}" == f"{SIGNIFICANCE:.3f}"
    return f"{p:.5f}" if near else f"{p:.3f}"


def format_table(frame: pd.DataFrame, cells: Cells) -> str:
    """Return a Markdown table with a row for each row of ``frame``; empty for an empty frame."""
    rows = _make_rows(frame, cells)
    return format_markdown(rows, list(cells)) if rows else ""


def format_summary(summary: pd.DataFrame) -> str:
    """Return the table of `SUMMARY`, task by task, with the baseline as the last row of each."""
    rows: list[list[str]] = []
    for task, part in summary.groupby("task", sort=False) if len(summary) else ():
        first = part.iloc[0]
        score = format_score(*first[["baseline_score", "metric", "metric_unit"]])
        told = {"task": escape(task), "variant": "baseline", "score": score}
        rows += _make_rows(part, SUMMARY)
        rows.append([told.get(column, "—") for column in SUMMARY])
    return format_markdown(rows, list(SUMMARY)) if rows else ""


def _make_rows(frame: pd.DataFrame, cells: Cells) -> list[list[str]]:
    return [[escape(make(row)) for make in cells.values()] for row in frame.itertuples()]


def _per_second(value: float) -> str:
    return "—" if pd.isna(value) else format_count(float(value))


def _share(row: Any, kind: str) -> str:
    return f"{getattr(row, kind):.0%}"


def _duration(value: float) -> str:
    return "—" if pd.isna(value) else format_seconds(value)


SPEED: Cells = {
    "task": lambda row: row.task,
    "variant": lambda row: row.label,
    "device": lambda row: row.device,
    "implementation": lambda row: row.implementation,
    "parameters": lambda row: _known(row.parameters),
    "training, samples/s": lambda row: _per_second(row.train_step_samples_per_s),
    "time steps/s": lambda row: _per_second(row.train_step_steps_per_s),
    "step": lambda row: _duration(row.train_step_seconds),
    "forward": lambda row: _duration(row.forward_seconds),
    "backward": lambda row: _duration(row.backward_seconds),
    "inference, samples/s": lambda row: _per_second(row.inference_samples_per_s),
    "latency p50": lambda row: _duration(row.latency_p50_s),
    "p95": lambda row: _duration(row.latency_p95_s),
    "p99": lambda row: _duration(row.latency_p99_s),
    "n": lambda row: format_count(int(row.latency_run_samples)),
    "first step": lambda row: _duration(row.first_step_seconds),
    "compiling": lambda row: _duration(getattr(row, "compile_seconds", float("nan"))),
    "GFLOP/s": lambda row: _per_second(row.train_step_flops_per_s / 1e9),
    "of peak": lambda row: (
        "—" if pd.isna(row.train_step_peak_fraction) else f"{row.train_step_peak_fraction:.0%}"
    ),
    "peak memory": lambda row: _memory(row),
    "contended": lambda row: f"{row.train_step_contended:.0%}",
    "stable": lambda row: _stable(row.train_step_unstable),
}
PROFILES: Cells = {
    "task": lambda row: row.task,
    "variant": lambda row: row.label,
    "device": lambda row: row.device,
    "of peak": lambda row: "—" if pd.isna(row.peak_fraction) else f"{row.peak_fraction:.0%}",
    **{name: partial(_share, kind=kind) for kind, name in KINDS.items()},
    "of peak within products": lambda row: (
        "—" if pd.isna(row.product_fraction) else f"{row.product_fraction:.0%}"
    ),
    "operators a step": lambda row: format_count(float(row.operators)),
    "costliest": lambda row: ", ".join(f"{name} {share:.0%}" for name, share in row.costliest),
}
LIMITS: Cells = {
    "device": lambda row: row.device,
    "threads": lambda row: str(row.threads),
    "precision": lambda row: row.precision,
    "product of large squares": lambda row: f"{row.peak_flops_per_s / 1e9:,.1f} GFLOP/s",
    "range (min–max) over runs": lambda row: (
        f"{row.peak_least / 1e9:,.1f}–{row.peak_most / 1e9:,.1f}"
    ),
    "copy in memory": lambda row: f"{row.peak_bytes_per_s / 1e9:,.1f} GB/s",
}
RACE: Cells = {
    "task": lambda row: row.task,
    "device": lambda row: row.device,
    "variant": lambda row: row.variant,
    "threads": lambda row: str(row.threads),
    "phase": lambda row: {"train_step": "training step", "inference": "inference"}[row.phase],
    "implementation": lambda row: row.implementation,
    "precision": lambda row: row.precision,
    "time": lambda row: _duration(row.seconds),
    "times as fast": lambda row: format_factor(row.speedup),
    "as": lambda row: row.base,
    "between": lambda row: (
        "—"
        if pd.isna(row.speedup_low)
        else f"{format_factor(row.speedup_low)} and {format_factor(row.speedup_high)}"
    ),
    "fastest": lambda row: "yes" if row.best else "",
}
TARGETS: Cells = {
    "task": lambda row: row.task,
    "device": lambda row: row.device,
    "recipe": lambda row: row.label,
    "target": lambda row: format_score(row.target, row.metric, row.metric_unit),
    "reached": lambda row: f"{row.reached} of {row.seeds}",
    "time to it": lambda row: _duration(row.target_time_s),
    "range (min–max)": lambda row: (
        "—"
        if pd.isna(row.target_time_s)
        else f"{format_seconds(row.least_s)}–{format_seconds(row.most_s)}"
    ),
    "evaluated every": lambda row: _duration(row.spacing_s),
    "final score": lambda row: format_score(row.score, row.metric, row.metric_unit),
    "changed": lambda row: row.changed or "—",
    "which made it": lambda row: (
        "—"
        if pd.isna(row.gain)
        else f"{format_factor(row.gain)} as fast"
        if row.p < SIGNIFICANCE
        else "no significant difference"
    ),
    "p, adjusted": lambda row: format_p(row.p),
    "in all": lambda row: "—" if pd.isna(row.total) else f"{format_factor(row.total)} as fast",
}
