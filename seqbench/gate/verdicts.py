"""From what pairs and seeds gave to verdicts: of a time, of a peak memory, of a score."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median

from seqbench.intervals import median_sequence, variance_inflation

STANDARD_ERRORS = 2.5
"""By which the correlation of successive pairs may exceed its estimate and still be allowed for."""

LEAST_BYTES = 2**20
"""Two peaks of resident memory that differ by less cannot be distinguished."""


class Verdict(StrEnum):
    """Verdict on a benchmark of the head; the worst comes first."""

    FAILED = "failed"
    SLOWER = "slower"
    WORSE = "worse"
    MORE_MEMORY = "more memory"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"
    SAME = "same"
    EQUAL = "equal"
    """To the last bit."""
    FASTER = "faster"
    BETTER = "better"
    LESS_MEMORY = "less memory"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Finding:
    """What is known of a change.

    Parameters
    ----------
    verdict
        The verdict.
    change, low, high
        The change and its interval: of time and memory relative (0.1 for 10 % more), of a score in
        its unit, positive for better. NaN and infinite where nothing was measured.
    shown
        The minimum detectable change: the smallest change detectable with this number of pairs.
    count
        Pairs of processes, or seeds.
    independent
        As how many independent pairs they count, where successive ones may be correlated.
    """

    verdict: Verdict
    change: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    shown: float = math.inf
    count: int = 0
    independent: float = 0.0

    @property
    def decided(self) -> bool:
        """Whether more evidence is not needed."""
        return self.verdict != Verdict.INCONCLUSIVE


def judge_time(
    base_s: Sequence[float], head_s: Sequence[float], margin: float, error_rate: float
) -> Finding:
    """Judge a time by the median over pairs of processes of the log ratio, head over base.

    *Same* if its interval is within the margin on both sides; *slower* or *faster* if it leaves out
    that nothing changed. Which side is first in everything is drawn for each pair. So if the head's
    time is the base's times a constant, whatever the machine does favours either side with equal
    probability, and the interval misses that constant, at any number of pairs, no more often than
    ``error_rate``. Successive ratios are then independent of each other in sign. An effect of a
    version and not of a place in the order may correlate them, and the interval is wider by as much
    as they are, or seem to be.

    Parameters
    ----------
    base_s, head_s
        Seconds, one value per pair, in the order of time.
    margin
        Smallest relevant change, relative.
    error_rate
        For the interval of `median_sequence`.
    """
    logs = [math.log(head / base) for base, head in zip(base_s, head_s, strict=True)]
    return _in_shares(judge_log_ratios(logs, margin, error_rate))


def judge_log_ratios(logs: Sequence[float], margin: float, error_rate: float) -> Finding:
    """Judge times as `judge_time`, from log ratios; the finding's change is one too."""
    inflation = float(variance_inflation(logs, STANDARD_ERRORS)) if logs else 1.0
    sides = (Verdict.FASTER, Verdict.SLOWER)
    return _judge(logs, math.log1p(margin), error_rate, sides, inflation)


def are_correlated(base_s: Sequence[float], head_s: Sequence[float]) -> bool:
    """Return whether the ratios of successive pairs are correlated significantly."""
    logs = [math.log(head / base) for base, head in zip(base_s, head_s, strict=True)]
    return len(logs) > 2 and float(variance_inflation(logs, -STANDARD_ERRORS)) > 1


def judge_memory(
    base_bytes: Sequence[int],
    head_bytes: Sequence[int],
    margin: float,
    error_rate: float,
    resolution: int = LEAST_BYTES,
) -> Finding:
    """Judge a peak memory as `judge_time` does a time, by readings of independent processes.

    Readings that never differ by the resolution are the same, however few. Nothing is called the
    same where the resolution is more than the margin of the greatest of them.

    Parameters
    ----------
    base_bytes, head_bytes
        Readings of both sides, in the order of time.
    margin, error_rate
        As of a time.
    resolution
        Bytes by which two peaks must differ to be distinguished; 0 where bytes are counted.
    """
    readings = zip(base_bytes, head_bytes, strict=True)
    logs = [_compare_bytes(base, head, resolution) for base, head in readings]
    if logs and not any(logs):
        found = Finding(Verdict.SAME, 0.0, 0.0, 0.0, 0.0, len(logs))
    else:
        sides = (Verdict.LESS_MEMORY, Verdict.MORE_MEMORY)
        found = _in_shares(_judge(logs, math.log1p(margin), error_rate, sides))
    if found.verdict == Verdict.SAME and resolution > margin * max(*base_bytes, *head_bytes):
        return Finding(Verdict.NOT_MEASURED)
    return found


def _compare_bytes(base: int, head: int, resolution: int) -> float:
    """Return the log ratio of two peaks, neither taken for less than the resolution."""
    if base == head or abs(head - base) < resolution:
        return 0.0
    least = max(resolution, 1)
    return math.log(max(head, least) / max(base, least))


def _in_shares(found: Finding) -> Finding:
    """Return a finding on log ratios with its relative change."""
    change, low, high, shown = map(_share_of, (found.change, found.low, found.high, found.shown))
    return replace(found, change=change, low=low, high=high, shown=shown)


def _share_of(log_ratio: float) -> float:
    """Return a log ratio as a relative change; unknown ones stay infinite."""
    return log_ratio if math.isinf(log_ratio) else math.expm1(log_ratio)


def judge_score(gains: Sequence[float], margin: float, error_rate: float) -> Finding:
    """Judge a score by the median over seeds of what the head gained on the base.

    As `judge_time`; gains are in the score's unit and positive for better. A training that failed
    on one side has an infinite gain.
    """
    return _judge(gains, margin, error_rate, (Verdict.WORSE, Verdict.BETTER))


def _judge(
    values: Sequence[float],
    margin: float,
    error_rate: float,
    sides: tuple[Verdict, Verdict],
    inflation: float = 1.0,
) -> Finding:
    if not values:
        return Finding(Verdict.INCONCLUSIVE)
    low, high = median_sequence(values, error_rate, inflation)
    change = median(values)
    verdict = Verdict.INCONCLUSIVE
    if -margin < low and high < margin:
        verdict = Verdict.SAME
    elif high < 0 or low > 0:
        verdict = sides[low > 0]
    shown, count = max(high - change, change - low), len(values)
    return Finding(verdict, change, low, high, shown, count, count / inflation)
