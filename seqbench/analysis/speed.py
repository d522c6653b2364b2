"""Statistics of timed samples: data frame in, data frame out. Nothing is drawn or written here.

The run is the unit: a group's figure is the median over its runs of the median over a run's
samples, contended samples left out where there are others, and its percentiles are medians over its
runs too, of all samples. Pooled, the samples of several runs would pass for independent, and a run
would count for as much as it was sampled. The interval reaches over the runs' own intervals, so
that what changed from one run to the next is in it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from seqbench.analysis.stats import (
    GROUP,
    MEMORY,
    leave_out_contended,
    name_groups,
    summarise_memory,
)
from seqbench.intervals import UNSTABLE_WIDTH, median_interval

LIMIT_PHASES = ("matmul", "copy")
_ORDINARY = ("native", "scan")  # no variant has both
_RACED = ["implementation", "precision", "cuda_graph"]
_RACING = rf" (?:{'|'.join(_RACED)}|threads)=\S+"  # settings in which compared groups differ
_PERCENTILES = {"p50_s": 50, "p95_s": 95, "p99_s": 99}
_LEAST_BEYOND = 10  # samples expected beyond a percentile, or it is left out
_LIMIT_KEYS = ["device", "threads", "precision"]
_KEPT = ["task_name", "variant", "implementation", "precision", "threads", "batch_size"]
_KEPT += ["cuda_graph", "parameters"]


def _join_runs(runs: pd.DataFrame, timings: pd.DataFrame) -> pd.DataFrame:
    """Return the samples of the completed runs, with the runs' names and settings."""
    named = name_groups(runs)
    named = named[named["status"] == "ok"]
    joined = named[["run_id", *GROUP, *_KEPT, "peak_memory_bytes"]].merge(timings, on="run_id")
    return joined.assign(call_s=joined["seconds"] / joined["calls"])


def measure_limits(runs: pd.DataFrame, timings: pd.DataFrame) -> pd.DataFrame:
    """Return the measured hardware peaks, for each device, thread count and precision.

    Returns
    -------
    DataFrame
        ``device``, ``threads``, ``precision``; ``peak_flops_per_s``, the median over the runs of
        each run's peak matrix-multiply throughput; ``peak_least`` and ``peak_most``, its range;
        ``peak_bytes_per_s``, of a copy: the median over the runs of each run's median.
    """
    samples = _join_runs(runs, timings)
    rows = []
    for keys, part in samples.groupby(_LIMIT_KEYS, sort=False):
        by_run = _peaks(part)
        copies = leave_out_contended(part[part["phase"] == "copy"])
        copied = (copies["bytes"] / copies["call_s"]).groupby(copies["run_id"]).median()
        rows.append(
            {
                **dict(zip(_LIMIT_KEYS, keys, strict=True)),
                "peak_flops_per_s": by_run.median(),
                "peak_bytes_per_s": copied.median(),
                "peak_least": by_run.min(),
                "peak_most": by_run.max(),
            }
        )
    return pd.DataFrame(rows)


def _peaks(samples: pd.DataFrame) -> pd.Series:
    """Return the floating-point operations per second of each run's fastest product."""
    products = samples[samples["phase"] == "matmul"]
    return (products["flops"] / products["call_s"]).groupby(products["run_id"]).max()


