"""Benchmarks before their verdict: the evidence so far, and its output."""

import math
from dataclasses import dataclass, field
from typing import Literal

from seqbench.gate.peaks import RESIDENT
from seqbench.gate.processes import LateError, VersionError
from seqbench.gate.verdicts import (
    LEAST_BYTES,
    Finding,
    Verdict,
    are_correlated,
    judge_memory,
    judge_score,
    judge_time,
)

Scored = tuple[float, tuple[float, ...]]
"""Score and trace of a training."""

Reading = tuple[str, int]
"""How a peak of memory was measured, and its bytes."""

Part = Literal["time", "memory", "score"]


@dataclass
class Case:
    """A benchmark and the evidence on it.

    Parameters
    ----------
    name, metric, higher_is_better
        As declared.
    margin, memory_margin, score_margin, error_rate
        What counts in this run.
    trains
        Whether there are scores to compare.
    new
        Whether the base lacks it.
    same_code
        Whether both versions are the same code, so that nothing is measured.
    obstacles
        Why parts cannot be compared.
    late
        Which parts took longer than their share of the budget, and on which side.
    failure, base_failure
        Why the head, or the base, cannot do it: the end of a traceback.
    """

    name: str
    metric: str
    higher_is_better: bool
    margin: float
    memory_margin: float
    score_margin: float
    error_rate: float
    trains: bool
    new: bool = False
    same_code: bool = False
    obstacles: dict[Part, str] = field(default_factory=dict)
    late: dict[Part, str] = field(default_factory=dict)
    failure: str = ""
    base_failure: str = ""
    base_s: list[float] = field(default_factory=list)
    head_s: list[float] = field(default_factory=list)
    has_memory: bool = True
    resolution: int = 0
    base_bytes: list[int] = field(default_factory=list)
    head_bytes: list[int] = field(default_factory=list)
    base_scores: list[Scored] = field(default_factory=list)
    head_scores: list[Scored] = field(default_factory=list)

    def add_pair(self, base_s: float, head_s: float) -> None:
        """Take in what one pair of processes gave, in seconds."""
        self.base_s.append(base_s)
        self.head_s.append(head_s)

    def add_memory(self, base: Reading | None, head: Reading | None) -> None:
        """Take in a peak of memory of both sides; None where the system does not report it."""
        if base is None or head is None:
            self.has_memory = False
        elif base[0] != head[0]:
            self.obstacles["memory"] = (
                f"the base's is measured by {base[0]}, the head's by {head[0]}"
            )
        else:
            self.resolution = LEAST_BYTES if base[0] == RESIDENT else 0
            self.base_bytes.append(base[1])
            self.head_bytes.append(head[1])

    def add_seed(self, base: Scored, head: Scored) -> None:
        """Take in what one seed gave."""
        self.base_scores.append(base)
        self.head_scores.append(head)

    def fail(self, part: Part, error: VersionError) -> None:
        """Take in that a version failed over a part, or took too long.

        What only the base cannot do is no failure, and leaves the other parts to be compared. What
        takes longer than its share of the budget is undecided, unless it hangs.
        """
        if isinstance(error, LateError) and not error.hangs:
            self.late[part] = f"the {error.side}: {error.fault}"
        elif error.side == "head":
            self.failure = error.fault
        else:
            self.base_failure = error.fault
            self.obstacles[part] = f"the base fails in it: {error.brief}"

    def _is_open(self, part: Part) -> bool:
        closed = self.same_code or self.failure or part in self.obstacles or part in self.late
        return not closed

    def wants_pairs(self) -> bool:
        """Return whether its time is to be measured in another pair."""
        return self._is_open("time") and not self.time.decided

    @property
    def stuck(self) -> bool:
        """Whether its time cannot be measured any more."""
        return not self._is_open("time")

    def wants_seeds(self, first: int) -> bool:
        """Return whether its score needs another seed; the ``first`` ones always are run."""
        if self.score is None or not self._is_open("score"):
            return False
        return len(self.base_scores) < first or not self.score.decided

    def wants_memory(self, first: int) -> bool:
        """Return whether its memory is to be read again; ``first`` times are in any case."""
        if not self.has_memory or not self._is_open("memory"):
            return False
        return len(self.base_bytes) < first or not self.memory.decided

    @property
    def time(self) -> Finding:
        """What is known of its time."""
        return self._find_known("time") or judge_time(
            self.base_s, self.head_s, self.margin, self.error_rate
        )

    @property
    def correlated(self) -> bool:
        """Whether its time is inconclusive with pairs that are correlated."""
        undecided = self.time.verdict == Verdict.INCONCLUSIVE
        return undecided and are_correlated(self.base_s, self.head_s)

    @property
    def memory(self) -> Finding:
        """What is known of its peak memory."""
        if known := self._find_known("memory"):
            return known
        if not self.has_memory:
            return Finding(Verdict.NOT_MEASURED)
        sides = self.base_bytes, self.head_bytes
        return judge_memory(*sides, self.memory_margin, self.error_rate, self.resolution)

    @property
    def score(self) -> Finding | None:
        """What is known of its score; None if it has none."""
        if not self.trains:
            return None
        if known := self._find_known("score"):
            return known
        pairs = list(zip(self.base_scores, self.head_scores, strict=True))
        if pairs and self.came_to_nothing:
            return Finding(Verdict.NOT_COMPARABLE)
        if pairs and all(repr(base) == repr(head) and _is_finite(base) for base, head in pairs):
            return Finding(Verdict.EQUAL, 0.0, 0.0, 0.0, 0.0, len(pairs))
        gains = [self._gain(base, head) for base, head in pairs]
        return judge_score(gains, self.score_margin, self.error_rate)

    @property
    def came_to_nothing(self) -> bool:
        """Whether no training of either side has finite losses and a finite score."""
        scores = [*self.base_scores, *self.head_scores]
        return bool(scores) and not any(map(_is_finite, scores))

    @property
    def findings(self) -> list[Finding]:
        """What is known of its time, of its memory, and of its score if it has one."""
        return [self.time, self.memory, *([self.score] if self.score is not None else [])]

    def _find_known(self, part: Part) -> Finding | None:
        """Return what is known of a part without looking at the evidence; None for nothing."""
        if self.failure:
            return Finding(Verdict.FAILED)
        if part in self.obstacles:
            return Finding(Verdict.NOT_COMPARABLE)
        return Finding(Verdict.SAME, 0.0, 0.0, 0.0, 0.0) if self.same_code else None

    def _gain(self, base: Scored, head: Scored) -> float:
        finite = _is_finite(base), _is_finite(head)
        if not all(finite):
            return {(False, True): math.inf, (True, False): -math.inf}.get(finite, 0.0)
        return head[0] - base[0] if self.higher_is_better else base[0] - head[0]


def _is_finite(scored: Scored) -> bool:
    """Return whether a training succeeded: its score and its trace are finite."""
    return all(map(math.isfinite, (scored[0], *scored[1])))
