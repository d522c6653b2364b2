"""Generated data: tasks whose examples are drawn, and the random numbers for that.

A generated data set has to be the same on every machine and with every version of NumPy, for its
fingerprint is in every row. NumPy promises that of `RandomState` alone: its stream is frozen at
what NumPy 1.16 gave (NEP 19), while that of ``default_rng`` may change with a release. Tasks take
uniform numbers, integers and permutations from it, which need nothing from the machine's
mathematical library.

The data does not depend on a run's seed: all seeds share one data set, as they share MNIST.
"""

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from seqbench.errors import SettingError
from seqbench.free_memory import format_memory, read_free_memory
from seqbench.tasks.task import Split, Task, TaskData

TRAIN_SEED = 0
TEST_SEED = 1

_SKIPPED_AT_ONCE = 1 << 20  # numbers


def frozen_random(seed: int) -> np.random.RandomState:
    """Return a stream of random numbers that no version of NumPy changes."""
    return np.random.RandomState(seed)


def draw_rows(
    random: np.random.RandomState, rows: int, columns: int, kept: int
) -> Float[np.ndarray, "kept columns"]:
    """Return the first ``kept`` of ``rows`` rows of uniform numbers; the others are drawn and gone.

    What is drawn after them is the same for every ``kept``, and they take no memory.
    """
    numbers: Float[np.ndarray, "kept columns"] = random.random_sample((kept, columns))
    left = (rows - kept) * columns
    while left:
        left -= len(random.random_sample(min(left, _SKIPPED_AT_ONCE)))
    return numbers


class GeneratedTask(Task):
    """A task that draws its examples, each split from a separate stream.

    Only as many training examples are made as are requested, and they are the first of all there
    are.
    """

    drawn_train: ClassVar[int]
    """Training examples that there are."""
    drawn_test: ClassVar[int]
    """Test examples."""
    bytes_per_step: ClassVar[int]
    """Memory that drawing takes at its peak, for one step of one example."""

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        self.length = self.time  # as it was requested: a task may add steps to it

    @abstractmethod
    def draw(self, random: np.random.RandomState, examples: int, kept: int) -> Split:
        """Return the first ``kept`` of ``examples`` examples.

        Every number of all of them is taken from ``random``, so that an example is the same however
        many are kept.
        """

    def load(self, data_dir: Path) -> TaskData:
        """Return the examples; they are generated, not read from ``data_dir``.

        Raises
        ------
        SettingError
            If drawing them takes more memory than there is.
        """
        wanted = self.drawn_train if self.train_examples is None else self.train_examples
        kept = min(wanted, self.drawn_train)
        self._check_memory(kept + self.drawn_test)
        return TaskData(
            train=self.draw(frozen_random(TRAIN_SEED), self.drawn_train, kept),
            test=self.draw(frozen_random(TEST_SEED), self.drawn_test, self.drawn_test),
        )

    def _check_memory(self, examples: int) -> None:
        needed, free = examples * self.time * self.bytes_per_step, read_free_memory()
        if needed > free:
            expected = (
                f"shorter: generating {examples:,} sequences of {self.time:,} steps needs "
                f"{format_memory(needed)} of memory, and {format_memory(free)} are free"
            )
            raise SettingError("length", self.length, expected)
