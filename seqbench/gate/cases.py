"""Benchmarks on their way to a verdict: the rules, and the evidence so far."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from seqbench.errors import SettingError
from seqbench.gate.benchmark import MEMORY_MARGIN
from seqbench.gate.processes import VersionError
from seqbench.gate.verdicts import (
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


@dataclass(frozen=True)
class Rules:
    """How a gate judges and how much it may spend.

    Parameters
    ----------
    budget_s
        Seconds after which no more evidence is gathered.
    error_rate
        How often, at most, any verdict of a run may be wrong.
    margin, memory_margin, score_margin
        In place of what benchmarks declare; None for that.
    error_rates, margins, memory_margins, score_margins
        The same for some benchmarks, by name.
    only
        Names of the benchmarks that are run; empty for all.
    """

    budget_s: float = 300.0
    error_rate: float = 0.01
    margin: float | None = None
    memory_margin: float | None = None
    score_margin: float | None = None
    error_rates: Mapping[str, float] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)
    memory_margins: Mapping[str, float] = field(default_factory=dict)
    score_margins: Mapping[str, float] = field(default_factory=dict)
    only: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.budget_s > 0:
            raise SettingError("budget", self.budget_s, "greater than 0")
        for setting, one, named in self.list_shares():
            for value in [one, *named.values()]:
                if value is not None and not 0 < value < 1:
                    raise SettingError(setting, value, "between 0 and 1")

    def list_shares(self) -> Iterator[tuple[str, float | None, Mapping[str, float]]]:
        """Yield each setting that is a share: its name, its value for all, its values by name."""
        for setting in ("error_rate", "margin", "memory_margin", "score_margin"):
            yield setting, getattr(self, setting), getattr(self, f"{setting}s")

    def names(self) -> set[str]:
        """Return all names of benchmarks that stand in the rules."""
        return set(self.only).union(*(named for _, _, named in self.list_shares()))

    def make_case(self, told: Mapping[str, Any], share: float) -> "Case":
        """Return the case of a benchmark, given what it declares and its share of the errors."""
        name = told["name"]
        return Case(
            name=name,
            metric=told["metric"],
            higher_is_better=told["higher_is_better"],
            margin=self.margins.get(name, self.margin or told["margin"]),
            memory_margin=self.memory_margins.get(
                name, self.memory_margin or told["memory_margin"] or MEMORY_MARGIN
            ),
            score_margin=self.score_margins.get(name, self.score_margin or told["score_margin"]),
            error_rate=self.error_rates.get(name, told["error_rate"] or share),
            trains=told["train"] is not None,
        )


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
    """

    name: str
    metric: str
    higher_is_better: bool
    margin: float
    memory_margin: float
    score_margin: float
    error_rate: float
    trains: bool
    time_obstacle: str = ""
    memory_obstacle: str = ""
    score_obstacle: str = ""
    failure: str = ""
    base_s: list[float] = field(default_factory=list)
    head_s: list[float] = field(default_factory=list)
    has_memory: bool = True
    base_bytes: list[int] = field(default_factory=list)
    head_bytes: list[int] = field(default_factory=list)
    base_scores: list[Scored] = field(default_factory=list)
    head_scores: list[Scored] = field(default_factory=list)

    def add_pair(self, base_s: float, head_s: float) -> None:
        """Take in what one pair of processes gave, in seconds."""
        self.base_s.append(base_s)
        self.head_s.append(head_s)

    def add_memory(self, base: Reading | None, head: Reading | None) -> None:
        """Take in a peak of memory of both sides; None where the system cannot tell."""
        if base is None or head is None:
            self.has_memory = False
        elif base[0] != head[0]:
            self.memory_obstacle = f"the base's is counted by {base[0]}, the head's by {head[0]}"
        else:
            self.base_bytes.append(base[1])
            self.head_bytes.append(head[1])

    def add_seed(self, base: Scored, head: Scored) -> None:
        """Take in what one seed gave."""
        self.base_scores.append(base)
        self.head_scores.append(head)

    def fail(self, part: Part, error: VersionError) -> None:
        """Take in that a version failed over a part.

        What only the base cannot do is no failure, and leaves the other parts to be compared.
        """
        if error.side == "head":
            self.failure = error.fault
        else:
            setattr(self, f"{part}_obstacle", f"the base fails in it: {error.fault}")

    @property
    def stuck(self) -> bool:
        """Whether its time cannot be measured any more."""
        return bool(self.failure or self.time_obstacle)

    def wants_seeds(self, first: int) -> bool:
        """Tell whether its score is to be compared with another seed; ``first`` are in any case."""
        if self.score is None or self.failure or self.score_obstacle:
            return False
        return len(self.base_scores) < first or not self.score.decided

    def wants_memory(self, first: int) -> bool:
        """Tell whether its memory is to be read once more; ``first`` times are in any case."""
        if self.failure or self.memory_obstacle or not self.has_memory:
            return False
        return len(self.base_bytes) < first or not self.memory.decided

    @property
    def time(self) -> Finding:
        """What is known of its time."""
        if self.failure:
            return Finding(Verdict.FAILED)
        if self.time_obstacle:
            return Finding(Verdict.NOT_COMPARABLE)
        return judge_time(self.base_s, self.head_s, self.margin, self.error_rate)

    @property
    def correlated(self) -> bool:
        """Whether its time is inconclusive with pairs that are correlated."""
        undecided = self.time.verdict == Verdict.INCONCLUSIVE
        return undecided and are_correlated(self.base_s, self.head_s)

    @property
    def memory(self) -> Finding:
        """What is known of its peak memory."""
        if self.failure:
            return Finding(Verdict.FAILED)
        if self.memory_obstacle:
            return Finding(Verdict.NOT_COMPARABLE)
        if not self.has_memory:
            return Finding(Verdict.NOT_MEASURED)
        return judge_memory(self.base_bytes, self.head_bytes, self.memory_margin, self.error_rate)

    @property
    def score(self) -> Finding | None:
        """What is known of its score; None if it has none."""
        if not self.trains:
            return None
        if self.failure:
            return Finding(Verdict.FAILED)
        if self.score_obstacle:
            return Finding(Verdict.NOT_COMPARABLE)
        pairs = list(zip(self.base_scores, self.head_scores, strict=True))
        if pairs and all(repr(base) == repr(head) for base, head in pairs):  # NaN equals NaN
            return Finding(Verdict.EQUAL, 0.0, 0.0, 0.0, 0.0, len(pairs))
        gains = [self._gain(base[0], head[0]) for base, head in pairs]
        return judge_score(gains, self.score_margin, self.error_rate)

    @property
    def findings(self) -> list[Finding]:
        """What is known of its time, of its memory, and of its score if it has one."""
        return [self.time, self.memory, *([self.score] if self.score is not None else [])]

    def _gain(self, base: float, head: float) -> float:
        came_to_nothing = math.isnan(base), math.isnan(head)
        if any(came_to_nothing):
            return {(1, 0): math.inf, (0, 1): -math.inf}.get(came_to_nothing, 0.0)
        return head - base if self.higher_is_better else base - head
