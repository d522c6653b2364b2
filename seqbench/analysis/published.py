"""Published figures: the data file ``published.csv``, read, set next to ours and described."""

from collections.abc import Iterator
from importlib.resources import files
from itertools import compress
from typing import Any

import pandas as pd

from seqbench.analysis.stats import CHANGED
from seqbench.formatting import MOST_NAMED, format_interval, format_score
from seqbench.intervals import CONFIDENCE


def load_published() -> pd.DataFrame:
    """Return the published figures.

    Columns: ``task``, its ``length`` where that is a setting, ``variant``, ``metric``, ``score``
    (in the metric's own unit; accuracy as a fraction), ``parameters`` and ``epochs`` where they are
    known, ``source`` and ``convention``, the circumstances without which the score means nothing.
    """
    counts = {"length": "Int64", "parameters": "Int64", "epochs": "Int64"}
    with files("seqbench.analysis").joinpath("published.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=counts).fillna({"convention": ""})


def join_published(summary: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Set the published figures of the tasks of ``summary`` next to its groups.

    Returns
    -------
    DataFrame
        A row for each published figure of a task that ``summary`` has, as often as there are
        groups of its variant, and one for each group without any; empty if nothing is published
        of these tasks. Columns of ``summary``, NaN where the variant was not run; and
        ``published_score``, ``published_parameters``, ``published_epochs``, ``published_length``,
        ``source``, ``convention``, NaN where nothing citable is known. Groups on changed data are
        left out: nothing is published of it.
    """
    if not summary.empty:
        summary = summary[~summary["task"].str.contains(CHANGED, regex=False)]
    if summary.empty:
        return summary
    both = ("score", "parameters", "epochs", "length")
    renamed = published.rename(columns={name: f"published_{name}" for name in both})
    renamed = renamed.rename(columns={"task": "task_name"})
    known = renamed[renamed["task_name"].isin(set(summary["task_name"]))]
    tasks = summary[summary["task_name"].isin(set(known["task_name"]))]
    return tasks.merge(known, on=["task_name", "variant", "metric"], how="outer", sort=False)


def describe_published(published: pd.DataFrame) -> Iterator[str]:
    """Yield comparisons with published figures of equal size and budget, and a note on others.

    Parameters
    ----------
    published
        From `join_published`.
    """
    if published.empty:
        return
    both = published.dropna(subset=["score", "published_score"])
    alike = [_same_circumstances(row) for row in both.itertuples()]
    same = list(compress(both.itertuples(), alike))
    yield from map(_describe_figure, same[:MOST_NAMED])
    if len(same) > MOST_NAMED:
        yield f"{len(same) - MOST_NAMED:,} more such pairs are in the table below."
    if not all(alike):
        yield (
            "Other published scores are in the table below. Their model sizes or training budgets "
            "differ from ours or are unknown, so they are context, not a reproduction target."
        )


def _same_circumstances(row: Any) -> bool:
    """Return whether a published figure has known, equal length, parameters and epochs."""
    length = pd.isna(row.published_length) or row.length == row.published_length
    known = pd.notna(row.published_parameters) and pd.notna(row.published_epochs)
    return bool(
        length
        and known
        and row.parameters == row.published_parameters
        and row.epochs == row.published_epochs
    )


def _describe_figure(row: Any) -> str:
    scores = (row.score, row.published_score)
    ours, theirs = (format_score(each, row.metric, row.metric_unit) for each in scores)
    text = (
        f"Published for {row.label} on `{row.task}`: {theirs} ({row.source}); "
        f"here: {ours} (mean, n = {row.seeds})."
    )
    if pd.isna(row.next_low):
        return f"{text} One seed gives no prediction interval."
    relation = "within" if row.next_low <= row.published_score <= row.next_high else "outside"
    return (
        f"{text} The published score is {relation} the {100 * CONFIDENCE:g} % prediction interval "
        f"of one more run, "
        f"{format_interval(row.next_low, row.next_high, row.metric, row.metric_unit)}."
    )
