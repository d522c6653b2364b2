"""Two stored results side by side: scores paired by seed, times where the machines are alike."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from seqbench.environments import (
    OF_TIMES,
    list_decisive_differences,
    list_differences,
    same_code,
)
from seqbench.errors import UsageError
from seqbench.intervals import find_resolution
from seqbench.significance import Difference, compare_pairs
from seqbench.stats import GROUP, name_groups, time_runs
from seqbench.store import Results


@dataclass(frozen=True)
class Comparison:
    """What two results have in common, and in what they differ.

    Parameters
    ----------
    differences
        Of the environments, field by field, and of the number of threads.
    changes
        What else differs between the runs that are compared, in sentences.
    alike
        Whether the machines are, so that times may be compared.
    table
        From `compare_groups`.
    only_first, only_second
        How many runs the other result does not have.
    """

    differences: list[str]
    changes: list[str]
    alike: bool
    table: pd.DataFrame
    only_first: int
    only_second: int


def compare_results(first: Results, second: Results) -> Comparison:
    """Compare two results, the second with the first.

    Raises
    ------
    UsageError
        If they have no run in common.
    """
    pairs, only_first, only_second = _pair_runs(first, second)
    if pairs.empty:
        raise UsageError(
            f"{first.name} and {second.name} have no run of the same settings and seed in common "
            f"that ended well in both"
        )
    alike = not list_decisive_differences(first.environment, second.environment, OF_TIMES)
    return Comparison(
        differences=[
            *list_differences(first.environment, second.environment),
            *_list_threads(first, second),
        ],
        changes=list(_list_changes(pairs)),
        alike=alike,
        table=compare_groups(pairs, times=alike),
        only_first=only_first,
        only_second=only_second,
    )


def _pair_runs(first: Results, second: Results) -> tuple[pd.DataFrame, int, int]:
    """Return runs of equal settings side by side, and how many have no partner on either side."""
    timed = [time_runs(each.runs, each.epochs) for each in (first, second)]
    sides = [each.assign(side=side) for side, each in enumerate(timed)]
    runs = pd.concat(sides, ignore_index=True)
    if list(_list_threads(first, second)):  # the machines' own: no setting that anybody varied
        runs["threads"] = runs["threads"].iloc[0]
    named = name_groups(runs)
    named = named[named["status"] == "ok"]
    one, other = (named[named["side"] == side] for side in (0, 1))
    pairs = one.merge(other, on=[*GROUP, "seed"], suffixes=("", "_second"))
    return pairs, len(one) - len(pairs), len(other) - len(pairs)


def _list_changes(pairs: pd.DataFrame) -> Iterator[str]:
    data = (pairs["data_fingerprint"] != pairs["data_fingerprint_second"]).sum()
    if data:
        yield f"{data} of {len(pairs)} pairs were trained on different data."
    both = pairs[["code_version", "code_version_second"]].dropna()
    code = sum(not same_code(*each) for each in both.itertuples(index=False))
    if code:
        yield f"{code} of {len(pairs)} pairs went through different code."


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
        `GROUP`; ``metric``; ``seeds``; ``equal``, how many pairs have scores equal to the last bit;
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
    yield from found.changes
    if not found.alike:
        yield "The machines are not alike, so times are not compared."
    for name, number in ((first, found.only_first), (second, found.only_second)):
        if number:
            runs = "1 run" if number == 1 else f"{number} runs"
            yield f"{runs} of {name} without a partner of the same settings and seed."
