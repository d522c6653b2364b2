"""Statistics: data frame in, data frame out. Nothing is drawn or written here.

The interval of a score is Student's t interval of the mean over seeds, which for few seeds is wide,
as it should be. Which groups differ is in `differences`.

The unit of evidence of a time is the run too: epochs of one run share a process and its place in
memory, so they are correlated and are no independent measurements.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from seqbench.intervals import UNSTABLE_WIDTH, find_resolution, mean_interval, next_interval
from seqbench.metrics import find_metric
from seqbench.spec import RunSpec

GROUP = ["task", "device", "label"]
"""Keys of a group of runs; within a group only the seed differs."""

MEMORY = ["peak_memory_bytes", "peak_memory_min_bytes", "peak_memory_max_bytes"]
"""Median and range over the runs of which it is known; NaN if it is known of none."""

CHANGED = " (changed data)"
"""What a task is called besides where its data was not the published one."""

_SETTINGS = [field.name for field in fields(RunSpec)]
_ORDINARY = {"precision": "float32", "cuda_graph": "False", "schedule": "constant"}
_NAMED_APART = ("task", "length", "train_examples", "variant", "seed", "device")


def name_groups(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with the names by which they are grouped.

    ``task`` gets the length of its sequences, the size of a reduced training set and a note on
    changed data, since scores on two lengths are not comparable; the registered name is in
    ``task_name``. ``label`` is the variant with the settings that distinguish its groups on a task:
    each setting, except seed and device, of which some variant has several values; `_ORDINARY`
    values are omitted. Runs that have names keep them.
    """
    if "label" in runs:
        return runs
    settings = [name for name in _SETTINGS if name not in _NAMED_APART]
    named = runs.assign(task_name=runs["task"], task=_name_problems(runs), label="")
    for _, group in named.groupby("task", sort=False):
        labels = group["variant"].astype(str)
        for name in settings:
            if len(group[["variant", name]].drop_duplicates()) > len(set(group["variant"])):
                values = group[name].astype(object).where(group[name].notna(), "none").astype(str)
                shown = values != _ORDINARY.get(name)
                labels = labels + (f" {name}=" + values).where(shown, "")
        named.loc[group.index, "label"] = labels
    return named


def _name_problems(runs: pd.DataFrame) -> pd.Series:
    length = " T=" + runs["length"].astype("string")
    recorded = runs.get(
        "changed_data", pd.Series(pd.NA, index=runs.index)
    ).notna()  # of plans: not known
    changed = pd.Series(np.where(recorded, CHANGED, ""), index=runs.index, dtype="string")
    examples = " n=" + runs["train_examples"].astype("string")
    return runs["task"].astype("string") + length.fillna("") + changed + examples.fillna("")


