"""What was found, in sentences: the frames of an `Analysis` in, Markdown sentences out.

A difference is called one only if it is significant after adjustment for the number of comparisons;
of everything else it is said that there is no significant difference, with the number of seeds.
Each sentence names its task and device.
"""

from collections.abc import Iterable, Iterator
from itertools import compress

import numpy as np
import pandas as pd

from seqbench.analysis.analysis import Analysis
from seqbench.analysis.differences import find_ties
from seqbench.analysis.published import describe_published
from seqbench.analysis.significance import count_pairs, is_significant
from seqbench.formatting import (
    MOST_NAMED,
    format_difference,
    format_factor,
    format_interval,
    format_mean,
    format_score,
    format_seconds,
    format_share,
    join_some,
    join_words,
)
from seqbench.intervals import CONFIDENCE, UNSTABLE_WIDTH

_SHOWN = 12  # characters of a fingerprint

MUCH_CONTENDED = 0.2
"""Share of contended samples from which on a report says so."""

_PER_CENT = f"{100 * CONFIDENCE:g} %"


def format_findings(analysis: Analysis) -> Iterator[str]:
    """Yield the sentences that open a report, a paragraph's worth for each task and device."""
    scores, costs = (dict(_by_task_and_device(each)) for each in (analysis.scores, analysis.times))
    for keys, group in _by_task_and_device(analysis.summary):
        where = f"on `{keys[0]}` ({keys[1]})"
        yield _describe_scores(where, group, scores.get(keys, pd.DataFrame()))
        yield _describe_cost(where, group, costs.get(keys, pd.DataFrame()))
        yield from describe_doubts(group, f"epoch time {where}", f"epochs {where}")
        yield from _describe_baseline(where, group)
        yield from _describe_readouts(where, group)
    yield from _describe_all_effects(analysis.effects)
    yield from _describe_uneven(analysis.uneven)
    yield from describe_published(analysis.published)
    failed = int((~analysis.runs["status"].isin(["ok", "unsupported"])).sum())
    if failed:
        runs = "1 failed run" if failed == 1 else f"{failed} failed runs"
        yield f"**{runs}**: listed below, excluded from tables and figures."


