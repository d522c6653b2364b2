"""How far a rerun is from its published epochs, and how far rounding alone may take it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from seqbench.metrics import find_metric
from seqbench.results.records import EpochRecord

COMPARED = ("train_loss", "test_loss", "score")
"""Columns of ``epochs.csv`` that an equal run reproduces."""

LOSS_BOUND = 1e-5
"""By how much of itself rounding alone may change a loss: see docs/reliability.md for the figures.

Between what rounding did to 12 epochs of the bundled digits, 2.3e-7 at most, and the least that a
change of settings or data did to them, 2.9e-5. In a longer training rounding grows beyond it.
"""


@dataclass(frozen=True)
class Deviation:
    """Where a rerun is furthest from what was published.

    Parameters
    ----------
    epoch, column
        Of ``epochs.csv``.
    difference
        Rerun minus published, in the column's unit.
    bound
        What rounding alone may make of it.
    """

    epoch: int
    column: str
    difference: float
    bound: float

    @property
    def share(self) -> float:
        """The difference relative to its bound; infinite where one of the two is no number."""
        if math.isnan(self.difference):
            return math.inf
        return abs(self.difference) / self.bound if self.bound else math.inf

    @property
    def within_bound(self) -> bool:
        """Whether rounding alone may have made it."""
        return self.share <= 1 + 1e-9  # one answer is the difference of two rounded scores


def find_step(metric: str, score: float, answers: int) -> float:
    """Return the smallest step of a score: one answer, or what rounding may make of it.

    Parameters
    ----------
    metric, score
        The metric's name, and a value of it.
    answers
        How many answers a share, such as accuracy, is of.
    """
    return 1 / answers if find_metric(metric).share else LOSS_BOUND * abs(score)


def find_deviation(
    before: pd.DataFrame, after: Sequence[EpochRecord], answers: int
) -> Deviation | None:
    """Return the deviation that is the largest share of its bound; None if all bits are equal.

    Rounding may change a loss by `LOSS_BOUND` and a score by a step, see `find_step`.

    Parameters
    ----------
    before, after
        As many epochs of the same run, published and of today.
    answers
        How many answers an accuracy is a mean over.
    """
    found = []
    for row, record in zip(before.to_dict("records"), after, strict=True):
        for column in COMPARED:
            was, now = float(row[column]), float(getattr(record, column))
            if was != now and not (math.isnan(was) and math.isnan(now)):
                bound = LOSS_BOUND * abs(was)
                if column == "score":
                    bound = find_step(record.metric, was, answers)
                found.append(Deviation(record.epoch, column, now - was, bound))
    return max(found, key=lambda each: each.share, default=None)
