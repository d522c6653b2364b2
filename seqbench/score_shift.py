"""Whether the mean score over seeds has shifted: equivalence, difference, or too few seeds."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

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

    One interval decides each way. *Equivalent* are scores whose 90 % interval of the mean shift
    lies inside the margin: the two one-sided tests of Schuirmann (J. Pharmacokinet. Biopharm. 15,
    1987), 5 % each. *Different* are those whose interval at 1 % lies outside it; that 1 % is shared
    by all groups compared at once (Bonferroni), while equivalence of all of them needs no
    adjustment (intersection-union test; Berger, Technometrics 24, 1982).

    A score that comes in steps can shift by the same for every seed by chance. The variance of a
    shift is therefore taken to be no less than that of rounding two scores to a step each,
    2 · `resolution`² / 12. In simulations of normal shifts as large as the margin, rounded to
    answers of 360, *equivalent* came out in at most 5 % for 2, 3, 5 and 10 seeds.

    Parameters
    ----------
    shifts
        Rerun minus published, one a seed, in the metric's unit.
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
        if self.seeds < 2:
            return math.nan
        return max(float(np.std(self.shifts, ddof=1)), self.resolution / math.sqrt(6))

    @property
    def equivalence_interval(self) -> tuple[float, float]:
        """The 90 % interval of the mean shift."""
        return self._interval(EQUIVALENCE_ERROR)

    @property
    def difference_confidence(self) -> float:
        """The confidence of `difference_interval`."""
        return 1 - DIFFERENCE_ERROR / self.comparisons

    @property
    def difference_interval(self) -> tuple[float, float]:
        """The interval of the mean shift that holds for all groups at once with 99 %."""
        return self._interval(DIFFERENCE_ERROR / self.comparisons / 2)

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
            shift, error, miss = abs(self.mean), DIFFERENCE_ERROR / self.comparisons / 2, 1 - POWER
        else:
            shift, error = 0.0, EQUIVALENCE_ERROR
            miss = (1 - POWER) / 2  # either end of the margin can be missed
        for seeds in range(self.seeds + 1, MOST_SEEDS + 1):
            quantiles = stats.t.isf([error, miss], seeds - 1).sum()
            if quantiles * self.spread / math.sqrt(seeds) < abs(self.margin - shift):
                return seeds
        return None

    def _interval(self, error: float) -> tuple[float, float]:
        """Return Student's t interval of the mean shift that misses it by ``error`` at each end."""
        if self.seeds < 2:
            return math.nan, math.nan
        half = float(stats.t.isf(error, self.seeds - 1)) * self.spread / math.sqrt(self.seeds)
        return self.mean - half, self.mean + half
