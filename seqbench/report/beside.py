"""The published result beside one's own: a sentence on the machines, and a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from seqbench.analysis.analysis import Analysis, analyse
from seqbench.analysis.side_by_side import set_side_by_side
from seqbench.formatting import format_factor, format_score, join_words
from seqbench.printable import shorten
from seqbench.report.tables import Cells, duration, format_table, place
from seqbench.results.reader import Results

_LONGEST = 80

_CELLS: Cells = {
    "task (device)": lambda row: place(row),
    "variant": lambda row: row.label,
    "score": lambda row: _score(row, ""),
    "published score": lambda row: _score(row, "_published"),
    "epoch time": lambda row: duration(row.epoch_time_s),
    "published epoch time": lambda row: duration(row.epoch_time_s_published),
    "speed-up": lambda row: format_factor(row.speed_up),
}


@dataclass(frozen=True)
class Beside:
    """What a report says of the published result of the same name."""

    sentence: str
    table: str

    @classmethod
    def of(cls, analysis: Analysis, own: Results, published: Results) -> "Beside":
        """Compare groups of equal settings, seeds and threads apart."""
        theirs = analyse(published)
        pairs = set_side_by_side(analysis, theirs)
        if pairs.empty:
            return cls("The published result has no run of the same settings.", "")
        ratio = pairs["speed_up"]
        groups = f"{len(pairs)} variants" if len(pairs) > 1 else "1 variant"
        spread = f"; range {format_factor(ratio.min())} to {format_factor(ratio.max())}"
        machines = " Published: ".join(
            f"{_describe_machine(side.environment, frames.finished)}."
            for side, frames in ((own, analysis), (published, theirs))
        )
        sentence = (
            f"This machine trains at {format_factor(ratio.median())} the published speed (median "
            f"of {groups}{spread if len(pairs) > 1 else ''}). This machine: {machines}"
        )
        return cls(sentence, format_table(pairs, _CELLS))


def _score(row: Any, side: str) -> str:
    score = format_score(getattr(row, f"score{side}"), row.metric, row.metric_unit)
    return f"{score} (n = {getattr(row, f'seeds{side}')})"


def _describe_machine(environment: Mapping[str, Any], runs: pd.DataFrame) -> str:
    machine = environment.get("machine")
    cpu = machine.get("cpu") if isinstance(machine, Mapping) else None
    threads = join_words([str(each) for each in sorted(set(runs["threads"]))])
    noun = "thread" if threads == "1" else "threads"
    return f"{shorten(str(cpu or 'unknown processor'), _LONGEST)}, {threads} {noun}"
