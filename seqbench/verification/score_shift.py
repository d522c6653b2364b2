"""Whether the mean score over seeds has shifted: equivalence, difference, or too few seeds."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from seqbench.intervals import mean_interval, measure_variance

EQUIVALENCE_ERROR = 0.05
"""How often a shift as large as the margin may be called equivalent."""

DIFFERENCE_ERROR = 0.01
"""How often any of the groups compared may be called different though none is."""

POWER = 0.8
"""With which probability `ScoreShift.seeds_needed` seeds decide."""

MOST_SEEDS = 1000


@dataclass(frozen=True)
class ScoreShift:
    """How far final scores have shifted, paired by seed.

    One interval decides each way. *Equivalent* are scores whose 90 % interval of the mean shift is
    inside the margin: the two one-sided tests of Schuirmann (J. Pharmacokinet. Biopharm. 15, 1987),
    5 % each. *Different* are those whose 99 % interval is outside it, adjusted for the groups
    compared at once (Šidák, JASA 62, 1967); equivalence of all of them needs no adjustment
    (intersection-union test; Berger, Technometrics 24, 1982).

    A score that comes in steps can shift by the same for every seed at random. The variance of a
    shift is therefore taken to be no less than that of rounding two scores to a step each, 2 ·
    `resolution`² / 12. In simulations of normal shifts as large as the margin, rounded to answers
    of 360, *equivalent* occurred in at most 5 % for 2, 3, 5 and 10 seeds.

    Parameters
    ----------
    shifts
        Rerun minus published, one per seed, in the metric's unit.
    margin
        Largest mean shift that counts as equivalent, in the metric's unit.
    resolution
        Smallest step of a score, in the metric's unit.
    comparisons
        How many groups are compared at once.
    """

    shifts: tuple[float, ...]
    margin: float
    resolution: float
    comparisons: int = 1

    @property
    def seeds(self) -> int:
        """How many pairs there are."""
        return len(self.shifts)

    @cached_property
    def mean(self) -> float:
        """The mean shift, in the metric's unit."""
        return float(np.mean(self.shifts))

    @cached_property
    def spread(self) -> float:
        """The standard deviation of a shift over seeds; NaN for one seed."""
        return math.sqrt(measure_variance(self.shifts, self._resolution))

    @property
    def equivalence_interval(self) -> tuple[float, float]:
        """The 90 % interval of the mean shift."""
        return self._interval(1 - 2 * EQUIVALENCE_ERROR)

    @property
    def difference_confidence(self) -> float:
        """The confidence of `difference_interval`."""
        return float((1 - DIFFERENCE_ERROR) ** (1 / self.comparisons))

    @property
    def difference_interval(self) -> tuple[float, float]:
        """The interval of the mean shift that holds for all groups at once with 99 %."""
        return self._interval(self.difference_confidence)

    @property
    def equivalent(self) -> bool:
        """Whether the mean shift is shown to be less than the margin."""
        low, high = self.equivalence_interval
        return -self.margin < low and high < self.margin

    @property
    def different(self) -> bool:
        """Whether the mean shift is shown to be more than the margin."""
        low, high = self.difference_interval
        return low > self.margin or high < -self.margin

    @property
    def seeds_needed(self) -> int | None:
        """How many seeds would decide with probability `POWER`; None for one seed or too many.

        That is if the spread is as found, and the true shift as found where that is beyond the
        margin, else 0. The usual approximation of the noncentral t by one that is moved.
        """
        if self.seeds < 2:
            return None
        if abs(self.mean) > self.margin:
            shift, error = abs(self.mean), (1 - self.difference_confidence) / 2
            miss = 1 - POWER
        else:
            shift, error = 0.0, EQUIVALENCE_ERROR
            miss = (1 - POWER) / 2  # either end of the margin can be missed
        for seeds in range(self.seeds + 1, MOST_SEEDS + 1):
            quantiles = stats.t.isf([error, miss], seeds - 1).sum()
            if quantiles * self.spread / math.sqrt(seeds) < abs(self.margin - shift):
                return seeds
        return None

    @property
    def _resolution(self) -> float:
        """That of a difference of two scores: variances of rounding add up."""
        return math.sqrt(2) * self.resolution

    def _interval(self, confidence: float) -> tuple[float, float]:
        return mean_interval(self.shifts, confidence, self._resolution)
