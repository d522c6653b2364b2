"""The headline table of a report: what a busy reader looks at, as Markdown and as LaTeX."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from seqbench.analysis.analysis import Analysis
from seqbench.analysis.significance import is_significant
from seqbench.formatting import format_factor, format_mean, format_seconds, format_share, join_words
from seqbench.report.markdown import escape, format_markdown
from seqbench.report.tables import duration, known, rate

MOST_ROWS = 12

_TRAINED = ("variant", "score", "n", "epoch time", "relative cost", "parameters")
_MEASURED = ("variant", "training step", "n", "training, samples/s", "latency p50", "% of peak")


@dataclass(frozen=True)
class Row:
    """A group of runs.

    Parameters
    ----------
    cells
        A text for each column.
    best
        Whether it is significantly better than every other group of its task and device.
    rank
        Its place among them, from 0 for the best.
    """

    cells: tuple[str, ...]
    best: bool
    rank: int


@dataclass(frozen=True)
class Headline:
    """A table of groups of runs.

    Parameters
    ----------
    columns
        Their names; the first is of the groups, the second of what they are ranked by.
    parts
        By task and device, the rows.
    caption
        What the columns mean, in sentences of plain text.
    left_out
        How many rows were left out.
    """

    columns: tuple[str, ...]
    parts: dict[str, list[Row]]
    caption: str
    left_out: int = 0


def make_headline(analysis: Analysis) -> Headline | None:
    """Return the headline table of a result: scores, else speed; None if there are neither."""
    if not analysis.summary.empty:
        metrics = [each.replace("_", " ") for each in analysis.summary["metric"].unique()]
        return _explain_bold(
            Headline(
                _TRAINED,
                dict(_list_parts(analysis.summary, analysis.scores, _describe_trained)),
                f"Score: test {join_words(metrics)}, mean ± std dev over n seeds. Epoch time: "
                f"training only, median over runs. Relative cost: epoch time over the lowest one.",
            )
        )
    if not analysis.phases.empty:
        counts = analysis.speed.groupby(["task", "device", "label"])["runs"].max()

        def describe(row: Any) -> tuple[str, ...]:
            return _describe_measured(row, counts[row.task, row.device, row.label])

        return _explain_bold(
            Headline(
                _MEASURED,
                dict(_list_parts(analysis.phases, analysis.steps, describe)),
                "Training step, throughput and latency of one example (p50): medians over n runs. "
                "% of peak: of the measured peak matrix-multiply throughput.",
            )
        )
    return None


def _explain_bold(headline: Headline) -> Headline:
    """Return a headline whose caption says what is bold, if anything is."""
    if not any(row.best for rows in headline.parts.values() for row in rows):
        return headline
    bold = "Bold: significantly better than every other row of its task (adjusted p < 0.05)."
    return replace(headline, caption=f"{headline.caption} {bold}")


def cut_rows(headline: Headline, most: int = MOST_ROWS) -> Headline:
    """Return a headline with about ``most`` rows: of each task and device the best ones."""
    if sum(map(len, headline.parts.values())) <= most:
        return headline
    each = max(1, most // len(headline.parts))
    kept = dict(list(headline.parts.items())[:most])
    parts = {
        place: sorted((row for row in rows if row.rank < each), key=lambda row: row.rank)
        for place, rows in kept.items()
    }
    shown = sum(map(len, parts.values()))
    return replace(headline, parts=parts, left_out=sum(map(len, headline.parts.values())) - shown)


def format_headline(headline: Headline) -> str:
    """Return a headline as a table in Markdown."""
    rows = []
    for place, part in headline.parts.items():
        for row in part:
            cells = [escape(cell) for cell in row.cells]
            if row.best:
                cells[:2] = [f"**{cell}**" for cell in cells[:2]]
            rows.append([escape(place), *cells])
    return format_markdown(rows, ["task (device)", *headline.columns])


def _list_parts(
    groups: pd.DataFrame, compared: pd.DataFrame, describe: Any
) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of each task and device."""
    for (task, device), part in groups.groupby(["task", "device"], sort=False):
        others = compared
        if len(compared):
            others = compared[(compared["task"] == task) & (compared["device"] == device)]
        best = others["best"].iloc[0] if len(others) else None
        decided = len(others) > 0 and bool(is_significant(others["p"]).all())
        ranks = _rank(part)
        yield (
            f"{task} ({device})",
            [
                Row(describe(row), decided and row.label == best, int(rank))
                for row, rank in zip(part.itertuples(), ranks, strict=True)
            ],
        )


def _rank(part: pd.DataFrame) -> Any:
    """Return the places of groups, by score or, where there is none, by throughput."""
    if "score" not in part:
        return range(len(part))  # phases are in order of it
    sign = -1 if part["higher_is_better"].iloc[0] else 1
    return np.argsort(np.argsort(sign * part["score"].to_numpy(dtype=float), kind="stable"))


def _describe_trained(row: Any) -> tuple[str, ...]:
    return (
        row.label,
        format_mean(row.score, row.score_std, row.metric, row.metric_unit),
        str(row.seeds),
        duration(row.epoch_time_s),
        format_factor(row.relative_time),
        known(row.parameters),
    )


def _describe_measured(row: Any, runs: int) -> tuple[str, ...]:
    return (
        row.label,
        format_seconds(row.train_step_seconds),
        str(runs),
        rate(row.train_step_samples_per_s),
        duration(row.latency_p50_s),
        format_share(row.train_step_peak_fraction),
    )
