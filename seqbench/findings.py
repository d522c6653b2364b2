"""What was found, in sentences: frames of `stats` and `differences` in, Markdown sentences out.

A difference is called one only if it is significant after adjustment for the number of comparisons;
of everything else it is said that there is no significant difference, with the number of seeds.
"""

from collections.abc import Iterable, Iterator
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd

from seqbench.formatting import (
    format_difference,
    format_factor,
    format_interval,
    format_score,
    format_seconds,
    join_words,
)
from seqbench.intervals import CONFIDENCE, UNSTABLE_WIDTH
from seqbench.significance import SIGNIFICANCE, count_pairs

_SHOWN = 12  # characters of a fingerprint
_NAMED = 12
"""Of more groups in one sentence the number is given, not the names."""

MUCH_CONTENDED = 0.2
"""Share of contended samples from which on a report says so."""

_PER_CENT = f"{100 * CONFIDENCE:g} %"


def format_findings(
    summary: pd.DataFrame,
    differences: pd.DataFrame,
    times: pd.DataFrame,
    effects: pd.DataFrame,
    uneven: pd.DataFrame,
    published: pd.DataFrame,
    failed: int,
) -> list[str]:
    """Return the sentences that open a report, a paragraph's worth for each task and device.

    Parameters
    ----------
    summary
        From `stats.summarise_groups`.
    differences
        From `differences.compare_with_best`.
    times
        From `differences.compare_times`.
    effects
        From `differences.compare_settings`.
    uneven
        From `stats.list_uneven_settings`.
    published
        From `stats.join_published`.
    failed
        How many runs did not end well.
    """
    found: list[str] = []
    scores, costs = (dict(list(_by_task_and_device(each))) for each in (differences, times))
    for keys, group in _by_task_and_device(summary):
        task, device = map(str, keys)
        found.append(_describe_scores(task, device, group, scores.get(keys, pd.DataFrame())))
        found.append(_describe_cost(task, device, group, costs.get(keys, pd.DataFrame())))
        where = f"on `{task}` ({device})"
        found += describe_doubts(group, f"epoch time {where}", f"epochs {where}")
        found += _describe_baseline(group)
    found += [_describe_effects(part) for _, part in _by_label(effects)]
    found += _describe_uneven(uneven)
    same = published.dropna(subset=["score", "published_score"]) if len(published) else published
    alike = [_same_circumstances(row) for row in same.itertuples()]
    found += [_describe_published(row) for row in compress(same.itertuples(), alike)]
    if not all(alike):
        found.append(
            "Other published figures stand in a table below. Their sizes or budgets are not ours, "
            "or not known, so they show what can be had and not what should have come out here."
        )
    if failed:
        runs = "1 run" if failed == 1 else f"{failed} runs"
        found.append(f"**{runs} did not end well**: listed below, and in none of the figures.")
    return found


def _by_task_and_device(frame: pd.DataFrame) -> Iterable[tuple[Any, pd.DataFrame]]:
    return frame.groupby(["task", "device"], sort=False) if not frame.empty else ()


def _by_label(frame: pd.DataFrame) -> Iterable[tuple[Any, pd.DataFrame]]:
    keys = ["task", "device", "label", "setting"]
    return frame.groupby(keys, sort=False) if not frame.empty else ()


def list_alike(compared: pd.DataFrame, names: Iterable[str]) -> str:
    """Name what does not differ significantly, or was not tested, with the numbers of seeds.

    Parameters
    ----------
    compared
        From `differences`: ``p`` and the numbers of seeds on both sides, named ``…seeds``.
    names
        What to call each row.
    """
    names = list(names)
    parts = {
        "No significant difference": compared["p"] >= SIGNIFICANCE,
        "Not tested, for want of seeds": compared["p"].isna(),
    }
    said = []
    for words, chosen in parts.items():
        if not chosen.any():
            continue
        seeds = compared.loc[chosen, [name for name in compared if name.endswith("seeds")]]
        least, most = seeds.min(axis=None), seeds.max(axis=None)
        count = f"{least}" if least == most else f"{least} to {most}"
        named = list(compress(names, chosen))
        few = len(named) <= _NAMED
        told = join_words(named) if few else f"{len(named)} of {len(compared)} others"
        said.append(f"{words} (n = {count}): {told}.")
    return " ".join(said)


def _describe_effects(part: pd.DataFrame) -> str:
    """Say what a group gains or loses by each value of a setting."""
    first = part.iloc[0]
    said = [
        f"{'gains' if row.gain > 0 else 'loses'} {format_difference(abs(row.gain), row.metric)} "
        f"with `{row.value}` ({format_interval(row.low, row.high, row.metric)})"
        for row in part.itertuples()
        if row.p < SIGNIFICANCE
    ]
    text = f"{first.setting}: **{first.label}** on `{first.task}` ({first.device})"
    reference = f"against `{first.reference}`"
    text += f", {reference}, {join_words(said)}." if said else f", {reference}."
    if alike := list_alike(part, [f"`{value}`" for value in part["value"]]):
        text += f" {alike}"
    return text + (f" In brackets: {_PER_CENT} interval of the gain." if said else "")


def _describe_uneven(uneven: pd.DataFrame) -> list[str]:
    """Say which settings were not the same for all groups of a task."""
    if uneven.empty:
        return []
    said = []
    for (task, setting), part in uneven.groupby(["task", "setting"], sort=False):
        values = [
            f"{'none' if pd.isna(row.value) else str(row.value)[:_SHOWN]} for "
            f"{join_words(row.labels)}"
            for row in part.itertuples()
        ]
        said.append(f"`{setting}` on `{task}` is {', '.join(values)}")
    return [f"Not all settings were alike: {'; '.join(said)}."]


