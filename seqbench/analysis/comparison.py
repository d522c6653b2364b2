"""Comparison of two stored results: scores paired by seed, times if the machines are equal."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seqbench.analysis.significance import Difference, compare_pairs
from seqbench.analysis.stats import GROUP, name_groups, time_runs
from seqbench.errors import UsageError
from seqbench.intervals import find_resolution
from seqbench.results.environments import (
    OF_TIMES,
    format_differences,
    list_decisive_differences,
    list_differences,
    same_code,
)
from seqbench.results.reader import Results
from seqbench.spec import RunSpec

_SETTINGS = [field.name for field in fields(RunSpec) if field.name not in ("task", "seed")]


@dataclass(frozen=True)
class Comparison:
    """What two results have in common, and in what they differ.

    Parameters
    ----------
    along
        The setting in which the results differ on purpose, with its value in each, as text; None
        where equal settings are compared.
    differences
        Of the environments, field by field, and of the number of threads, that can change a number
        or a time.
    others
        Of the environments in what is recorded besides.
    changes
        What else differs between the runs that are compared, in sentences.
    alike
        Whether the machines are, so that times may be compared.
    table
        From `compare_groups`.
    only_first, only_second
        How many runs the other result does not have.
    """

    along: str | None
    differences: list[str]
    others: list[str]
    changes: list[str]
    alike: bool
    table: pd.DataFrame
    only_first: int
    only_second: int


def compare_results(first: Results, second: Results) -> Comparison:
    """Compare two results, the second with the first.

    Runs of equal settings and seed are compared. Where there are none, and each result has one
    value of a setting of which the other has another, runs that differ in that setting alone are.

    Raises
    ------
    UsageError
        If they have no such runs, with the settings in which they differ.
    """
    runs = _put_together(first, second)
    pairs, only_first, only_second = _pair_runs(runs)
    along = None
    if pairs.empty and len(varied := _list_varied(runs)) == 1:
        (along,) = (f"{name}: {was}, {now}" for name, (was, now) in varied.items())
        runs = runs.assign(**{name: runs[name].iloc[0] for name in varied})
        pairs, only_first, only_second = _pair_runs(runs)
    if pairs.empty:
        raise UsageError(_describe_nothing(first, second, runs))
    decisive = list_decisive_differences(first.environment, second.environment)
    alike = not list_decisive_differences(first.environment, second.environment, OF_TIMES)
    everything = list_differences(first.environment, second.environment)
    deciding = {each.partition(": ")[0] for each in decisive}
    return Comparison(
        along=along,
        differences=[*decisive, *_list_threads(first, second)],
        others=[each for each in everything if each.partition(": ")[0] not in deciding],
        changes=list(_list_changes(pairs)),
        alike=alike,
        table=compare_groups(pairs, times=alike),
        only_first=only_first,
        only_second=only_second,
    )


def _put_together(first: Results, second: Results) -> pd.DataFrame:
    """Return the runs of both that completed, with their times, and their ``side``, 0 or 1."""
    timed = [time_runs(each.runs, each.epochs) for each in (first, second)]
    sides = [each.assign(side=side) for side, each in enumerate(timed)]
    runs = pd.concat(sides, ignore_index=True)
    if list(_list_threads(first, second)):  # the machines' own: not a varied setting
        runs["threads"] = runs["threads"].iloc[0]
    return runs[runs["status"] == "ok"]


def _pair_runs(runs: pd.DataFrame) -> tuple[pd.DataFrame, int, int]:
    """Return pairs of runs with equal settings, and the numbers of unpaired runs of both."""
    named = name_groups(runs)
    one, other = (named[named["side"] == side] for side in (0, 1))
    pairs = one.merge(other, on=[*GROUP, "seed"], suffixes=("", "_second"))
    return pairs, len(one) - len(pairs), len(other) - len(pairs)


def _list_varied(runs: pd.DataFrame) -> dict[str, tuple[Any, Any]]:
    """Return the settings of which each side has one value, and another one than the other side."""
    varied = {}
    for name in _SETTINGS:
        sides = [part[name].unique() for _, part in runs.groupby("side")]
        if len(sides) == 2 and all(len(values) == 1 for values in sides):
            was, now = ("none" if pd.isna(value) else value for (value,) in sides)
            if was != now:
                varied[name] = was, now
    return varied


def _describe_nothing(first: Results, second: Results, runs: pd.DataFrame) -> str:
    message = (
        f"{first.name} and {second.name} have no completed run with the same settings and seed "
        f"in common"
    )
    sides = [part.drop(columns="seed") for _, part in name_groups(runs).groupby("side")]
    if len(sides) == 2 and not sides[0].merge(sides[1], on=GROUP).empty:
        return f"{message}: only the seeds differ; `seqbench pool` merges such results"
    varied = _list_varied(runs)
    each = "; ".join(f"{name}: {was}, {now}" for name, (was, now) in varied.items())
    return f"{message}; they differ in {each}" if varied else message


def _list_changes(pairs: pd.DataFrame) -> Iterator[str]:
    data = (pairs["data_fingerprint"] != pairs["data_fingerprint_second"]).sum()
    if data:
        yield f"{data} of {len(pairs)} pairs were trained on different data."
    both = pairs[["code_version", "code_version_second"]].dropna()
    code = sum(not same_code(*each) for each in both.itertuples(index=False))
    if code:
        yield f"{code} of {len(pairs)} pairs were run with different code."
    edited = pairs[["edited_at", "edited_at_second"]].notna().any(axis=1).sum()
    if edited:
        yield f"{edited} of {len(pairs)} pairs have a run that was edited by hand."


def _list_threads(first: Results, second: Results) -> Iterator[str]:
    """Yield the numbers of threads, if each result has one and they differ."""
    ours, theirs = (each.runs["threads"].unique() for each in (first, second))
    if len(ours) == len(theirs) == 1 and ours[0] != theirs[0]:
        yield f"threads: {ours[0]}, {theirs[0]}"


def compare_groups(pairs: pd.DataFrame, *, times: bool) -> pd.DataFrame:
    """Return one row for each group of pairs that differ in the seed only.

    Returns
    -------
    DataFrame
        `GROUP`; ``metric``; ``seeds``; ``equal``, how many pairs have scores bitwise equal;
        ``first`` and ``second``, mean scores; ``gain``, the mean over seeds of how much better the
        second is, positive whichever way the metric runs, with ``low``, ``high`` and ``p`` by
        Student's t test of the paired differences; ``time_ratio``, the geometric mean over seeds
        of the second's epoch time over the first's, from `stats.time_runs`, ``ratio_low`` and
        ``ratio_high``, its interval by the same test on logarithms; NaN without ``times``. All
        are adjusted for the number of groups.
    """
    rows = []
    groups = pairs.groupby(GROUP, sort=False)
    resolutions = {
        task: find_resolution(pd.concat([part["final_score"], part["final_score_second"]]).dropna())
        for task, part in pairs.groupby("task")
    }
    for keys, part in groups:
        sign = 1.0 if part["higher_is_better"].iloc[0] else -1.0
        scores = part[["final_score", "final_score_second"]].dropna().astype(float)
        first, second = (scores[name] for name in scores)
        resolution = resolutions[part["task"].iloc[0]]
        gain = _compare(sign * (second - first), resolution, len(groups))
        ratios = np.log(part["epoch_time_s_second"].astype(float) / part["epoch_time_s"])
        ratio = _compare(ratios.dropna() if times else ratios.iloc[:0], 0.0, len(groups))
        rows.append(
            {
                **dict(zip(GROUP, keys, strict=True)),
                "metric": part["metric"].iloc[0],
                "seeds": len(part),
                "equal": int((part["final_score"] == part["final_score_second"]).sum()),
                "first": first.mean(),
                "second": second.mean(),
                **gain.as_row("gain"),
                "time_ratio": float(np.exp(ratio.mean)),
                "ratio_low": float(np.exp(ratio.low)),
                "ratio_high": float(np.exp(ratio.high)),
            }
        )
    return pd.DataFrame(rows)


def _compare(differences: pd.Series, resolution: ArrayLike, comparisons: int) -> Difference:
    known = differences.to_numpy() if len(differences) else np.array([np.nan])
    return compare_pairs(known, resolution, comparisons)


def describe_comparison(first: str, second: str, found: Comparison) -> Iterator[str]:
    """Yield what is to be known before the table: environments, and what was not compared."""
    if found.differences:
        yield f"The environments of {first} and {second} differ in:"
        yield from (f"  {each}" for each in found.differences)
    else:
        yield f"The environments of {first} and {second} are the same."
    if found.others:
        yield f"Recorded, but not decisive: {format_differences(found.others)}."
    if found.along is not None:
        yield f"Compared along the one setting in which they differ, {found.along}."
    yield from found.changes
    if not found.alike:
        yield "The machines differ, so times are not compared."
    for name, number in ((first, found.only_first), (second, found.only_second)):
        if number:
            runs = "1 run" if number == 1 else f"{number} runs"
            yield f"{runs} of {name} without a counterpart with the same settings and seed."
