"""Counts of the gate's trials: by run, and by benchmark with other methods."""

from functools import partial
from pathlib import Path

import pandas as pd
from scipy.stats import binomtest

METHODS = {
    "gate": "seqbench gate, interleaved process pairs",
    "earlier gate": "seqbench gate, earlier rules",
    "pytest-benchmark": "pytest-benchmark, --benchmark-compare-fail=mean:5%",
    "mann-whitney": "Mann-Whitney test at 1 %",
    "bootstrap": "bootstrap of the ratio of means, 99 % interval",
}
OTHERS = tuple(METHODS)[2:]
_EARLIER = "not recorded"


def load_trials(results: Path, gate: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the trials and the runs that are recorded.

    Returns
    -------
    trials
        As in ``trials.csv``; ``method`` is ``earlier gate`` for another rule than ``gate``.
    runs
        One row per run: ``gate``, ``slowdown``, ``benchmarks``, ``slower``, ``faster``,
        ``inconclusive``, ``pairs``, ``seconds``, ``environment_id``, ``commit``, ``started_at``.
    """
    trials = pd.read_csv(results / "trials.csv")
    own = trials[trials["method"] == "gate"]
    runs = own.groupby("run").agg(
        slowdown=("slowdown", "first"),
        benchmarks=("benchmark", "size"),
        **{name: ("verdict", partial(_count, verdict=name)) for name in _SAID},
        pairs=("pairs", "max"),
        seconds=("seconds", "first"),
        environment_id=("environment_id", "first"),
        commit=("commit", "first"),
        started_at=("started_at", "first"),
    )
    runs["gate"] = _EARLIER
    if (results / "runs.csv").exists():
        recorded = pd.read_csv(results / "runs.csv", dtype={"gate": str}).set_index("run")
        runs["gate"] = recorded["gate"].reindex(runs.index).fillna(_EARLIER)
    earlier = runs.index[runs["gate"] != gate]
    others = (trials["method"] == "gate") & trials["run"].isin(earlier)
    trials.loc[others, "method"] = "earlier gate"
    return trials, runs.reset_index()


_SAID = ("slower", "faster", "inconclusive")


def _count(verdicts: pd.Series, verdict: str) -> int:
    return int((verdicts == verdict).sum())


def count_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each rule of the gate and slowdown.

    Returns
    -------
    DataFrame
        ``gate``, ``slowdown``, ``runs``, ``found`` (see the page of the report), ``low`` and
        ``high``, the interval of its share, ``open`` (benchmarks left inconclusive), ``seconds``
        and ``pairs``, medians.
    """
    rows = []
    for (gate, slowdown), part in runs.groupby(["gate", "slowdown"], sort=False):
        alarmed = part["slower"] + part["faster"] > 0
        found = (alarmed if slowdown == 0 else part["slower"] > 0).sum()
        interval = binomtest(int(found), len(part)).proportion_ci(0.95)
        rows.append(
            {
                "gate": gate,
                "slowdown": slowdown,
                "runs": len(part),
                "found": int(found),
                "low": interval.low,
                "high": interval.high,
                "open": int(part["inconclusive"].sum()),
                "seconds": part["seconds"].median(),
                "pairs": part["pairs"].median(),
            }
        )
    return pd.DataFrame(rows).sort_values(["gate", "slowdown"])


def count_verdicts(trials: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each method and slowdown.

    Returns
    -------
    DataFrame
        ``method``, ``slowdown``, ``trials``, ``found`` (see the page of the report), ``slower``,
        ``faster``, ``same``, ``undecided``; ``share`` of trials found, with ``low`` and ``high``,
        its interval.
    """
    rows = []
    for (method, slowdown), part in trials.groupby(["method", "slowdown"]):
        counts = part["verdict"].value_counts()
        found = counts.get("slower", 0) + (counts.get("faster", 0) if slowdown == 0 else 0)
        interval = binomtest(int(found), len(part)).proportion_ci(0.95)
        rows.append(
            {
                "method": method,
                "slowdown": slowdown,
                "trials": len(part),
                "found": int(found),
                "slower": int(counts.get("slower", 0)),
                "faster": int(counts.get("faster", 0)),
                "same": int(counts.get("same", 0)),
                "undecided": int(counts.get("inconclusive", 0)),
                "share": found / len(part),
                "low": interval.low,
                "high": interval.high,
            }
        )
    rows.sort(key=lambda row: (row["slowdown"], list(METHODS).index(row["method"])))
    return pd.DataFrame(rows)
