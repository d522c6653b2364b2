"""Which groups of runs differ: data frame in, data frame out.

Groups are compared by Welch's t test over seeds, adjusted for every comparison that could have
been made on the task and device, see `significance.compare_means`. Seeds are not paired: the
variants of one seed share the order of the batches, but that correlates their scores too little to
pay for half of the degrees of freedom.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from seqbench.analysis.significance import compare_means, count_pairs
from seqbench.analysis.stats import select_finished
from seqbench.intervals import Numbers, find_resolution
from seqbench.spec import RunSpec

SETTINGS_COMPARED = ("readout",)
"""Settings whose effect within a variant is a separate finding."""

_SETTINGS = [field.name for field in fields(RunSpec)]


def compare_with_best(runs: pd.DataFrame) -> pd.DataFrame:
    """Compare each group with the one of the best mean score on its task and device.

    The best one is chosen from the data, so the family of comparisons is that of all pairs.

    Returns
    -------
    DataFrame
        `GROUP`; ``metric``, ``metric_unit``; ``best``, the label compared with; ``seeds`` and
        ``best_seeds``; ``shortfall``, how much worse the group's mean is than the best one's,
        positive whichever way the metric runs; ``low`` and ``high``, its interval; ``p``; both
        adjusted, NaN for fewer than two seeds.
    """
    rows: list[dict[str, Any]] = []
    finished = select_finished(runs)
    for (task, device), part in finished.groupby(["task", "device"], sort=False):
        sign = 1.0 if part["higher_is_better"].iloc[0] else -1.0
        goodness = _collect(part, sign * part["final_score"])
        first = part.iloc[0]
        shared = {"task": task, "device": device, **first[["metric", "metric_unit"]]}
        rows += [shared | row for row in _compare_with_best(goodness)]
    return pd.DataFrame(rows)


def compare_times(times: pd.DataFrame, column: str) -> pd.DataFrame:
    """Compare each group's time with the least of its task and device, run by run.

    Parameters
    ----------
    times
        One row per run: `GROUP` and ``column``, its time; from `stats.time_runs` or
        `speed.time_steps`.

    Returns
    -------
    DataFrame
        `GROUP`; ``best``, the label of the least geometric mean; ``seeds`` and ``best_seeds``, the
        number of runs; ``shortfall``, ``low``, ``high``, of the mean logarithm of the time; ``p``.
        As in `compare_with_best`.
    """
    rows: list[dict[str, Any]] = []
    known = times.dropna(subset=[column])
    for (task, device), part in known.groupby(["task", "device"], sort=False):
        speeds = _collect(part, -np.log(part[column].astype(float)))
        rows += [{"task": task, "device": device} | row for row in _compare_with_best(speeds)]
    return pd.DataFrame(rows)


def compare_all_settings(runs: pd.DataFrame) -> pd.DataFrame:
    """Return `compare_settings` of each of `SETTINGS_COMPARED`, one below the other."""
    return pd.concat([compare_settings(runs, setting) for setting in SETTINGS_COMPARED])


def compare_settings(runs: pd.DataFrame, setting: str) -> pd.DataFrame:
    """Compare the values of one setting, between groups with equal other settings.

    Returns
    -------
    DataFrame
        `GROUP`, the label without the setting; ``setting``, ``metric``, ``metric_unit``; ``value``,
        compared with ``reference``, the value of the group's first run; ``seeds`` and
        ``reference_seeds``; ``gain``, how much better the mean is with the value, positive
        whichever way the metric runs; ``low`` and ``high``, its interval; ``p``; both adjusted over
        all rows of a task and device. Empty if no group has the setting in several values.
    """
    rows: list[dict[str, Any]] = []
    alike = [name for name in _SETTINGS if name not in (setting, "seed")]
    finished = select_finished(runs)
    for (task, device), part in finished.groupby(["task", "device"], sort=False):
        if len(part[setting].unique()) == 1:
            continue
        sign = 1.0 if part["higher_is_better"].iloc[0] else -1.0
        resolution = find_resolution(part["final_score"])
        groups = [group for _, group in part.groupby(alike, sort=False, dropna=False)]
        values = [group[setting].unique() for group in groups]
        family = sum(len(each) - 1 for each in values)
        for group, (reference, *others) in zip(groups, values, strict=True):
            before = sign * _scores_with(group, setting, reference)
            named = "none" if pd.isna(reference) else reference
            label = group["label"].iloc[0].replace(f" {setting}={named}", "")
            for value in others:
                after = sign * _scores_with(group, setting, value)
                found = compare_means(after, before, resolution, family)
                rows.append(
                    {
                        "task": task,
                        "device": device,
                        "label": label,
                        "setting": setting,
                        "value": value,
                        "reference": reference,
                        "metric": group["metric"].iloc[0],
                        "metric_unit": group["metric_unit"].iloc[0],
                        "seeds": len(after),
                        "reference_seeds": len(before),
                        **found.as_row("gain"),
                    }
                )
    return pd.DataFrame(rows)


def _scores_with(group: pd.DataFrame, setting: str, value: Any) -> Numbers:
    same = group[setting].isna() if pd.isna(value) else group[setting] == value
    return np.asarray(group.loc[same, "final_score"], dtype=float)


def _collect(part: pd.DataFrame, values: pd.Series) -> dict[str, Numbers]:
    """Return the values of each group by its label, in order of appearance."""
    groups = values.groupby(part["label"], sort=False)
    return {str(label): group.to_numpy(dtype=float) for label, group in groups}


def _compare_with_best(groups: Mapping[str, Numbers]) -> Iterator[dict[str, Any]]:
    """Yield the shortfall of the means of all other groups from the greatest."""
    best = max(groups, key=lambda label: groups[label].mean())
    resolution = find_resolution(np.concatenate([*groups.values()]))
    family = count_pairs(len(groups))
    for label, values in groups.items():
        if label != best:
            found = compare_means(groups[best], values, resolution, family)
            seeds = {"seeds": len(values), "best_seeds": len(groups[best])}
            yield {"label": label, "best": best, **seeds, **found.as_row("shortfall")}


def find_ties(compared: pd.DataFrame) -> pd.Series:
    """Return which rows of a family have the mean of the best, but for rounding."""
    return pd.Series(np.isclose(compared["shortfall"], 0, atol=1e-12), index=compared.index)
