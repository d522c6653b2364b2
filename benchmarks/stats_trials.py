"""Report statistics on simulated scores whose truth is known: false differences, coverage, power.

`python -m benchmarks.stats_trials` writes ``results/stats-trials/trials.csv`` and
``reports/stats-trials/``. Seeds are fixed and nothing is timed, so the counts are reproducible. The
functions on trial are those of the reports, `seqbench.analysis.significance` and
`seqbench.intervals`; next to them the former method of reports: paired t tests of the best with
the rest, by Holm.
"""

import argparse
import itertools
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmarks.stats_trials_report import write_report
from seqbench.analysis.significance import SIGNIFICANCE, compare_means, count_pairs
from seqbench.intervals import find_resolution, half_width

RESULTS = Path("results/stats-trials")
REPORT = Path("reports/stats-trials")

GROUPS = (2, 3, 6, 12)
SEEDS = (3, 5, 10)
SHIFTS = (0.0, 2.0, 4.0)
REPORTS = 10_000

Numbers = NDArray[np.float64]

SPREADS: dict[str, Callable[[int], Numbers]] = {
    "equal": np.ones,
    "one fivefold": lambda groups: np.r_[5.0, np.ones(groups - 1)],
    "half fourfold": lambda groups: np.where(np.arange(groups) < groups // 2, 1.0, 4.0),
    "one to ten": lambda groups: np.geomspace(1.0, 10.0, groups),
}
"""Standard deviations of the groups."""


@dataclass(frozen=True)
class Condition:
    """Reports of one kind.

    Parameters
    ----------
    groups, seeds
        How many groups of runs, and seeds of each.
    spread
        Of `SPREADS`, the groups' standard deviations.
    noise
        Of `NOISES`, the scores' distribution.
    shift
        How much worse the last group truly is, in the root mean square of the standard deviations;
        all others are equal.
    """

    groups: int
    seeds: int
    spread: str = "equal"
    noise: str = "normal"
    shift: float = 0.0


def _round(random: np.random.Generator, scores: Numbers, step: float) -> Numbers:
    """Round to multiples of a step, about one of them or about the middle between two."""
    offset = random.choice([0.0, step / 2], size=(len(scores), 1, 1))
    return np.asarray(step * np.round((scores + offset) / step) - offset)


def _standard_gamma(random: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    return np.asarray((2.0 - random.gamma(2.0, size=shape)) / np.sqrt(2.0))


def _draw_failures(random: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    """Return scores of seeds that learn or fail, with equal odds, and little noise besides."""
    return np.asarray(random.choice([-1.0, 1.0], size=shape) + 0.05 * random.normal(size=shape))


NOISES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Numbers]] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "heavy": lambda random, shape: random.standard_t(4, size=shape) / np.sqrt(2.0),
    "skewed": _standard_gamma,
    "failing": _draw_failures,
}
"""Noise of mean 0 and standard deviation 1: normal; Student's t with 4 degrees of freedom; a
mirrored gamma distribution of shape 2, as scores near their greatest value have; and seeds of which
half fail to learn."""

ROUNDED = {"rounded": 1.0, "coarse": 4.0}
"""Normal noise, rounded to this number of standard deviations of the least spread."""

SHARED = "shared"
"""Normal noise, half of whose variance is the seed's, the same for all groups."""

CONDITIONS = [
    Condition(*each)
    for each in itertools.product(GROUPS, SEEDS, SPREADS, [*NOISES, *ROUNDED, SHARED])
] + [
    Condition(groups, seeds, spread, shift=shift)
    for groups, seeds, spread, shift in itertools.product(GROUPS, SEEDS, SPREADS, SHIFTS[1:])
]


def draw(condition: Condition, reports: int) -> tuple[Numbers, Numbers]:
    """Return scores, report by group by seed and one more seed, and the groups' true means."""
    random = np.random.default_rng(zlib.crc32(repr(condition).encode()))
    shape = (reports, condition.groups, condition.seeds + 1)
    spreads = SPREADS[condition.spread](condition.groups)
    noise = NOISES.get(condition.noise, NOISES["normal"])(random, shape) * spreads[:, None]
    means = np.zeros(condition.groups)
    means[-1] = -condition.shift * np.sqrt((spreads**2).mean())
    if condition.noise in ROUNDED:
        noise = _round(random, noise, ROUNDED[condition.noise])
    if condition.noise == SHARED:
        noise = (noise + random.normal(size=(reports, 1, condition.seeds + 1))) / np.sqrt(2.0)
    return noise + means[:, None], means