def summarise_speed(runs: pd.DataFrame, timings: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each group of runs that differ in the seed only, and each phase.

    Empty if only the hardware peaks were measured. Columns: `GROUP`, ``phase``, ``task_name``,
    ``variant``, ``implementation``, ``precision``, ``threads``, ``batch_size``, ``parameters``,
    those of `stats.summarise_memory` and

    ``runs``, ``samples``, ``run_samples``, ``contended``
        How many runs; samples of all together, and of the run that has fewest; the share of the
        samples that was contended.
    ``seconds``, ``low_s``, ``high_s``
        Of a call: median, and its interval; NaN where a run has too few samples for one.
    ``unstable``
        Whether the interval, or the range of the runs' medians, is wider than `UNSTABLE_WIDTH`;
        None where the range is not, and the interval is not known.
    ``p50_s``, ``p95_s``, ``p99_s``
        Medians over the runs of each run's percentiles, contended samples included: a user meets
        them too. NaN where fewer than 10 samples of a run are expected beyond it: they take 20,
        200 and 1,000 samples in each run.
    ``samples_per_s``, ``steps_per_s``
        Examples and time steps per second.
    ``flops_per_s``, ``peak_fraction``, ``intensity``
        By formula, against the measured peak (the median over the runs, each against the product
        measured just before it), and per byte moved; NaN without a formula.
    """
    joined = _join_runs(runs, timings)
    peaks = _peaks(joined)
    joined = joined[~joined["phase"].isin(LIMIT_PHASES)]
    rows = [
        {**dict(zip([*GROUP, "phase"], keys, strict=True)), **_summarise(part, peaks)}
        for keys, part in joined.groupby([*GROUP, "phase"], sort=False)
    ]
    return pd.DataFrame(rows)


def _summarise(part: pd.DataFrame, peaks: pd.Series) -> dict[str, Any]:
    first = part.iloc[0]
    medians, lows, highs = zip(
        *(_of_run(samples) for _, samples in part.groupby("run_id", sort=False)), strict=True
    )
    own_peaks = peaks.reindex(part["run_id"].unique()).to_numpy()
    seconds, low, high = np.median(medians), np.min(lows), np.max(highs)
    flops = float(first["flops"]) if pd.notna(first["flops"]) else np.nan
    moved = float(first["bytes"]) if pd.notna(first["bytes"]) else np.nan
    return {
        **first[_KEPT],
        **summarise_memory(part.drop_duplicates("run_id")),
        "runs": len(medians),
        "samples": len(part),
        "run_samples": part.groupby("run_id").size().min(),
        "contended": part["contended"].mean(),
        "seconds": seconds,
        "low_s": low,
        "high_s": high,
        "unstable": _is_unstable(medians, high - low),
        **_measure_percentiles(part),
        "samples_per_s": first["examples"] / seconds,
        "steps_per_s": first["time_steps"] / seconds,
        "flops_per_s": flops / seconds,
        "peak_fraction": np.median(flops / np.array(medians) / own_peaks),
        "intensity": flops / moved,
    }


def _of_run(samples: pd.DataFrame) -> tuple[float, float, float]:
    """Return the median of a run's samples and its interval; all of them if all were contended."""
    values = leave_out_contended(samples)["call_s"]
    return (values.median(), *median_interval(values))


def time_steps(runs: pd.DataFrame, timings: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each measured run: `GROUP` and ``seconds``, of its median training step.

    Contended samples are left out where there are others.
    """
    joined = _join_runs(runs, timings)
    steps = joined[joined["phase"] == "train_step"]
    rows = [
        {**dict(zip(GROUP, keys[1:], strict=True)), "seconds": _of_run(samples)[0]}
        for keys, samples in steps.groupby(["run_id", *GROUP], sort=False)
    ]
    return pd.DataFrame(rows, columns=[*GROUP, "seconds"])


def _is_unstable(medians: Sequence[float], width: float) -> bool | None:
    """Return whether a group's time is unstable, from its runs' medians and its interval."""
    allowed = UNSTABLE_WIDTH * np.median(medians)
    if max(medians) - min(medians) > allowed:
        return True
    return None if np.isnan(width) else bool(width > allowed)


def _measure_percentiles(part: pd.DataFrame) -> dict[str, float]:
    by_run = part.groupby("run_id")["call_s"]
    least = by_run.size().min()
    return {
        name: by_run.quantile(share / 100).median()
        if least * (100 - share) >= 100 * _LEAST_BEYOND
        else np.nan
        for name, share in _PERCENTILES.items()
    }


def tabulate_phases(speed: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each group, its phases side by side as ``<phase>_<column>``.

    Columns as in `summarise_speed`, those of a phase with its name before them; groups in order of
    their training throughput, fastest first within a task and device.
    """
    if speed.empty:
        return speed
    values = ["seconds", "samples_per_s", "steps_per_s", "p50_s", "p95_s", "p99_s", "run_samples"]
    values += ["flops_per_s", "peak_fraction", "contended", "unstable"]
    # pivot_table would leave out what is NaN in all groups; so would a key groups with NaN in it
    wide = speed.pivot(index=GROUP, columns="phase", values=values).infer_objects()  # noqa: PD010
    wide.columns = [f"{phase}_{value}" for value, phase in wide.columns]
    groups = speed[[*GROUP, *_KEPT, *MEMORY]].drop_duplicates(GROUP)
    wide = groups.merge(wide.reset_index(), on=GROUP)
    present = list(dict.fromkeys(_task_device(speed)))
    order = [present.index(each) for each in _task_device(wide)]
    wide = wide.assign(place=order).sort_values(["place", "train_step_seconds"], kind="stable")
    return wide.drop(columns="place").reset_index(drop=True)


def _task_device(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(frame["task"], frame["device"], strict=True))


def race_implementations(speed: pd.DataFrame) -> pd.DataFrame:
    """Compare implementations and precisions of equal settings, as they train and as they infer.

    Returns
    -------
    DataFrame
        ``task``, ``device``, ``variant``, with the settings in its label, ``threads``, ``phase``
        (``train_step`` or ``inference``), ``implementation``, ``precision``, ``cuda_graph``,
        ``seconds``; ``base``, the variant's default implementation, in float32 and step by step;
        ``speedup``, the speed-up over it;
        ``speedup_low`` and ``speedup_high``, from the ends of both intervals, NaN where one is not
        known; ``best``, whether it is the fastest of all. Only variants with more than one.
    """
    if speed.empty:
        return speed
    raced = speed[speed["phase"].isin(["train_step", "inference"])]
    raced = raced.assign(variant=raced["label"].str.replace(_RACING, "", regex=True))
    keys = ["task", "device", "variant", "threads", "phase"]
    rows = []
    for _, part in raced.groupby(keys, sort=False):
        plain = part[(part["precision"] == "float32") & part["implementation"].isin(_ORDINARY)]
        plain = plain[~plain["cuda_graph"].astype(bool)]
        if len(part) < 2 or plain.empty:
            continue
        base = plain.iloc[0]
        rows.append(
            part[[*keys, *_RACED, "seconds", "unstable"]].assign(
                base=base["implementation"],
                speedup=base["seconds"] / part["seconds"],
                speedup_low=base["low_s"] / part["high_s"],
                speedup_high=base["high_s"] / part["low_s"],
                best=part["seconds"] == part["seconds"].min(),
            )
        )
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
