"""Time to score: how long each recipe trains until it reaches the target. Frame in, frame out."""

from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from seqbench.analysis.significance import compare_means
from seqbench.analysis.stats import GROUP, name_groups
from seqbench.spec import RunSpec

_APART = (
    "task",
    "seed",
    "target",
    "eval_every",
)  # equal for all recipes to a goal, or no part of one
_SETTINGS = [field.name for field in fields(RunSpec) if field.name not in _APART]


def summarise_targets(runs: pd.DataFrame, evaluations: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each group of runs that had a target, in order of appearance.

    Returns
    -------
    DataFrame
        `GROUP`; ``target``, ``metric``, ``metric_unit``; ``seeds`` and how many of them ``reached``
        it; ``target_time_s``, the mean training time until then, NaN if not every seed got there,
        and its range ``least_s`` to ``most_s``; ``spacing_s``, the mean time from the evaluation
        before to the one that reached it, which is the resolution of the time; ``score``, the mean
        final one; ``changed``, the settings in which the recipe differs from the one before it to
        the same goal; ``gain``, the speed-up over that one, and ``p``, of no difference of the
        logarithms, adjusted for all recipes to the goal, as in `significance.compare_means`;
        ``total``, the cumulative speed-up; ``goal``, the task that is to be done, of whose training
        set a recipe may use a part. Empty if no run had a target.
    """
    named = name_groups(runs)
    timed = named[(named["status"] == "ok") & named["target"].notna()]
    timed = timed.assign(goal=timed["task"].str.replace(r" n=\d+$", "", regex=True))
    timed = timed.assign(spacing_s=_find_spacing(timed, evaluations))
    rows: list[dict[str, Any]] = []
    for (goal, _), part in timed.groupby(["goal", "device"], sort=False):
        groups = [group for _, group in part.groupby(GROUP, sort=False)]
        first: dict[str, Any] = {}
        for place, group in enumerate(groups):
            recipe = _summarise(group)
            first = first or recipe
            rows.append(
                {
                    **recipe,
                    "goal": goal,
                    **_compare(groups[place - 1] if place else None, group, len(groups) - 1),
                    "total": first["target_time_s"] / recipe["target_time_s"],
                }
            )
    return pd.DataFrame(rows)


def _find_spacing(timed: pd.DataFrame, evaluations: pd.DataFrame) -> pd.Series:
    """Return how long each run trained between the evaluation before its target and that at it.

    Without evaluations within an epoch that is an epoch.
    """
    ends = timed.set_index("run_id")["target_time_s"]
    until = evaluations[evaluations["train_time_s"] <= evaluations["run_id"].map(ends)]
    last = until.sort_values("train_time_s").groupby("run_id")["train_time_s"]
    between = last.agg(lambda times: times.iloc[-1] - (times.iloc[-2] if len(times) > 1 else 0.0))
    return timed["run_id"].map(between).fillna(timed["epoch_time_s"])


def _summarise(group: pd.DataFrame) -> dict[str, Any]:
    times = group["target_time_s"].astype(float)
    return {
        **group.iloc[0][[*GROUP, "target", "metric", "metric_unit"]],
        "seeds": len(group),
        "reached": int(times.notna().sum()),
        "target_time_s": times.mean() if times.notna().all() else float("nan"),
        "least_s": times.min(),
        "most_s": times.max(),
        "spacing_s": group["spacing_s"].mean(),
        "score": group["final_score"].mean(),
    }


def _compare(before: pd.DataFrame | None, group: pd.DataFrame, recipes: int) -> dict[str, Any]:
    """Return in what a recipe differs from the one before it, and what that made of the time."""
    if before is None:
        return {"changed": "", "gain": np.nan, "p": np.nan}
    times = [each["target_time_s"].astype(float) for each in (before, group)]
    spacing = max((each["spacing_s"] / each["target_time_s"]).max() for each in (before, group))
    found = compare_means(np.log(times[0]), np.log(times[1]), spacing, recipes)
    return {
        "changed": _name_changes(before.iloc[0][_SETTINGS], group.iloc[0][_SETTINGS]),
        "gain": times[0].mean(skipna=False) / times[1].mean(skipna=False),
        "p": float(found.p),
    }


def _name_changes(before: pd.Series, after: pd.Series) -> str:
    changed = []
    for name in _SETTINGS:
        old, new = _name(before[name]), _name(after[name])
        if old != new:
            changed.append(f"{name} {old} → {new}")
    return ", ".join(changed)


def _name(value: Any) -> str:
    return "none" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)