def _same_circumstances(row: Any) -> bool:
    """Tell whether length, parameters and epochs are known of a published figure, and are ours."""
    length = pd.isna(row.published_length) or row.length == row.published_length
    known = pd.notna(row.published_parameters) and pd.notna(row.published_epochs)
    return bool(
        length
        and known
        and row.parameters == row.published_parameters
        and row.epochs == row.published_epochs
    )


def _describe_scores(task: str, device: str, group: pd.DataFrame, compared: pd.DataFrame) -> str:
    metric = group["metric"].iloc[0]
    by_label = group.set_index("label", drop=False)
    best = by_label.loc[compared["best"].iloc[0] if not compared.empty else group["label"].iloc[0]]
    seeds = f"{best.seeds} seed{'s' if best.seeds > 1 else ''}"
    leading = [best.label]
    if not compared.empty:
        leading += list(compared.loc[np.isclose(compared["shortfall"], 0, atol=1e-12), "label"])
    verb = "has" if len(leading) == 1 else "have"
    text = (
        f"{join_words([f'**{label}**' for label in leading])} {verb} the best mean "
        f"{metric.replace('_', ' ')} on `{task}` ({device}): {format_score(best.score, metric)}"
    )
    if group["seeds"].max() == 1:
        return f"{text}, from {seeds}: without more of them nothing can be said of the differences."
    interval = format_interval(best.score_low, best.score_high, metric)
    text += f" ({interval}, {seeds})."
    if compared.empty:
        return f"{text} In brackets: {_PER_CENT} interval."
    behind = compared[compared["p"] < SIGNIFICANCE]
    if not behind.empty:
        said = [
            f"{row.label} by {format_difference(row.shortfall, metric)} "
            f"({format_interval(row.low, row.high, metric)})"
            for row in behind.itertuples()
        ]
        text += f" Significantly better than {join_words(said)}."
    if alike := list_alike(compared, compared["label"]):
        text += f" {alike}"
    pairs = count_pairs(len(group))
    over = f", those of differences adjusted for all {pairs} pairs" if pairs > 1 else ""
    return f"{text} In brackets: {_PER_CENT} intervals{over}."


def _describe_cost(task: str, device: str, group: pd.DataFrame, compared: pd.DataFrame) -> str:
    times = group.set_index("label")["epoch_time_s"]
    least = compared["best"].iloc[0] if not compared.empty else times.idxmin()
    text = (
        f"**{least}** has the least epoch time on `{task}` ({device}): "
        f"{format_seconds(times[least])} (median over runs)."
    )
    if not compared.empty:
        slower = compared[compared["p"] < SIGNIFICANCE]
        factors = (times[slower["label"]] / times[least]).sort_values(kind="stable")
        told = [f"{label} {format_factor(factor)}" for label, factor in factors.items()]
        text += f" Significantly more: {join_words(told)}." if told else ""
        text += f" {list_alike(compared, compared['label'])}".rstrip()
    parts = [
        f"{join_words(list(part['label']))} {implementation}"
        for implementation, part in group.groupby("implementation", sort=False)
    ]
    if len(parts) > 1:
        text += f" Implementations differ: {', '.join(parts)}."
    return text


def describe_doubts(group: pd.DataFrame, figure: str, samples: str) -> Iterator[str]:
    """Say which figures not to trust, and what to do about it.

    Parameters
    ----------
    group
        With ``label``, ``unstable`` and ``contended``.
    figure, samples
        What is called unstable, and what was contended.
    """
    unstable = group[group["unstable"].astype(bool)]
    if not unstable.empty:
        yield (
            f"**Unstable**: the {figure} of {join_words(list(unstable['label']))} ranges over more "
            f"than {UNSTABLE_WIDTH:.0%} between runs or samples. Close other programs and repeat "
            f"the runs: one such figure may be far from the next."
        )
    contended = group[group["contended"].astype(float) > MUCH_CONTENDED]
    if not contended.empty:
        yield (
            f"**Contended**: of the {samples} of {join_words(list(contended['label']))} more "
            f"than {MUCH_CONTENDED:.0%} were timed while something else had the machine. They "
            f"are left out where others are left; measure again on a quiet machine."
        )


def _describe_baseline(group: pd.DataFrame) -> list[str]:
    sign = 1 if group["higher_is_better"].iloc[0] else -1
    worst_end = group["score_low"] if sign > 0 else group["score_high"]
    unproven = group[~(sign * worst_end.fillna(group["score"]) > sign * group["baseline_score"])]
    if unproven.empty:
        return []
    metric = group["metric"].iloc[0]
    baseline = format_score(group["baseline_score"].iloc[0], metric)
    return [
        f"Not shown to beat the task's trivial answer ({baseline}): "
        f"{join_words(list(unproven['label']))}."
    ]


def _describe_published(row: Any) -> str:
    ours, theirs = (format_score(each, row.metric) for each in (row.score, row.published_score))
    text = (
        f"Published for {row.label} on `{row.task}`: {theirs} ({row.source}); "
        f"here: {ours} on average."
    )
    if pd.isna(row.next_low):
        return f"{text} One seed does not tell how far a run may fall from another."
    relation = "inside" if row.next_low <= row.published_score <= row.next_high else "outside"
    return (
        f"{text} It lies {relation} what one more run of ours would give, "
        f"{format_interval(row.next_low, row.next_high, row.metric)} "
        f"({_PER_CENT} prediction interval)."
    )
