"""``permuted-mnist``: MNIST read pixel by pixel in one fixed, scrambled order."""

from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from seqbench.tasks.generated import frozen_random
from seqbench.tasks.image_sequences import load_rows, one_pixel_a_step
from seqbench.tasks.task import TASKS, Classification, TaskData

PIXELS = 784
PERMUTATION_SEED = 92916
PERMUTATION_SHA256 = "b5c4665c0096a8f46ca2065aaeb8c1d9479ab73a0cf1f1b2bf6522ceb9d52323"
"""Of the permutation's numbers in decimal, joined by commas."""


def fixed_permutation() -> Int[Tensor, " pixels"]:
    """Return the order in which the pixels are fed: step ``i`` is pixel ``permutation[i]``."""
    return torch.from_numpy(frozen_random(PERMUTATION_SEED).permutation(PIXELS)).long()


@TASKS.register("permuted-mnist")
class PermutedMnist(Classification):
    """Which digit is it? The 784 pixels of ``pixel-mnist``, in one order drawn for all images.

    784 grey values in [0, 1] → one of 10 classes. Neighbouring pixels end up far apart, so what
    belongs together has to be carried over hundreds of steps. 60,000 images to train on, 10,000
    to test on: MNIST's own split.

    Source: Le, Jaitly and Hinton, 2015. The permutation is NumPy's
    ``RandomState(92916).permutation(784)``, that of expRNN (Lezcano-Casado and Martínez-Rubio,
    2019), and `PERMUTATION_SHA256` is its hash. Step ``i`` is pixel ``permutation[i]``.
    Baseline: the majority class, 11.35 %.
    Conventions: also called psMNIST. There is no standard permutation. Others take
    ``RandomState(0)`` (LMU), ``torch.randperm`` after seed 5544 (LEM) or 12008 (coRNN), the
    bit-reversed order (S4, S5, HiPPO), or a new one in each run (TCN).
    """

    features = 1
    time = PIXELS
    outputs = 10

    def load(self, data_dir: Path) -> TaskData:
        return one_pixel_a_step(load_rows("MNIST", data_dir), fixed_permutation())