def _by_task_and_device(frame: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    if not frame.empty:
        yield from frame.groupby(["task", "device"], sort=False)


def list_alike(compared: pd.DataFrame, names: Iterable[str]) -> str:
    """Name what does not differ significantly, or was not tested, with the numbers of seeds.

    Parameters
    ----------
    compared
        From `differences`: ``p`` and the numbers of seeds on both sides, named ``…seeds``.
    names
        What to call each row.
    """
    names = list(names)
    parts = {
        "No significant difference": compared["p"].notna() & ~is_significant(compared["p"]),
        "Not tested, too few seeds": compared["p"].isna(),
    }
    said = []
    for words, chosen in parts.items():
        if not chosen.any():
            continue
        seeds = compared.loc[chosen, [name for name in compared if name.endswith("seeds")]]
        least, most = seeds.min(axis=None), seeds.max(axis=None)
        count = f"{least}" if least == most else f"{least} to {most}"
        named = list(compress(names, chosen))
        few = len(named) <= MOST_NAMED
        told = join_words(named) if few else f"{len(named)} of {len(compared)} others"
        said.append(f"{words} (n = {count}): {told}.")
    return " ".join(said)


def _describe_scores(where: str, group: pd.DataFrame, compared: pd.DataFrame) -> str:
    metric, unit = group.iloc[0][["metric", "metric_unit"]]
    by_label = group.set_index("label", drop=False)
    best = by_label.loc[compared["best"].iloc[0] if not compared.empty else group["label"].iloc[0]]
    leading = [best.label]
    if not compared.empty:
        ties = find_ties(compared)
        leading += list(compared.loc[ties, "label"])
    verb = "has" if len(leading) == 1 else "have"
    score = format_mean(best.score, best.score_std, metric, unit)
    text = (
        f"{join_some([f'**{label}**' for label in leading])} {verb} the best mean "
        f"{metric.replace('_', ' ')} {where}: {score}"
    )
    if group["seeds"].max() == 1:
        return f"{text} (n = 1). Differences cannot be tested with one seed."
    cut = ", cut to what the metric can be" if best.cut else ""
    interval = format_interval(best.score_low, best.score_high, metric, unit)
    text += f" (mean ± std dev, n = {best.seeds}; {_PER_CENT} CI {interval}{cut})."
    if compared.empty:
        return text
    compared = compared[~ties]
    behind = compared[is_significant(compared["p"])]
    if not behind.empty:
        said = [
            f"{row.label} by {format_difference(row.shortfall, metric, unit)} "
            f"({format_interval(row.low, row.high, metric, unit)})"
            for row in behind.itertuples()
        ]
        text += f" Significantly better than {join_some(said)}."
    if alike := list_alike(compared, compared["label"]):
        text += f" {alike}"
    pairs = count_pairs(len(group))
    over = f", adjusted for all {pairs:,} pairs" if pairs > 1 else ""
    return (
        f"{text} In parentheses: {_PER_CENT} CI of the difference{over}." if len(behind) else text
    )


def _describe_cost(where: str, group: pd.DataFrame, compared: pd.DataFrame) -> str:
    """Say what is fastest; what is compared, as everywhere, is the mean logarithm of the time."""
    times = group.set_index("label")["epoch_time_s"]
    least = compared["best"].iloc[0] if not compared.empty else times.idxmin()
    how = "" if times[least] == times.min() else ", by geometric mean over runs"
    text = (
        f"**{least}** has the lowest epoch time {where}{how}: "
        f"{format_seconds(times[least])} (median over runs)."
    )
    if not compared.empty:
        slower = compared[is_significant(compared["p"])].sort_values("shortfall", kind="stable")
        told = [
            f"{row.label} {format_factor(np.exp(row.shortfall))}" for row in slower.itertuples()
        ]
        text += (
            f" Significantly slower, ratio of geometric means: {join_some(told)}." if told else ""
        )
        text += f" {list_alike(compared, compared['label'])}".rstrip()
    parts = [
        f"{join_some(list(part['label']))} {implementation}"
        for implementation, part in group.groupby("implementation", sort=False)
    ]
    return text + (f" Implementations differ: {', '.join(parts)}." if len(parts) > 1 else "")


def describe_doubts(group: pd.DataFrame, figure: str, samples: str) -> Iterator[str]:
    """Say which times are unreliable, and what to do about it.

    Parameters
    ----------
    group
        With ``label``, ``unstable`` and ``contended``.
    figure, samples
        What is called unstable, and what was contended.
    """
    unstable = group[group["unstable"].astype(bool)]
    if not unstable.empty:
        yield (
            f"**Unstable**: the {figure} of {join_some(list(unstable['label']))} varies by more "
            f"than {format_share(UNSTABLE_WIDTH)} between runs or samples. Repeat the measurement "
            f"on an idle machine."
        )
    contended = group[group["contended"].astype(float) > MUCH_CONTENDED]
    if not contended.empty:
        yield (
            f"**Contended**: more than {format_share(MUCH_CONTENDED)} of the {samples} of "
            f"{join_some(list(contended['label']))} were timed under CPU contention. They are "
            f"excluded if there are others. Repeat the measurement on an idle machine."
        )


def _describe_baseline(where: str, group: pd.DataFrame) -> Iterator[str]:
    """Name the groups whose interval lies beyond the baseline, and those in which it lies."""
    sign = 1.0 if group["higher_is_better"].iloc[0] else -1.0
    low, high = (sign * group[end].astype(float) for end in ("score_low", "score_high"))
    if sign < 0:
        low, high = high, low
    baseline = sign * group["baseline_score"].astype(float)
    worse = high < baseline
    proven = low.fillna(sign * group["score"]) > baseline
    told = format_score(*group.iloc[0][["baseline_score", "metric", "metric_unit"]])
    for words, chosen in (
        ("**Worse** than the baseline", worse),
        ("Not shown to beat the baseline", ~proven & ~worse),
    ):
        if chosen.any():
            yield f"{words} ({told}) {where}: {join_some(list(group.loc[chosen, 'label']))}."


def _describe_readouts(where: str, group: pd.DataFrame) -> Iterator[str]:
    """Say of bidirectional variants what the read-out of the last step takes from them."""
    chosen = group["variant"].str.startswith("bi") & (group["readout"] == "last")
    if chosen.any():
        yield (
            f"Read-out `last` {where} of {join_some(list(group.loc[chosen, 'label']))}: at the "
            f"last time step the backward direction has seen that step only. `--readout final` "
            f"uses the final state of each direction."
        )


def _describe_all_effects(effects: pd.DataFrame) -> Iterator[str]:
    """Yield a sentence for each group; of very many for those with the clearest effects."""
    if effects.empty:
        return
    keys = ["task", "device", "label", "setting"]
    parts = [part for _, part in effects.groupby(keys, sort=False)]
    if len(parts) > MOST_NAMED:
        parts.sort(key=lambda part: part["p"].fillna(1.0).min())
    yield from map(_describe_effects, parts[:MOST_NAMED])
    if len(parts) > MOST_NAMED:
        yield (
            f"The effects of settings on {len(parts) - MOST_NAMED:,} more groups, with larger p "
            f"values, are not listed."
        )


def _describe_effects(part: pd.DataFrame) -> str:
    """Say what a group gains or loses by each value of a setting."""
    first = part.iloc[0]
    said = [
        f"{'gains' if row.gain > 0 else 'loses'} "
        f"{format_difference(abs(row.gain), row.metric, row.metric_unit)} with `{row.value}` "
        f"({format_interval(row.low, row.high, row.metric, row.metric_unit)})"
        for row in part.itertuples()
        if is_significant(row.p)
    ]
    text = f"{first.setting}: **{first.label}** on `{first.task}` ({first.device})"
    reference = f"relative to `{first.reference}`"
    text += f", {reference}, {join_words(said)}." if said else f", {reference}."
    if alike := list_alike(part, [f"`{value}`" for value in part["value"]]):
        text += f" {alike}"
    return text + (f" In parentheses: {_PER_CENT} CI of the gain." if said else "")


def describe_changed_data(runs: pd.DataFrame) -> Iterator[str]:
    """Say which runs were fed with other data than the published, and with which.

    Parameters
    ----------
    runs
        From `stats.name_groups`.
    """
    changed = runs.dropna(subset=["changed_data"])
    for task, files in changed[["task", "changed_data"]].drop_duplicates().itertuples(index=False):
        yield (
            f"**Changed data**: `{task}` is not the published data, but {files}. Its scores cannot "
            f"be compared with published ones."
        )


def _describe_uneven(uneven: pd.DataFrame) -> Iterator[str]:
    """Say which settings were not the same for all groups of a task."""
    if uneven.empty:
        return
    said = []
    for (task, setting), part in uneven.groupby(["task", "setting"], sort=False):
        values = [
            f"{'none' if pd.isna(row.value) else str(row.value)[:_SHOWN]} for "
            f"{join_some(row.labels)}"
            for row in part.itertuples()
        ]
        left = len(values) - MOST_NAMED
        more = [f"and {left:,} values more"] if left > 0 else []
        said.append(f"`{setting}` on `{task}` is {', '.join([*values[:MOST_NAMED], *more])}")
    yield f"Settings that differ between groups: {'; '.join(said)}."
