"""Tables: frames of an `Analysis` in, Markdown tables out, a row a row, at most eight columns.

What a table leaves out stands in the CSV files.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from seqbench.analysis.profiles import KINDS
from seqbench.analysis.significance import SIGNIFICANCE, is_significant
from seqbench.analysis.stats import MEMORY
from seqbench.formatting import (
    format_bytes,
    format_count,
    format_difference,
    format_factor,
    format_interval,
    format_mean,
    format_score,
    format_seconds,
    format_share,
)
from seqbench.report.markdown import escape, format_markdown

Cells = dict[str, Callable[[Any], str]]

MOST_COLUMNS = 8


def format_table(frame: pd.DataFrame, cells: Cells) -> str:
    """Return a Markdown table with a row for each row of ``frame``; empty for an empty frame."""
    rows = _make_rows(frame, cells)
    return format_markdown(rows, list(cells)) if rows else ""


def format_scores(summary: pd.DataFrame) -> str:
    """Return the table of `SCORES`, with the baseline as the last row of each task and device."""
    rows: list[list[str]] = []
    parts = summary.groupby(["task", "device"], sort=False) if len(summary) else ()
    for _, part in parts:
        first = part.iloc[0]
        score = format_score(*first[["baseline_score", "metric", "metric_unit"]])
        shown = {"task (device)": escape(place(first)), "variant": "baseline", "score": score}
        rows += _make_rows(part, SCORES)
        rows.append([shown.get(column, "—") for column in SCORES])
    return format_markdown(rows, list(SCORES)) if rows else ""


def format_p(p: float) -> str:
    """Return a p value with three decimals, more where it decides, or a dash for none."""
    if pd.isna(p):
        return "—"
    if p < 0.001:
        return "< 0.001"
    near = f"{p:.3f}" == f"{SIGNIFICANCE:.3f}"
    return f"{p:.5f}" if near else f"{p:.3f}"


def _make_rows(frame: pd.DataFrame, cells: Cells) -> list[list[str]]:
    return [[escape(make(row)) for make in cells.values()] for row in frame.itertuples()]


def place(row: Any) -> str:
    """Return where a group was run, as `row-mnist (cpu)`."""
    return f"{row.task} ({row.device})"


def known(value: Any) -> str:
    """Return a text or a whole number, or a dash where nothing is known."""
    if pd.isna(value) or value == "":
        return "—"
    return value if isinstance(value, str) else format_count(int(value))


def rate(value: float) -> str:
    """Return a rate, or a dash where it is not known."""
    return "—" if pd.isna(value) else format_count(float(value))


def duration(value: float) -> str:
    """Return a time, or a dash where it is not known."""
    return "—" if pd.isna(value) else format_seconds(value)


def _range(low: float, high: float) -> str:
    return "—" if pd.isna(low) else f"{format_seconds(low)}–{format_seconds(high)}"


def _memory(row: Any) -> str:
    """Return the memory of a group of runs, with its range, or a dash where it is not known."""
    sizes = [getattr(row, name) for name in MEMORY]
    return "—" if pd.isna(sizes[0]) else format_bytes(*sizes)


def _notes(unstable: Any, contended: float) -> str:
    """Return what makes a time doubtful, or a dash."""
    notes = ["unstable"] if pd.notna(unstable) and unstable else []
    notes += [f"{format_share(contended)} contended"] if round(100 * contended) else []
    return ", ".join(notes) or "—"


def _cut_interval(row: Any) -> str:
    """Return the interval of a score, and whether it was cut to what the metric can be."""
    interval = format_interval(row.score_low, row.score_high, row.metric, row.metric_unit)
    return f"{interval} (cut)" if row.cut else interval


def _both(ours: Any, theirs: Any) -> str:
    return f"{known(theirs)} / {known(ours)}"


def _speedup(row: Any) -> str:
    ends = [format_factor(end) for end in (row.speedup_low, row.speedup_high)]
    interval = "" if pd.isna(row.speedup_low) else f" ({ends[0]} to {ends[1]})"
    return f"{format_factor(row.speedup)}{interval}"


def _gain(row: Any) -> str:
    if pd.isna(row.gain):
        return "—"
    return format_factor(row.gain) if is_significant(row.p) else f"{format_factor(row.gain)} (n.s.)"


def _time_ratio(row: Any) -> str:
    if pd.isna(row.ratio_low):
        return format_factor(row.time_ratio)
    ends = f"{format_factor(row.ratio_low)} to {format_factor(row.ratio_high)}"
    return f"{format_factor(row.time_ratio)} ({ends})"


def _seeds_of_both(row: Any) -> str:
    return str(row.seeds) if row.seeds == row.best_seeds else f"{row.best_seeds} and {row.seeds}"


def _share(row: Any, kind: str) -> str:
    return format_share(getattr(row, kind))


_GROUP: Cells = {"task (device)": place, "variant": lambda row: row.label}

SCORES: Cells = {
    **_GROUP,
    "implementation": lambda row: row.implementation,
    "parameters": lambda row: known(row.parameters),
    "n": lambda row: str(row.seeds),
    "score": lambda row: format_mean(row.score, row.score_std, row.metric, row.metric_unit),
    "95 % CI": _cut_interval,
}
COSTS: Cells = {
    **_GROUP,
    "epoch time": lambda row: format_seconds(row.epoch_time_s),
    "range (min–max)": lambda row: _range(row.epoch_time_min_s, row.epoch_time_max_s),
    "training, samples/s": lambda row: rate(row.train_samples_per_s),
    "inference, samples/s": lambda row: rate(row.eval_samples_per_s),
    "peak memory": _memory,
    "notes": lambda row: _notes(row.unstable, row.contended),
}
DIFFERENCES: Cells = {
    "task (device)": place,
    "best": lambda row: row.best,
    "compared with": lambda row: row.label,
    "difference": lambda row: format_difference(row.shortfall, row.metric, row.metric_unit),
    "95 % CI": lambda row: format_interval(row.low, row.high, row.metric, row.metric_unit),
    "n": _seeds_of_both,
    "p (adjusted)": lambda row: format_p(row.p),
}
PUBLISHED: Cells = {
    "task": lambda row: (
        row.task
        if pd.notna(row.task)
        else row.task_name
        if pd.isna(row.published_length)
        else f"{row.task_name} T={row.published_length}"
    ),
    "variant": lambda row: row.variant if pd.isna(row.label) else row.label,
    "published": lambda row: format_score(row.published_score, row.metric, row.metric_unit),
    "ours": lambda row: format_score(row.score, row.metric, row.metric_unit),
    "parameters (published / ours)": lambda row: _both(row.parameters, row.published_parameters),
    "epochs (published / ours)": lambda row: _both(row.epochs, row.published_epochs),
    "source": lambda row: known(row.source),
    "convention": lambda row: (
        known(row.convention)
        if pd.isna(row.published_length)
        else f"T={row.published_length}; {known(row.convention)}"
    ),
}
COMPARISON: Cells = {
    **_GROUP,
    "n": lambda row: str(row.seeds),
    "first": lambda row: format_score(row.first, row.metric),
    "second": lambda row: format_score(row.second, row.metric),
    "gain (95 % CI)": lambda row: (
        "equal scores"
        if row.equal == row.seeds
        else f"{format_difference(row.gain, row.metric)} "
        f"({format_interval(row.low, row.high, row.metric)})"
    ),
    "p (adjusted)": lambda row: format_p(row.p),
    "epoch time, second / first (95 % CI)": _time_ratio,
}
FAILED: Cells = {
    "run": lambda row: row.run_id,
    "status": lambda row: row.status,
    "error": lambda row: row.error,
}
SPEED: Cells = {
    **_GROUP,
    "parameters": lambda row: known(row.parameters),
    "training, samples/s": lambda row: rate(row.train_step_samples_per_s),
    "inference, samples/s": lambda row: rate(row.inference_samples_per_s),
    "% of peak": lambda row: format_share(row.train_step_peak_fraction),
    "peak memory": _memory,
    "notes": lambda row: _notes(row.train_step_unstable, row.train_step_contended),
}
STEPS: Cells = {
    **_GROUP,
    "implementation": lambda row: row.implementation,
    "step": lambda row: duration(row.train_step_seconds),
    "forward": lambda row: duration(row.forward_seconds),
    "backward": lambda row: duration(row.backward_seconds),
    "first step": lambda row: duration(row.first_step_seconds),
    "compile time": lambda row: duration(getattr(row, "compile_seconds", float("nan"))),
}
LATENCIES: Cells = {
    **_GROUP,
    "p50": lambda row: duration(row.latency_p50_s),
    "p95": lambda row: duration(row.latency_p95_s),
    "p99": lambda row: duration(row.latency_p99_s),
    "samples per run": lambda row: format_count(int(row.latency_run_samples)),
}
PROFILES: Cells = {
    **_GROUP,
    **{name: partial(_share, kind=kind) for kind, name in KINDS.items()},
    "% of peak in matrix products": lambda row: format_share(row.product_fraction),
    "costliest operators": lambda row: ", ".join(
        f"{name} {format_share(share)}" for name, share in row.costliest
    ),
}
LIMITS: Cells = {
    "device": lambda row: row.device,
    "threads": lambda row: str(row.threads),
    "precision": lambda row: row.precision,
    "peak matrix-multiply throughput": lambda row: f"{row.peak_flops_per_s / 1e9:,.1f} GFLOP/s",
    "range (min–max) over runs": lambda row: (
        f"{row.peak_least / 1e9:,.1f}–{row.peak_most / 1e9:,.1f} GFLOP/s"
    ),
    "memory copy": lambda row: f"{row.peak_bytes_per_s / 1e9:,.1f} GB/s",
}
RACE: Cells = {
    "task (device)": place,
    "variant": lambda row: row.variant,
    "phase": lambda row: {"train_step": "training step", "inference": "inference"}[row.phase],
    "threads": lambda row: str(row.threads),
    "implementation": lambda row: (
        f"{row.implementation}, {row.precision}{', CUDA graph' if row.cuda_graph else ''}"
    ),
    "time": lambda row: duration(row.seconds),
    "speed-up (interval)": lambda row: f"{_speedup(row)} over {row.base}",
    "fastest": lambda row: "yes" if row.best else "",
}
TARGETS: Cells = {
    "task (device), target": lambda row: (
        f"{place(row)}, {format_score(row.target, row.metric, row.metric_unit)}"
    ),
    "recipe": lambda row: row.label,
    "change from the previous row": lambda row: row.changed or "—",
    "reached": lambda row: f"{row.reached} of {row.seeds}",
    "time to target (range)": lambda row: (
        "—"
        if pd.isna(row.target_time_s)
        else f"{format_seconds(row.target_time_s)} ({_range(row.least_s, row.most_s)})"
    ),
    "speed-up over the previous row": _gain,
    "p (adjusted)": lambda row: format_p(row.p),
    "cumulative speed-up": lambda row: format_factor(row.total),
}
