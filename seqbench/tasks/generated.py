"""Random numbers for generated data: the one place that draws them.

A generated data set has to be the same on every machine and with every version of NumPy, for its
fingerprint stands in every row. NumPy promises that of `RandomState` alone: its stream is frozen
at what NumPy 1.16 gave (NEP 19), while that of ``default_rng`` may change with a release. Tasks
take uniform numbers, integers and permutations from it, which need nothing from the machine's
mathematical library.

The data does not depend on a run's seed: all seeds share one data set, as they share MNIST.
"""

from collections.abc import Callable

import numpy as np

from seqbench.tasks.task import Split, TaskData

TRAIN_SEED = 0
TEST_SEED = 1

Draw = Callable[[np.random.RandomState, int], Split]
"""What makes so many examples from a stream of random numbers."""


def frozen_random(seed: int) -> np.random.RandomState:
    """Return a stream of random numbers that no version of NumPy changes."""
    return np.random.RandomState(seed)


def generate(draw: Draw, *, train: int, test: int) -> TaskData:
    """Return so many examples for each split, each split from a stream of its own."""
    return TaskData(
        train=draw(frozen_random(TRAIN_SEED), train), test=draw(frozen_random(TEST_SEED), test)
    )