def select_finished(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs that were trained to the end, with their names."""
    named = name_groups(runs)
    return named[(named["status"] == "ok") & named["final_score"].notna()]


_KEPT = ["task_name", "length", "variant", "metric", "higher_is_better", "baseline_score"]
_KEPT += ["implementation", "readout", "metric_unit"]
_SUMMARISED = ["parameters", "epochs", "final_score", "best_score", "epoch_time_s"]
_SUMMARISED += ["train_samples_per_s", "eval_samples_per_s", "peak_fraction", "peak_memory_bytes"]


def count_machines(runs: pd.DataFrame) -> int:
    """Return in how many environments runs of one result were made: more than one if pooled."""
    return len(set(runs["environment_id"]))


def _are_timed(runs: pd.DataFrame) -> pd.Series:
    """Return for each run whether its times count: those of the first one's machine do."""
    return runs["environment_id"] == runs["environment_id"].iloc[:1].squeeze()


def leave_out_contended(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each run's epochs or samples that were not contended; all of a run, if all were."""
    none_calm = rows.groupby("run_id")["contended"].transform("all")
    return rows[~rows["contended"] | none_calm]


def time_runs(runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs with times from the epochs that were not contended; from all, if all were.

    ``epoch_time_s``, ``train_samples_per_s`` and ``eval_samples_per_s`` become those of the median
    epoch time and of the median evaluation time of a run, ``peak_fraction`` goes with them. Runs
    without epochs keep what they have. Of runs that were pooled from several machines those of the
    first run's machine keep their times, the others have none.
    """
    counted = leave_out_contended(epochs)
    rates = ["train_samples_per_s", "eval_samples_per_s"]
    seconds = pd.concat([counted["epoch_time_s"], 1 / counted[rates]], axis=1)  # an example each
    middle = seconds.groupby(counted["run_id"]).median().reindex(runs["run_id"])
    found = middle.assign(**{rate: 1 / middle[rate] for rate in rates}).set_index(runs.index)
    faster = found["train_samples_per_s"] / runs["train_samples_per_s"]
    found["peak_fraction"] = runs["peak_fraction"] * faster
    timed = _are_timed(runs)
    return runs.assign(**{name: found[name].fillna(runs[name]).where(timed) for name in found})


def summarise_times(runs: pd.DataFrame) -> dict[str, Any]:
    """Summarise the times of one group of runs, a run counting as one measurement.

    Parameters
    ----------
    runs
        From `time_runs`.

    Returns
    -------
    dict
        ``epoch_time_s``, ``epoch_time_min_s``, ``epoch_time_max_s``: median and range over the
        runs; ``unstable``: whether that range is wider than `UNSTABLE_WIDTH` of the median, None
        for a single time; ``train_samples_per_s`` and ``eval_samples_per_s``: examples over the
        median times; ``peak_fraction``: median over the runs.
    """
    times: dict[str, Any] = _time_groups(runs, [np.zeros(len(runs))]).iloc[0].to_dict()
    return times


def _time_groups(runs: pd.DataFrame, keys: Sequence[Any]) -> pd.DataFrame:
    """Return what `summarise_times` says of each group, in order of appearance."""
    rates = ["train_samples_per_s", "eval_samples_per_s"]
    groups = runs.groupby(keys, sort=False)
    times = groups["epoch_time_s"].agg(["median", "min", "max", "count"])
    unstable = times["max"] - times["min"] > UNSTABLE_WIDTH * times["median"]
    middle = 1 / (1 / runs[rates]).groupby(keys, sort=False).median()
    return pd.DataFrame(
        {
            "epoch_time_s": times["median"],
            "epoch_time_min_s": times["min"],
            "epoch_time_max_s": times["max"],
            "unstable": unstable.astype(object).where(times["count"] > 1, None),
            **{rate: middle[rate] for rate in rates},
            "peak_fraction": groups["peak_fraction"].median(),
        }
    )


def summarise_groups(runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return `summarise_finished` of the runs that were trained to the end."""
    return summarise_finished(time_runs(select_finished(runs), epochs), epochs)


def summarise_finished(finished: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each group of runs that differ in the seed only, in order of appearance.

    Parameters
    ----------
    finished
        From `select_finished` and `time_runs`.
    epochs
        Of a result.

    Returns
    -------
    DataFrame
        Columns: `GROUP` and

        ``task_name``, ``length``, ``variant``, ``metric``, ``metric_unit``,
        ``higher_is_better``, ``baseline_score``, ``implementation``, ``readout``, ``parameters``,
        ``epochs``
            As in the runs.
        ``seeds``, ``score``, ``score_std``, ``score_low``, ``score_high``, ``next_low``,
        ``next_high``
            How many seeds; mean and sample standard deviation of their final scores, NaN for one
            seed; the mean's interval; the prediction interval of one more seed. Ends are cut to
            what the metric can be.
        ``cut``
            Whether the interval of the score was cut.
        ``best_score``
            The best of any seed and epoch.
        ``epoch_time_s``, ``epoch_time_min_s``, ``epoch_time_max_s``, ``unstable``,
        ``train_samples_per_s``, ``eval_samples_per_s``, ``peak_fraction``
            From `summarise_times`, of the epochs that `time_runs` counts.
        ``relative_time``
            ``epoch_time_s`` over the least of the task and device.
        ``contended``
            The share of the epochs that was contended.
        `MEMORY`
            From `summarise_memory`.
    """
    contended = name_epochs(finished, epochs).groupby(GROUP)["contended"].mean().to_dict()
    by_problem = finished.groupby(["task", "device"])["final_score"]
    finished = finished[[*GROUP, *_KEPT, *_SUMMARISED]].assign(  # few columns are cut up faster
        resolution=by_problem.transform(lambda each: float(find_resolution(each)))
    )
    keys, groups = [finished[key] for key in GROUP], finished.groupby(GROUP, sort=False)
    memory = finished["peak_memory_bytes"].astype(float).groupby(keys, sort=False)
    measured = pd.concat(
        [
            groups["best_score"].agg(["max", "min"]),
            _time_groups(finished, keys),
            memory.agg(["median", "min", "max"]).set_axis(MEMORY, axis=1),
        ],
        axis=1,
    ).to_dict("records")
    firsts = finished.drop_duplicates(GROUP).itertuples(index=False, name=None)
    rows = []
    of_groups = zip(firsts, measured, groups["final_score"], strict=True)
    for cells, found, (names, scores) in of_groups:
        first = dict(zip(finished, cells, strict=True))
        best = {True: found.pop("max"), False: found.pop("min")}
        rows.append(
            {
                **{name: first[name] for name in (*GROUP, *_KEPT)},
                "parameters": None if pd.isna(first["parameters"]) else int(first["parameters"]),
                "epochs": int(first["epochs"]),
                "seeds": len(scores),
                **_summarise_scores(scores, first["resolution"], first["metric"]),
                "best_score": best[bool(first["higher_is_better"])],
                **{name: found[name] for name in found if name not in MEMORY},
                "contended": contended.get(names, np.nan),
                **{name: found[name] for name in MEMORY},
            }
        )
    summary = pd.DataFrame(rows)
    if not summary.empty:
        least = summary.groupby(["task", "device"])["epoch_time_s"].transform("min")
        summary["relative_time"] = summary["epoch_time_s"] / least
    return summary


def _summarise_scores(scores: pd.Series, resolution: float, name: str) -> dict[str, Any]:
    """Return the mean score of a group and its intervals, cut to what the metric can be."""
    metric = find_metric(name)
    low, high = mean_interval(scores, resolution=resolution)
    both = [low, high, *next_interval(scores, resolution=resolution)]
    ends = np.clip(both, metric.low, metric.high)
    names = ("score_low", "score_high", "next_low", "next_high")
    return {
        "score": scores.mean(),
        "score_std": scores.std(),
        **dict(zip(names, map(float, ends), strict=True)),
        "cut": bool(low < metric.low or high > metric.high),
    }


def name_epochs(finished: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return the epochs of finished runs with the columns of `GROUP`, in the order of the runs."""
    return finished[["run_id", "label", "task"]].merge(epochs.drop(columns="task"), on="run_id")


def summarise_memory(runs: pd.DataFrame) -> dict[str, float]:
    """Return `MEMORY` of one group of runs."""
    known = runs["peak_memory_bytes"].astype(float)
    return dict(zip(MEMORY, (known.median(), known.min(), known.max()), strict=True))


def list_uneven_settings(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the settings that differ between groups without their names telling it.

    Returns
    -------
    DataFrame
        Columns ``task``, ``setting``, ``value``, ``labels`` (a list): a row for each value of a
        setting, or of the data's fingerprint, that the groups of a task do not share. `name_groups`
        puts a setting into a label only where a variant has it in several values; where each
        variant has one of its own, as with matched parameters, it would stay unseen.
        ``implementation`` has a column of its own.
    """
    rows = []
    settings = [name for name in _SETTINGS if name not in (*_NAMED_APART, "implementation")]
    settings.append("data_fingerprint")
    for task, group in select_finished(runs).groupby("task", sort=False):
        for name in settings:
            shown = group["label"].str.contains(f" {name}=", regex=False).any()
            if shown or len(group[name].unique()) == 1:
                continue
            for value, part in group.groupby(name, sort=False, dropna=False):
                labels = list(dict.fromkeys(part["label"]))
                rows.append({"task": task, "setting": name, "value": value, "labels": labels})
    return pd.DataFrame(rows, dtype=object)  # values of several types, each as it is


def learning_curves(runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return, for each group and epoch, the score over seeds and the training time up to there.

    Columns: `GROUP`, ``metric``, ``metric_unit``, ``epoch``; ``score`` (mean), ``score_min``,
    ``score_max``; ``train_time_s``, the mean over seeds of the summed epoch times, of those that
    `time_runs` times; ``baseline_score``.
    """
    finished = select_finished(runs.assign(timed=_are_timed(runs)))
    known = finished[["run_id", "baseline_score", "metric_unit", "timed"]]
    curves = name_epochs(finished, epochs).merge(known, on="run_id")
    summed = curves.groupby("run_id")["epoch_time_s"].cumsum()
    curves["train_time_s"] = summed.where(curves["timed"])
    return (
        curves.groupby([*GROUP, "metric", "epoch"], sort=False)
        .agg(
            score=("score", "mean"),
            score_min=("score", "min"),
            score_max=("score", "max"),
            train_time_s=("train_time_s", "mean"),
            baseline_score=("baseline_score", "first"),
            metric_unit=("metric_unit", "first"),
        )
        .reset_index()
    )
