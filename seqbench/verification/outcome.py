"""Outcome of reruns of published rows: of a run, of a group of seeds, of them all. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import pandas as pd

from seqbench.spec import RunSpec
from seqbench.verification.rounding import Deviation
from seqbench.verification.score_shift import ScoreShift


class Outcome(IntEnum):
    """Outcome of a comparison; the worst of several is that of them all."""

    EQUAL = 0
    """To the last bit."""
    EQUAL_TO_ROUNDING = 1
    EQUIVALENT = 2
    UNDECIDED = 3
    DIFFERENT = 4


@dataclass(frozen=True)
class PublishedRun:
    """A row of ``runs.csv``, and the spec that it was run by.

    The row is found by its ``run_id``: the present digest of the spec may differ.
    """

    row: Mapping[str, Any]
    spec: RunSpec


@dataclass(frozen=True)
class Rerun:
    """A published run and its rerun.

    Parameters
    ----------
    published
        The run.
    fault
        Why the two cannot be compared epoch by epoch; None where they can.
    score
        The final score of today; None where there is none.
    deviation
        Where they are furthest apart; None where they are bitwise equal.
    code_changed
        Whether the sources that it executes are others than they were.
    resolution
        Smallest step of its score, in the metric's unit.
    """

    published: PublishedRun
    resolution: float
    code_changed: bool
    fault: str | None = None
    score: float | None = None
    deviation: Deviation | None = None

    @property
    def outcome(self) -> Outcome:
        """Outcome of this run alone: undecided where it takes the scores of all seeds."""
        if self.fault:
            return Outcome.DIFFERENT
        if self.deviation is None:
            return Outcome.EQUAL
        return Outcome.EQUAL_TO_ROUNDING if self.deviation.within_bound else Outcome.UNDECIDED

    @property
    def deterministic(self) -> bool | None:
        """`deterministic` of its row; None if empty."""
        stated = self.published.row["deterministic"]
        return None if pd.isna(stated) else bool(stated)


@dataclass(frozen=True)
class ScoreCheck:
    """Runs that differ in the seed only, and the outcome of their comparison.

    ``shift`` is None where the runs decide without it.
    """

    name: str
    reruns: Sequence[Rerun]
    shift: ScoreShift | None

    @property
    def outcome(self) -> Outcome:
        """That of the worst run; where that takes the scores of all seeds, theirs."""
        if self.shift is None:
            return max(rerun.outcome for rerun in self.reruns)
        if self.shift.equivalent:
            return Outcome.EQUIVALENT
        return Outcome.DIFFERENT if self.shift.different else Outcome.UNDECIDED


@dataclass(frozen=True)
class Verification:
    """Outcome of repeating published rows; ``differences`` are those of the environment."""

    checks: Sequence[ScoreCheck]
    differences: Sequence[str]

    @property
    def outcome(self) -> Outcome:
        """That of the worst group."""
        return max(check.outcome for check in self.checks)

    @property
    def reruns(self) -> list[Rerun]:
        """All runs, group by group."""
        return [rerun for check in self.checks for rerun in check.reruns]
