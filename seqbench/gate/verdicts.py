"""From what pairs and seeds gave to verdicts: of a time, of a score, of a benchmark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from seqbench.intervals import median_sequence


class Verdict(StrEnum):
    """What is said of a benchmark's time or score on the head's side; the worst comes first."""

    FAILED = "failed"
    SLOWER = "slower"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not comparable"
    SAME = "same"
    EQUAL = "equal"
    """To the last bit."""
    FASTER = "faster"
    BETTER = "better"


@dataclass(frozen=True)
class Finding:
    """What is known of a change.

    Parameters
    ----------
    verdict
        What is said of it.
    change, low, high
        The change and its interval: of a time as a share (0.1 for 10 % slower), of a score in its
        unit, positive for better. NaN and infinite where nothing was measured.
    shown
        The smallest change that this much evidence could have shown.
    count
        Pairs of processes, or seeds.
    """

    verdict: Verdict
    change: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    shown: float = math.inf
    count: int = 0

    @property
    def decided(self) -> bool:
        """Whether more evidence is not needed."""
        return self.verdict != Verdict.INCONCLUSIVE


def judge_time(
    base_s: Sequence[float], head_s: Sequence[float], margin: float, error_rate: float
) -> Finding:
    """Judge a time by the median over pairs of processes of the log ratio, head over base.

    *Same* if its interval lies within the margin on both sides; *slower* or *faster* if it leaves
    out that nothing changed. All of it is wrong, at any number of pairs, no more often than
    ``error_rate``.

    Parameters
    ----------
    base_s, head_s
        Seconds, a value a pair.
    margin
        Smallest change that matters, as a share.
    error_rate
        For the interval of `median_sequence`.
    """
    logs = [math.log(head / base) for base, head in zip(base_s, head_s, strict=True)]
    found = _judge(logs, math.log1p(margin), error_rate, (Verdict.FASTER, Verdict.SLOWER))
    change, low, high, shown = map(_share_of, (found.change, found.low, found.high, found.shown))
    return Finding(found.verdict, change, low, high, shown, found.count)


def _share_of(log_ratio: float) -> float:
    """Return a log ratio as a share; what is not known stays infinite."""
    return log_ratio if math.isinf(log_ratio) else math.expm1(log_ratio)


def judge_score(gains: Sequence[float], margin: float, error_rate: float) -> Finding:
    """Judge a score by the median over seeds of what the head gained on the base.

    As `judge_time`; gains are in the score's unit and positive for better. A training that came to
    nothing on one side has an infinite gain.
    """
    return _judge(gains, margin, error_rate, (Verdict.WORSE, Verdict.BETTER))


def _judge(
    values: Sequence[float], margin: float, error_rate: float, sides: tuple[Verdict, Verdict]
) -> Finding:
    if not values:
        return Finding(Verdict.INCONCLUSIVE)
    low, high = median_sequence(values, error_rate)
    change = median(values)
    verdict = Verdict.INCONCLUSIVE
    if -margin < low and high < margin:
        verdict = Verdict.SAME
    elif high < 0 or low > 0:
        verdict = sides[low > 0]
    return Finding(verdict, change, low, high, max(high - change, change - low), len(values))
