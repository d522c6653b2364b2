"""Time to score: how long each recipe trains until it reaches the target. Frame in, frame out."""

from dataclasses import fields
from typing import Any

import pandas as pd

from seqbench.spec import RunSpec
from seqbench.stats import GROUP, name_groups

_APART = ("task", "seed", "target")  # equal for all recipes to a goal, or no part of one
_SETTINGS = [field.name for field in fields(RunSpec) if field.name not in _APART]


def summarise_targets(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each group of runs that had a target, in order of appearance.

    Returns
    -------
    DataFrame
        `GROUP`; ``target``, ``metric``; ``seeds`` and how many of them ``reached`` it;
        ``target_time_s``, the mean training time until then, NaN if not every seed got there, and
        its range ``least_s`` to ``most_s``; ``score``, the mean final one; ``changed``, the
        settings in which the recipe differs from the one before it to the same goal;
        ``gain``, how many times faster than that one it is there; ``total``, than the first one;
        ``goal``, the task that is to be done, of whose training set a recipe may use a part.
        Empty if no run had a target.
    """
    named = name_groups(runs)
    timed = named[(named["status"] == "ok") & named["target"].notna()]
    timed = timed.assign(goal=timed["task"].str.replace(r" n=\d+$", "", regex=True))
    rows: list[dict[str, Any]] = []
    for (goal, _), part in timed.groupby(["goal", "device"], sort=False):
        recipes = [_summarise(keys, group) for keys, group in part.groupby(GROUP, sort=False)]
        settings = [group.iloc[0][_SETTINGS] for _, group in part.groupby(GROUP, sort=False)]
        for place, recipe in enumerate(recipes):
            before = recipes[place - 1]["target_time_s"] if place else float("nan")
            rows.append(
                {
                    **recipe,
                    "goal": goal,
                    "changed": _name_changes(settings[place - 1], settings[place]) if place else "",
                    "gain": before / recipe["target_time_s"],
                    "total": recipes[0]["target_time_s"] / recipe["target_time_s"],
                }
            )
    return pd.DataFrame(rows)


def _summarise(keys: tuple[Any, ...], group: pd.DataFrame) -> dict[str, Any]:
    times = group["target_time_s"].astype(float)
    return {
        **dict(zip(GROUP, keys, strict=True)),
        "target": group["target"].iloc[0],
        "metric": group["metric"].iloc[0],
        "seeds": len(group),
        "reached": int(times.notna().sum()),
        "target_time_s": times.mean() if times.notna().all() else float("nan"),
        "least_s": times.min(),
        "most_s": times.max(),
        "score": group["final_score"].mean(),
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