def try_condition(condition: Condition, reports: int) -> dict[str, object]:
    """Count the findings of reports of a kind.

    Returns
    -------
    dict
        Of ``reports``: ``false``, those that call any difference significant of groups that are
        truly equal; ``found``, those in which the last group is called worse; ``held``, those whose
        intervals hold all true differences. Of all ``intervals`` of differences, those that hold
        the true one, ``intervals_held``; of all ``means``, those whose interval holds the truth,
        ``means_held``, and whose prediction interval holds one more seed, ``next_held``.
        ``former_false`` and ``former_found``: by the former method.
    """
    drawn, means = draw(condition, reports)
    scores, another = drawn[..., :-1], drawn[..., -1]
    rows = np.arange(reports)
    best = scores.mean(axis=-1).argmax(axis=1)
    resolution = find_resolution(scores.reshape(reports, -1))[:, None]
    leading, pairs = scores[rows, best][:, None, :], count_pairs(condition.groups)
    found = compare_means(leading, scores, resolution, pairs)
    truth = means[best][:, None] - means
    others = np.arange(condition.groups) != best[:, None]
    held = (found.low <= truth) & (truth <= found.high)
    former = compare_as_before(scores, best)
    centre, half = scores.mean(axis=-1), half_width(scores, resolution=resolution)
    return {
        **asdict(condition),
        "reports": reports,
        "false": int(((found.p < SIGNIFICANCE) & others & (truth == 0)).any(axis=1).sum()),
        "found": int((found.p < SIGNIFICANCE)[truth > 0].sum()),
        "held": int((held | ~others).all(axis=1).sum()),
        "intervals": int(others.sum()),
        "intervals_held": int((held & others).sum()),
        "means": scores[..., 0].size,
        "means_held": int((np.abs(centre - means) <= half).sum()),
        "next_held": int((np.abs(centre - another) <= half * np.sqrt(condition.seeds + 1)).sum()),
        "former_false": int(((former < SIGNIFICANCE) & others & (truth == 0)).any(axis=1).sum()),
        "former_found": int((former < SIGNIFICANCE)[truth > 0].sum()),
    }


def compare_as_before(scores: Numbers, best: NDArray[np.int64]) -> Numbers:
    """Return p of paired t tests of the best group with each other one, by Holm; NaN for itself.

    Differences without spread had no p.
    """
    reports, groups, seeds = scores.shape
    differences = scores[np.arange(reports), best][:, None, :] - scores
    with np.errstate(divide="ignore", invalid="ignore"):
        t = differences.mean(axis=-1) / (differences.std(axis=-1, ddof=1) / np.sqrt(seeds))
    p = 2 * stats.t.sf(np.abs(t), seeds - 1)
    p[(np.ptp(differences, axis=-1) == 0) | (np.arange(groups) == best[:, None])] = np.nan
    order = p.argsort(axis=1)  # NaN goes last
    left = (~np.isnan(p)).sum(axis=1, keepdims=True) - np.arange(groups)
    sorted_p = np.take_along_axis(p, order, axis=1)
    adjusted = np.fmin(1.0, np.maximum.accumulate(np.fmax(left, 1) * sorted_p, axis=1))
    adjusted[np.isnan(sorted_p)] = np.nan
    np.put_along_axis(p, order, adjusted, axis=1)
    return np.asarray(p)


def run_trials(reports: int = REPORTS) -> pd.DataFrame:
    """Return a row for each condition."""
    return pd.DataFrame([try_condition(condition, reports) for condition in CONDITIONS])


def main() -> None:
    """Simulate, write the counts and their report."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    run_trials().to_csv(RESULTS / "trials.csv", index=False)
    print(f"report: {write_report(RESULTS, REPORT)}")


if __name__ == "__main__":
    main()
