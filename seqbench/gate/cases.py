"""Benchmarks on their way to a verdict: what both versions declare, and the evidence so far."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from seqbench.errors import SettingError, UnknownNameError
from seqbench.gate.processes import VersionError
from seqbench.gate.sources import digest_benchmark
from seqbench.gate.verdicts import Finding, Verdict, judge_score, judge_time
from seqbench.gate.versions import Version

Scored = tuple[float, tuple[float, ...]]
"""Score and trace of a training."""

Part = Literal["time", "score"]


@dataclass(frozen=True)
class Rules:
    """How a gate judges and how much it may spend.

    Parameters
    ----------
    budget_s
        Seconds after which no more evidence is gathered.
    error_rate
        How often, at most, any verdict of a run may be wrong.
    margin, score_margin
        In place of what benchmarks declare; None for that.
    error_rates, margins, score_margins
        The same for some benchmarks, by name.
    only
        Names of the benchmarks that are run; empty for all.
    """

    budget_s: float = 300.0
    error_rate: float = 0.01
    margin: float | None = None
    score_margin: float | None = None
    error_rates: Mapping[str, float] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)
    score_margins: Mapping[str, float] = field(default_factory=dict)
    only: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.budget_s > 0:
            raise SettingError("budget", self.budget_s, "greater than 0")
        for setting, one, named in (
            ("error_rate", self.error_rate, self.error_rates),
            ("margin", self.margin, self.margins),
            ("score_margin", self.score_margin, self.score_margins),
        ):
            for value in [one, *named.values()]:
                if value is not None and not 0 < value < 1:
                    raise SettingError(setting, value, "between 0 and 1")

    def names(self) -> set[str]:
        """Return all names of benchmarks that stand in the rules."""
        return {*self.only, *self.error_rates, *self.margins, *self.score_margins}

    def make_case(self, told: Mapping[str, Any], share: float) -> "Case":
        """Return the case of a benchmark, given what it declares and its share of the errors."""
        name = told["name"]
        return Case(
            name=name,
            metric=told["metric"],
            higher_is_better=told["higher_is_better"],
            margin=self.margins.get(name, self.margin or told["margin"]),
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
    margin, score_margin, error_rate
        What counts in this run.
    trains
        Whether there are scores to compare.
    """

    name: str
    metric: str
    higher_is_better: bool
    margin: float
    score_margin: float
    error_rate: float
    trains: bool
    time_obstacle: str = ""
    score_obstacle: str = ""
    failure: str = ""
    base_s: list[float] = field(default_factory=list)
    head_s: list[float] = field(default_factory=list)
    base_scores: list[Scored] = field(default_factory=list)
    head_scores: list[Scored] = field(default_factory=list)

    def add_pair(self, base_s: float, head_s: float) -> None:
        """Take in what one pair of processes gave, in seconds."""
        self.base_s.append(base_s)
        self.head_s.append(head_s)

    def add_seed(self, base: Scored, head: Scored) -> None:
        """Take in what one seed gave."""
        self.base_scores.append(base)
        self.head_scores.append(head)

    def fail(self, part: Part, error: VersionError) -> None:
        """Take in that a version failed over its time or its score.

        What only the base cannot do is no failure, and leaves the other part to be compared.
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

    @property
    def time(self) -> Finding:
        """What is known of its time."""
        if self.failure:
            return Finding(Verdict.FAILED)
        if self.time_obstacle:
            return Finding(Verdict.NOT_COMPARABLE)
        return judge_time(self.base_s, self.head_s, self.margin, self.error_rate)

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
        """What is known of its time, and of its score if it has one."""
        return [self.time, *([self.score] if self.score is not None else [])]

    def _gain(self, base: float, head: float) -> float:
        came_to_nothing = math.isnan(base), math.isnan(head)
        if any(came_to_nothing):
            return {(1, 0): math.inf, (0, 1): -math.inf}.get(came_to_nothing, 0.0)
        return head - base if self.higher_is_better else base - head


def pair_declarations(
    base: tuple[Version, Sequence[Mapping[str, Any]]],
    head: tuple[Version, Sequence[Mapping[str, Any]]],
    file: Path,
    rules: Rules,
) -> list[Case]:
    """Return a case for each benchmark of either version, in the order of the head's.

    Parameters
    ----------
    base, head
        Each version with what its agent's ``describe`` tells.
    file
        The benchmark file, relative to a version's folder.
    rules
        Which of them, and how they are judged.

    Raises
    ------
    UnknownNameError
        If a name in the rules is no benchmark's.
    """
    ours, theirs = ({each["name"]: each for each in told} for _, told in (base, head))
    names = list(dict.fromkeys([*theirs, *ours]))
    for name in rules.names():
        if name not in names:
            raise UnknownNameError("benchmark", name, names)
    names = [each for each in names if not rules.only or each in rules.only]
    declared = {name: theirs.get(name) or ours[name] for name in names}
    questions = sum(1 + (each["train"] is not None) for each in declared.values())
    cases = []
    for name, told in declared.items():
        case = rules.make_case(told, rules.error_rate / questions)
        for part, obstacle in _find_obstacles(name, ours, theirs, (base[0], head[0]), file):
            setattr(case, f"{part}_obstacle", obstacle)
        cases.append(case)
    return cases


def _find_obstacles(
    name: str,
    ours: Mapping[str, Mapping[str, Any]],
    theirs: Mapping[str, Mapping[str, Any]],
    versions: tuple[Version, Version],
    file: Path,
) -> Iterator[tuple[str, str]]:
    """Yield why the time or the score of a benchmark cannot be compared."""
    for told, side in ((ours, "base"), (theirs, "head")):
        if name not in told:
            yield from ((part, f"the {side} does not have it") for part in ("time", "score"))
            return
    for part, key in (("time", "work"), ("score", "train")):
        sides = zip((ours[name], theirs[name]), versions, strict=True)
        digests = {_digest(told, key, version.folder / file) for told, version in sides}
        if len(digests) > 1:
            settings = ours[name]["settings"] != theirs[name]["settings"]
            yield part, f"its {'settings' if settings else 'source'} changed"


def _digest(told: Mapping[str, Any], key: str, file: Path) -> str:
    if told[key] is None:
        return ""
    source, name = Path(told[key][0]), told[key][1]
    if not source.is_relative_to(file.parent):  # made elsewhere: by functools.partial, say
        source, name = file, "*"
    return digest_benchmark(file.parent, source, name, told["settings"])
