"""Statistics: data frame in, data frame out. Nothing is drawn or written here.

Scores are compared over seeds. An interval is Student's t interval of the mean, which for few
seeds is wide, as it should be. Differences are paired by seed: the runs of a seed share their
initial random stream and the order of their batches.
"""

from dataclasses import fields

import numpy as np
import pandas as pd
from scipy import stats

from seqbench.spec import RunSpec

CONFIDENCE = 0.95

GROUP = ["task", "device", "label"]
"""What tells two groups of runs apart; within a group only the seed differs."""

_BOUNDS = {"accuracy": (0.0, 1.0)}
_NAMED_APART = ("task", "variant", "seed", "device")


def label_runs(runs: pd.DataFrame) -> pd.Series:
    """Return a label for each run: its variant, and what tells runs of that variant apart.

    That is each setting, but for task, seed and device, that some variant has in several values.
    """
    settings = [field.name for field in fields(RunSpec) if field.name not in _NAMED_APART]
    labels = runs["variant"].astype(str)
    for name in settings:
        if len(runs[["variant", name]].drop_duplicates()) > len(set(runs["variant"])):
            labels = labels + f" {name}=" + runs[name].astype(str)
    return labels.rename("label")


def mean_interval(values: pd.Series, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the ends of Student's t interval for the mean; NaN for fewer than two values."""
    half = _half_width(values, confidence) * np.sqrt(1 / len(values))
    return values.mean() - half, values.mean() + half


def next_interval(values: pd.Series, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return between what ends one more such value falls: Student's t prediction interval."""
    half = _half_width(values, confidence) * np.sqrt(1 + 1 / len(values))
    return values.mean() - half, values.mean() + half


def _half_width(values: pd.Series, confidence: float) -> float:
    if len(values) < 2:
        return np.nan
    return float(stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1))


def summarise_groups(runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each group of runs that differ in the seed only, in order of appearance.

    Only runs with status ``ok`` count. Columns: `GROUP` and

    ``variant``, ``metric``, ``higher_is_better``, ``baseline_score``, ``implementation``,
    ``parameters``, ``epochs``
        As in the runs.
    ``seeds``, ``score``, ``score_low``, ``score_high``, ``next_low``, ``next_high``
        How many seeds; the mean of their final scores; its interval; between which ends one more
        seed would fall. Ends are cut to what the metric can be.
    ``best_score``
        The best of any seed and epoch.
    ``epoch_time_s``, ``epoch_time_min_s``, ``epoch_time_max_s``, ``relative_time``
        Over all epochs of all seeds: median, least, most; the median's ratio to the least median
        of the task and device.
    ``train_samples_per_s``, ``eval_samples_per_s``, ``peak_memory_bytes``
        Medians over the seeds.
    """
    finished = runs.assign(label=label_runs(runs))
    finished = finished[finished["status"] == "ok"]
    times = finished[["run_id", "label"]].merge(epochs, on="run_id")
    rows = []
    for keys, group in finished.groupby(GROUP, sort=False):
        first = group.iloc[0]
        bounds = _BOUNDS.get(first["metric"], (-np.inf, np.inf))
        low, high = np.clip(mean_interval(group["final_score"]), *bounds)
        next_low, next_high = np.clip(next_interval(group["final_score"]), *bounds)
        epoch_times = times[times["run_id"].isin(group["run_id"])]["epoch_time_s"]
        best = group["best_score"].agg("max" if first["higher_is_better"] else "min")
        rows.append(
            {
                **dict(zip(GROUP, keys, strict=True)),
                **first[
                    ["variant", "metric", "higher_is_better", "baseline_score", "implementation"]
                ],
                "parameters": int(first["parameters"]),
                "epochs": int(first["epochs"]),
                "seeds": len(group),
                "score": group["final_score"].mean(),
                "score_low": low,
                "score_high": high,
                "next_low": next_low,
                "next_high": next_high,
                "best_score": best,
                "epoch_time_s": epoch_times.median(),
                "epoch_time_min_s": epoch_times.min(),
                "epoch_time_max_s": epoch_times.max(),
                "train_samples_per_s": group["train_samples_per_s"].median(),
                "eval_samples_per_s": group["eval_samples_per_s"].median(),
                "peak_memory_bytes": group["peak_memory_bytes"].median(),
            }
        )
    summary = pd.DataFrame(rows)
    if not summary.empty:
        least = summary.groupby(["task", "device"])["epoch_time_s"].transform("min")
        summary["relative_time"] = summary["epoch_time_s"] / least
    return summary


def compare_with_best(runs: pd.DataFrame, confidence: float = CONFIDENCE) -> pd.DataFrame:
    """Compare each group with the one of the best mean score on its task and device.

    Returns
    -------
    DataFrame
        `GROUP`; ``best``, the label compared with; ``seeds``, how many both have; ``shortfall``,
        the mean over seeds of how much worse the group is than the best one, positive whichever
        way the metric runs; ``low`` and ``high``, its interval, not adjusted; ``p``, of the paired
        t test, NaN where the differences have no spread; ``p_adjusted``, by Holm's method over the
        comparisons of the task and device.
    """
    finished = runs.assign(label=label_runs(runs))
    finished = finished[finished["status"] == "ok"]
    compared = []
    for (task, device), group in finished.groupby(["task", "device"], sort=False):
        sign = 1.0 if group["higher_is_better"].iloc[0] else -1.0
        goodness = sign * group.set_index(["seed", "label"])["final_score"].unstack("label")  # noqa: PD010
        best = goodness.mean().idxmax()
        rows = [
            {"task": task, "device": device, "label": label, "best": best}
            | _paired(goodness[best] - goodness[label], confidence)
            for label in dict.fromkeys(group["label"])
            if label != best
        ]
        adjusted = _holm([row["p"] for row in rows])
        compared += [row | {"p_adjusted": p} for row, p in zip(rows, adjusted, strict=True)]
    return pd.DataFrame(compared)


def _paired(differences: pd.Series, confidence: float) -> dict[str, float]:
    differences = differences.dropna()
    low, high = mean_interval(differences, confidence)
    spread = len(set(differences)) > 1  # without one Student's t is 0 / 0 or infinite
    p = float(stats.ttest_1samp(differences, 0.0).pvalue) if spread else np.nan
    return {
        "seeds": len(differences),
        "shortfall": differences.mean(),
        "low": low,
        "high": high,
        "p": p,
    }


def _holm(p_values: list[float]) -> list[float]:
    """Adjust p values for their number (S. Holm, 1979), so that any error has the given rate."""
    adjusted = [np.nan] * len(p_values)
    running = 0.0
    known = sorted((p, place) for place, p in enumerate(p_values) if not np.isnan(p))
    for rank, (p, place) in enumerate(known):
        running = max(running, min(1.0, (len(known) - rank) * p))
        adjusted[place] = running
    return adjusted


def join_published(summary: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return the groups of ``summary`` for which a figure was published, one row for each figure.

    The published columns of `published.load_published` are added, ``published_`` before the names
    that both have: ``published_score``, ``published_parameters``, ``published_epochs``.
    """
    if summary.empty:
        return summary
    keys = ["task", "variant", "metric"]
    both = ("score", "parameters", "epochs")
    renamed = published.rename(columns={name: f"published_{name}" for name in both})
    return summary.merge(renamed, on=keys)


def learning_curves(runs: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """Return, for each group and epoch, the score over seeds and the training time up to there.

    Columns: `GROUP`, ``metric``, ``epoch``; ``score`` (mean), ``score_min``, ``score_max``;
    ``train_time_s``, the mean over seeds of the summed epoch times.
    """
    finished = runs.assign(label=label_runs(runs))
    finished = finished[finished["status"] == "ok"][["run_id", "label"]]
    curves = finished.merge(epochs, on="run_id")  # in the order of the runs, then of the epochs
    curves["train_time_s"] = curves.groupby("run_id")["epoch_time_s"].cumsum()
    return (
        curves.groupby([*GROUP, "metric", "epoch"], sort=False)
        .agg(
            score=("score", "mean"),
            score_min=("score", "min"),
            score_max=("score", "max"),
            train_time_s=("train_time_s", "mean"),
        )
        .reset_index()
    )
