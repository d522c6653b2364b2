"""What a gate measures: the contract of a benchmark file, ``benchmarks/gate.py`` by default.

A benchmark file is a Python file with a list ``BENCHMARKS`` of `Benchmark`. Each version of the
code has its own copy and imports it in its own environment.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEFAULT_FILE = Path("benchmarks/gate.py")
"""Where a benchmark file is searched, relative to the repository."""

MARGIN = 0.02
SCORE_MARGIN = 0.02
MEMORY_MARGIN = 0.1


@dataclass(frozen=True)
class Trained:
    """Result of a training with one seed.

    Parameters
    ----------
    score
        What is compared over seeds.
    trace
        Intermediate values, such as losses, which identify equal trainings: two are equal
        if score and trace are, to the last bit.

    A training failed if one of them is NaN or infinite.
    """

    score: float
    trace: Sequence[float] = ()


@dataclass(frozen=True)
class Benchmark:
    """One piece of work that a gate times on both sides, and what it is good for.

    Two sides are compared only if their benchmark is the same: settings, and the source of
    ``make_work`` and of all that it uses of the benchmark files. Margins may differ; the head's
    count.

    Parameters
    ----------
    name
        What verdicts call it.
    make_work
        Takes the settings as keywords and returns what is timed: a function without arguments,
        done when it returns, and with as much to do at each call.
    settings
        What ``make_work`` and ``train`` are called with: numbers, texts, lists of them.
    train
        Takes the settings and a ``seed`` and returns its outcome; None if there is no score.
    margin
        Smallest relevant change of time, relative: 0.05 for 5 %.
    memory_margin
        Smallest relevant change of peak memory, relative.
    score_margin
        Smallest relevant change of score, in its own unit.
    metric, higher_is_better
        What the score is, and which way it runs.
    error_rate
        How often a verdict on this benchmark may be wrong; None for an equal part of the run's.
    """

    name: str
    make_work: Callable[..., Callable[[], object]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    train: Callable[..., Trained] | None = None
    margin: float = MARGIN
    memory_margin: float = MEMORY_MARGIN
    score_margin: float = SCORE_MARGIN
    metric: str = "accuracy"
    higher_is_better: bool = True
    error_rate: float | None = None
