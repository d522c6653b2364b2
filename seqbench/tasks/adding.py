"""``adding``: the sum of two marked numbers in a long sequence."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seqbench.errors import SettingError
from seqbench.tasks.generated import GeneratedTask, draw_rows
from seqbench.tasks.task import TASKS, Regression, Split, TaskData

SHORTEST = 2  # one step for each mark


@TASKS.register("adding")
class Adding(GeneratedTask, Regression):
    """What do the two marked numbers add up to? Tests memory over many steps.

    Each step has 2 features: a number drawn from U(0, 1), and a mark that is 1 at two steps and 0
    at all others. One mark is in the first half of the sequence and one in the second, each at a
    step drawn uniformly; of an odd length the second half is the longer.

        numbers 0.3 0.9 0.5 0.1, marks 0 1 1 0 → 0.9 + 0.5 = 1.4

    Inputs are Float (examples, length, 2), targets Float (examples, 1). 10,000 examples to train
    on, 1,000 to test on. ``length`` is a setting, at least 2. The score is the mean squared error.

    Source: Hochreiter and Schmidhuber, 1997; in this form Arjovsky, Shah and Bengio, "Unitary
    evolution recurrent neural networks", 2016.
    Baseline: always 1, the mean of the sum. Its error is the variance of a sum of two uniform
    numbers, 1/6 = 0.1667.
    Conventions: the code of TCN (Bai et al., 2018) draws both marks from the whole sequence.
    Papers draw 50,000 or 100,000 examples, or new ones for each batch; here they are fixed.
    """

    features = 2
    outputs = 1
    default_length = 100
    drawn_train, drawn_test = 10_000, 1_000
    bytes_per_step = 40  # both features twice in double precision, once in single

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        if self.time < SHORTEST:
            raise SettingError("length", length, f"at least {SHORTEST} for this task: two marks")

    def draw(self, random: np.random.RandomState, examples: int, kept: int) -> Split:
        half = self.time // 2
        numbers = draw_rows(random, examples, self.time, kept)
        first = random.randint(0, half, examples, dtype=np.int64)[:kept]
        second = random.randint(half, self.time, examples, dtype=np.int64)[:kept]
        marks = np.zeros_like(numbers)
        rows = np.arange(kept)
        marks[rows, first] = marks[rows, second] = 1
        inputs = torch.from_numpy(np.stack([numbers, marks], axis=-1)).float()
        added = inputs[rows, first, 0] + inputs[rows, second, 0]
        return Split(inputs, added.unsqueeze(-1))

    def answer_trivially(self, data: TaskData) -> Float[Tensor, "examples 1"]:
        """Return 1 for every example."""
        return torch.ones(len(data.test), 1)
