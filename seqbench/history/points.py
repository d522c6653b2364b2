"""Results in order → frames: the machines they were made on, and a point for each of them.

A run counts once, in the first result that holds it: a result that is committed again, or resumed,
brings no new measurement of what it had before.
"""

from typing import Any

import pandas as pd

from seqbench.analysis.stats import GROUP, name_groups, summarise_times, time_runs
from seqbench.history.revisions import Timeline
from seqbench.results.environments import (
    OF_TIMES,
    compare_decisive,
    format_differences,
    list_differences,
    select_decisive,
)

_IDENTITY = [*GROUP, "seed", "started_at", "final_score", "epoch_time_s"]
_UNLIKE = ("machine", "threads", "software")


def list_machines(timeline: Timeline) -> pd.DataFrame:
    """Return on which machine each result was made, numbered from 1 in order of appearance.

    Returns
    -------
    DataFrame
        A row for each result: ``position``, from 0; ``point``, its name; ``made_at``; ``machine``,
        equal where times may be compared; ``cpu``; ``differs``, from the machine of the result
        before, as text; empty where it is the same.
    """
    kinds: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    for position, point in enumerate(timeline.points):
        environment = point.results.environment
        known = select_decisive(environment, OF_TIMES)
        alike = [
            number for number, kind in enumerate(kinds, 1) if not compare_decisive(kind, known)
        ]
        if not alike:
            kinds.append({})
        machine = alike[0] if alike else len(kinds)
        kinds[machine - 1] |= known  # a later result may record what an earlier one does not
        rows.append(
            {
                "position": position,
                "point": point.name,
                "made_at": point.made_at,
                "machine": machine,
                "cpu": str(environment.get("machine", {}).get("cpu") or "not recorded"),
                "differs": format_differences(compare_decisive(before, known)),
            }
        )
        before = known
    return pd.DataFrame(rows)


def collect_runs(timeline: Timeline) -> pd.DataFrame:
    """Return the completed runs, each once, with names, times and their ``position``.

    Settings are distinguished over all results together, so that a group has one name in all of
    them.
    """
    parts = [
        time_runs(point.results.runs, point.results.epochs).assign(position=position)
        for position, point in enumerate(timeline.points)
    ]
    named = name_groups(pd.concat(parts, ignore_index=True))
    named = named[named["status"] == "ok"]
    return named.drop_duplicates(_IDENTITY, keep="first").reset_index(drop=True)


def make_points(timeline: Timeline, runs: pd.DataFrame, machines: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each group in each result that has runs of it.

    Parameters
    ----------
    timeline
        The results.
    runs
        From `collect_runs`.
    machines
        From `list_machines`.

    Returns
    -------
    DataFrame
        `GROUP`; ``position``, ``point``, ``made_at``, ``machine``; ``metric``,
        ``higher_is_better``; ``seeds``; ``score``, the mean over seeds of the final score;
        ``epoch_time_s`` and ``train_samples_per_s``, from `stats.summarise_times`; ``data``,
        ``code`` and ``commit``, as recorded in the runs. NaN where a result has no such figure.
    """
    places = machines.set_index("position")
    rows = []
    for (position, *keys), part in runs.groupby(["position", *GROUP], sort=False):
        times = summarise_times(part)
        rows.append(
            {
                **dict(zip(GROUP, keys, strict=True)),
                "position": position,
                **places.loc[position, ["point", "made_at", "machine"]],
                "metric": part["metric"].iloc[0],
                "higher_is_better": bool(part["higher_is_better"].iloc[0]),
                "seeds": len(part),
                "score": part["final_score"].astype(float).mean(),
                **{name: times[name] for name in ("epoch_time_s", "train_samples_per_s")},
                "data": _list(part["data_fingerprint"].str[:12]),
                "code": _list(part["code_version"]),
                "commit": _list(part["commit"].str.replace(r"^(.{9})[0-9a-f]*", r"\1", regex=True)),
            }
        )
    return pd.DataFrame(rows)


def _list(values: pd.Series) -> str:
    return ", ".join(sorted(set(values.dropna().astype(str))))


def describe_difference(timeline: Timeline, before: pd.Series, after: pd.Series) -> str:
    """Return what else differed between two rows of `make_points` of one group, as text."""
    one, other = (
        timeline.points[int(row["position"])].results.environment for row in (before, after)
    )
    found = list(list_differences(one, other, _UNLIKE))
    for name in ("data", "code", "commit"):
        if before[name] and after[name] and before[name] != after[name]:
            found.append(f"{name}: {before[name]}, {after[name]}")
    return format_differences(found[::-1])
