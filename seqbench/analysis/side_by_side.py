"""A local result next to the published one of the same name: equal settings, each on its machine.

Seeds and threads may differ: scores are means over the seeds that each has, and the times say what
each machine takes with the threads that it was given.
"""

from dataclasses import fields

import pandas as pd

from seqbench.analysis.analysis import Analysis
from seqbench.analysis.stats import GROUP
from seqbench.spec import RunSpec

_APART = ("seed", "threads")
_SETTINGS = [field.name for field in fields(RunSpec) if field.name not in _APART]
_COMPARED = ["score", "seeds", "epoch_time_s"]


def set_side_by_side(own: Analysis, published: Analysis) -> pd.DataFrame:
    """Return a row for each group that both results have with equal settings.

    Returns
    -------
    DataFrame
        `GROUP` as in the local result; ``metric``, ``metric_unit``; ``score`` (mean over seeds),
        ``seeds`` and ``epoch_time_s`` (median over runs), and the published ones with
        ``_published`` at the end; ``speed_up``: the published epoch time over the local one. Empty
        where a result has no finished run.
    """
    if own.finished.empty or published.finished.empty:
        return pd.DataFrame()
    ours, theirs = (_describe_groups(each) for each in (own, published))
    pairs = ours.merge(theirs, on=_SETTINGS, suffixes=("", "_published"))
    speed_up = pairs["epoch_time_s_published"] / pairs["epoch_time_s"]
    kept = [
        *GROUP,
        "metric",
        "metric_unit",
        *_COMPARED,
        *(f"{each}_published" for each in _COMPARED),
    ]
    return pairs[kept].assign(speed_up=speed_up)


def _describe_groups(analysis: Analysis) -> pd.DataFrame:
    """Return the groups of a result with their settings and what is compared of them."""
    compared = [*GROUP, "metric", "metric_unit", *_COMPARED]
    settings = [each for each in _SETTINGS if each not in GROUP]
    groups = analysis.finished.drop_duplicates(GROUP)[[*GROUP, *settings]]
    return groups.merge(analysis.summary[compared], on=GROUP)
