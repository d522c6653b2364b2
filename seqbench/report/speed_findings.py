"""What was found of speed, in sentences: the frames of an `Analysis` in, Markdown out."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from seqbench.analysis.analysis import Analysis
from seqbench.analysis.profiles import KINDS
from seqbench.formatting import (
    format_count,
    format_factor,
    format_score,
    format_seconds,
    format_share,
    join_some,
)
from seqbench.printable import quote_code
from seqbench.report.findings import describe_doubts, list_alike

_WORST = 3
_FAR_FROM_PEAK = 0.5


def describe_speed(analysis: Analysis) -> Iterator[str]:
    """Yield the sentences on speed that open a report."""
    phases, steps, profiles = analysis.phases, analysis.steps, analysis.profiles
    race, targets = analysis.race, analysis.targets
    if not phases.empty:
        for (task, device), part in phases.groupby(["task", "device"], sort=False):
            compared = steps
            if not steps.empty:
                compared = steps[(steps["task"] == task) & (steps["device"] == device)]
            where = f"on `{task}` ({device})"
            yield _describe_fastest(part, compared)
            timed = part.rename(
                columns={f"train_step_{each}": each for each in ("unstable", "contended")}
            )
            yield from describe_doubts(timed, f"training step {where}", f"training steps {where}")
    if not profiles.empty:
        for _, part in profiles.groupby(["task", "device"], sort=False):
            yield from _describe_worst(part)
    if not race.empty:
        for _, part in race.groupby(["task", "device", "threads", "phase"], sort=False):
            yield _describe_race(part)
    if not targets.empty:
        for _, part in targets.groupby(["goal", "device"], sort=False):
            yield _describe_targets(part)


def _describe_fastest(part: pd.DataFrame, compared: pd.DataFrame) -> str:
    first, last = part.iloc[0], part.iloc[-1]
    if not compared.empty:  # what is compared is the mean logarithm of the runs' medians
        first = part[part["label"] == compared["best"].iloc[0]].iloc[0]
    text = (
        f"Speed on `{first.task}` ({first.device}): **{first.label}** has the fastest training "
        f"step, {format_count(float(first.train_step_samples_per_s))} samples/s"
    )
    if len(part) > 1 and last.label != first.label:
        factor = first.train_step_samples_per_s / last.train_step_samples_per_s
        text += f", {format_factor(factor)} the throughput of {last.label}, the slowest"
    text += "."
    if not compared.empty and (alike := list_alike(compared, compared["label"])):
        text += f" {alike}"
    known = part.dropna(subset=["train_step_peak_fraction"])
    if known.empty:
        return text
    ranked = known.sort_values("train_step_peak_fraction", kind="stable")
    low, high = ranked.iloc[0], ranked.iloc[-1]
    text += f" {high.label} reaches {format_share(high.train_step_peak_fraction)} of peak "
    text += "matrix-multiply throughput"
    return text + (
        f", {low.label} {format_share(low.train_step_peak_fraction)}." if len(ranked) > 1 else "."
    )


def _describe_worst(part: pd.DataFrame) -> Iterator[str]:
    """Say what the groups farthest from the machine's peak spend the time of a step on."""
    first = part.iloc[0]
    worst = part[part["peak_fraction"] < _FAR_FROM_PEAK].head(_WORST)
    said = []
    for row in worst.itertuples():
        shares = {
            f"{name} {format_share(getattr(row, kind))}": getattr(row, kind)
            for kind, name in KINDS.items()
        }
        ranked = sorted(shares, key=lambda name: -shares[name])
        text = f"{row.label} ({format_share(row.peak_fraction)} of peak): {', '.join(ranked)}"
        name, share = row.costliest[0]
        said.append(f"{text}; costliest operator {quote_code(name)}, {format_share(share)}")
    if said:
        yield (
            f"Farthest from peak on `{first.task}` ({first.device}), profile of a training "
            f"step: {'; '.join(said)}."
        )


def _describe_race(part: pd.DataFrame) -> str:
    first = part.iloc[0]
    threads = f"{first.threads} thread{'' if first.threads == 1 else 's'}"
    phase = {"train_step": "training", "inference": "inference"}[first.phase]
    said = []
    for variant, group in part.groupby("variant", sort=False):
        best = group[group["best"]].iloc[0]
        graph = " as a CUDA graph" if best["cuda_graph"] else ""
        base, fastest = best["base"], f"`{best['implementation']}` in {best['precision']}{graph}"
        if best["implementation"] == base and best["precision"] == "float32" and not graph:
            said.append(f"`{base}` for {variant}")
        elif best["speedup_low"] > 1:
            factor = format_factor(best["speedup"])
            said.append(f"{fastest} for {variant} ({factor} speed-up over `{base}`)")
        else:
            known = pd.notna(best["speedup_low"])
            words = "no significant difference" if known else "too few samples to test"
            said.append(f"`{base}` or {fastest} for {variant} ({words})")
    return (
        f"Fastest implementation for {phase} on `{first.task}` ({first.device}, "
        f"{threads}): {join_some(said)}."
    )


def _describe_targets(part: pd.DataFrame) -> str:
    goal = format_score(*part.iloc[0][["target", "metric", "metric_unit"]])
    where = f"`{part['goal'].iloc[0]}` ({part['device'].iloc[0]})"
    done = part.dropna(subset=["target_time_s"])
    if done.empty:
        return f"No recipe reached {goal} on {where} with every seed."
    best = done.sort_values("target_time_s", kind="stable").iloc[0]
    spacing = format_seconds(best.spacing_s)
    text = (
        f"Lowest training time to {goal} on {where}: {format_seconds(best.target_time_s)} with "
        f"**{name_recipe(best)}** (mean, n = {best.seeds}; range {format_seconds(best.least_s)} to "
        f"{format_seconds(best.most_s)}; time between evaluations {spacing})"
    )
    first = part.iloc[0]
    if pd.notna(first.target_time_s) and name_recipe(first) != name_recipe(best):
        text += f", a cumulative speed-up of {format_factor(best.total)} over {name_recipe(first)}"
    short = part[part["target_time_s"].isna()]
    missed = [f"{name_recipe(row)} ({row.reached} of {row.seeds})" for row in short.itertuples()]
    return text + (f". Not reached by every seed: {join_some(missed)}." if missed else ".")


def name_recipe(row: Any) -> str:
    """Name a recipe, with the part of the training set that it takes, if not all of it."""
    part = row.task.removeprefix(row.goal)
    return f"{row.label}{part}"
