"""The sentences at the top of a report: what was found, what it costs, what it rests on."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from seqbench.analysis.analysis import Analysis
from seqbench.analysis.differences import find_ties
from seqbench.analysis.significance import is_significant
from seqbench.formatting import (
    format_factor,
    format_mean,
    format_score,
    format_seconds,
    format_share,
    join_some,
)
from seqbench.report.speed_findings import name_recipe

MOST_PLACES = 4
"""The most tasks, with their devices, in one sentence."""


def summarise(analysis: Analysis) -> list[str]:
    """Return at most three sentences: the finding, the cost, and what runs they rest on."""
    found = [
        sentence
        for sentence in (
            _summarise_targets(analysis.targets),
            _summarise_scores(analysis),
            _summarise_times(analysis),
            _summarise_speed(analysis),
            _summarise_peak(analysis.phases),
        )
        if sentence
    ]
    return [*found[:2], _describe_basis(analysis)]


def _parts(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield where each part of a frame is from, as in `findings`, and the part."""
    if not frame.empty:
        for (task, device), part in frame.groupby(["task", "device"], sort=False):
            yield f"on `{task}` ({device})", part


def _join_places(texts: list[str]) -> str:
    left = len(texts) - MOST_PLACES
    more = [f"{left} more tasks below"] if left > 0 else []
    return "; ".join([*texts[:MOST_PLACES], *more]) + "."


def _of(frame: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        return frame
    first = part.iloc[0]
    return frame[(frame["task"] == first["task"]) & (frame["device"] == first["device"])]


def _summarise_targets(targets: pd.DataFrame) -> str | None:
    if targets.empty:
        return None
    texts = []
    for (goal, device), part in targets.groupby(["goal", "device"], sort=False):
        target = format_score(*part.iloc[0][["target", "metric", "metric_unit"]])
        reached = part.dropna(subset=["target_time_s"])
        if reached.empty:
            texts.append(f"{target} on `{goal}` ({device}) was not reached by every seed")
            continue
        best = reached.sort_values("target_time_s", kind="stable").iloc[0]
        text = f"{target} on `{goal}` ({device}) in {format_seconds(best.target_time_s)} with "
        text += f"**{name_recipe(best)}**"
        if pd.notna(best.total) and best.total != 1:
            text += f", a cumulative speed-up of {format_factor(best.total)}"
        texts.append(text)
    return f"Time to target: {_join_places(texts)}"


def _summarise_scores(analysis: Analysis) -> str | None:
    texts = []
    for where, part in _parts(analysis.summary):
        compared = _of(analysis.scores, part)
        label = compared["best"].iloc[0] if len(compared) else part["label"].iloc[0]
        best = part[part["label"] == label].iloc[0]
        score = format_mean(best.score, best.score_std, best.metric, best.metric_unit)
        leading = [f"**{label}**"]
        if len(compared):
            ties = find_ties(compared)
            leading += [f"**{each}**" for each in compared.loc[ties, "label"]]
            compared = compared[~ties]
        text = f"{join_some(leading)} {where} with {best.metric.replace('_', ' ')} {score}"
        texts.append(text + _describe_lead(compared))
    return f"Best score: {_join_places(texts)}" if texts else None


def _describe_lead(compared: pd.DataFrame) -> str:
    """Say than how many others the best is significantly better."""
    if compared.empty:
        return ""
    if compared["p"].isna().all():
        return ", differences not tested (too few seeds)"
    count = int(is_significant(compared["p"]).sum())
    if not count:
        return ", not significantly better than any other"
    if count == len(compared):
        return ", significantly better than " + (
            "the other" if count == 1 else f"all {count} others"
        )
    return f", significantly better than {count} of {len(compared)} others"


def _summarise_times(analysis: Analysis) -> str | None:
    texts = []
    for where, part in _parts(analysis.summary):
        times = part.set_index("label")["epoch_time_s"].dropna()
        if times.empty:
            continue
        compared = _of(analysis.times, part)
        least, most = compared["best"].iloc[0] if len(compared) else times.idxmin(), times.idxmax()
        how = "" if times[least] == times.min() else " (lowest geometric mean over runs)"
        text = f"**{least}** {where} with {format_seconds(times[least])}{how}"
        if most != least:
            text += f", up to {format_factor(times[most] / times[least])} for {most}"
        texts.append(text)
    return f"Lowest epoch time: {_join_places(texts)}" if texts else None


def _summarise_speed(analysis: Analysis) -> str | None:
    texts = []
    for where, part in _parts(analysis.phases):
        compared = _of(analysis.steps, part)
        first, last = part.iloc[0], part.iloc[-1]
        text = f"**{first.label}** {where} with {format_seconds(first.train_step_seconds)}"
        if len(part) > 1:
            ratio = last.train_step_seconds / first.train_step_seconds
            text += f", up to {format_factor(ratio)} for {last.label}"
        behind = int(is_significant(compared["p"]).sum()) if len(compared) else 0
        if len(compared) and compared["best"].iloc[0] == first.label:
            text += f" (significantly faster than {behind} of {len(compared)} others)"
        texts.append(text)
    return f"Fastest training step: {_join_places(texts)}" if texts else None


def _summarise_peak(phases: pd.DataFrame) -> str | None:
    texts = []
    for where, part in _parts(phases):
        known = part.dropna(subset=["train_step_peak_fraction"])
        if known.empty:
            continue
        ranked = known.sort_values("train_step_peak_fraction", ascending=False, kind="stable")
        first, last = ranked.iloc[0], ranked.iloc[-1]
        text = f"**{first.label}** {where} with {format_share(first.train_step_peak_fraction)}"
        if len(ranked) > 1:
            text += f", down to {format_share(last.train_step_peak_fraction)} for {last.label}"
        texts.append(text)
    return f"Largest share of peak throughput: {_join_places(texts)}" if texts else None


def _describe_basis(analysis: Analysis) -> str:
    """Say how many runs, groups, seeds and tasks there are, and what is wrong with them."""
    runs = analysis.runs
    ended = runs["status"]
    groups = runs[["task", "device", "label"]].drop_duplicates()
    seeds = runs.groupby(["task", "device", "label"])["seed"].nunique()
    count = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    tasks = join_some([f"`{each}`" for each in runs["task"].unique()], MOST_PLACES)
    text = (
        f"Basis: {_count(len(runs), 'run')} in {_count(len(groups), 'group')} on {tasks}, "
        f"{count} seed{'' if count == '1' else 's'} per group"
    )
    flaws: dict[str, Any] = {
        "failed": ~ended.isin(["ok", "unsupported"]),
        "unsupported": ended == "unsupported",
        "edited by hand": runs["edited_at"].notna(),
        "on changed data": runs["changed_data"].notna(),
    }
    told = [f"{int(chosen.sum())} {name}" for name, chosen in flaws.items() if chosen.any()]
    for frame, column in ((analysis.summary, "unstable"), (analysis.phases, "train_step_unstable")):
        unstable = int(frame[column].astype("boolean").sum()) if len(frame) else 0
        if unstable:
            name = "epoch time" if column == "unstable" else "training step"
            told.append(f"unstable {name} in {unstable} of {_count(len(frame), 'group')}")
    return f"{text}; {', '.join(told)}." if told else f"{text}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
