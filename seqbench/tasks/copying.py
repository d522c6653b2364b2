"""``copying``: ten symbols to be repeated after a delay."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqbench.tasks.generated import GeneratedTask
from seqbench.tasks.task import TASKS, Classification, Split, TaskData

BLANK = 0
SYMBOLS = range(1, 9)
MARKER = 9
COPIED = 10
RULED_OUT = -1e4  # a logit that leaves no probability, and finite where −∞ makes gradients NaN


@TASKS.register("copying")
class Copying(GeneratedTask, Classification):
    """Which ten symbols came first? Tests memory without repetition.

    A sequence is 10 symbols, T − 1 blanks, a marker and 10 blanks: T + 20 steps. The answer is
    blank at each of the first T + 10 steps, and then the 10 symbols in order. The setting
    ``length`` is T, as papers count, so a sequence has ``length`` + 20 steps.

        5 8 1 … 0 0 0 9 0 0 0 …  →  0 0 0 … 0 0 0 0 5 8 1 …

    Tokens: 0 is the blank, 1 to 8 are the symbols, 9 is the marker. Inputs and targets are Int
    (examples, T + 20), and outputs 9 logits at each step: the marker is never an answer. 10,000
    examples to train on, 1,000 to test on, each symbol drawn uniformly. Loss and score are the
    cross-entropy over all steps, in nats.

    Source: Arjovsky, Shah and Bengio, "Unitary evolution recurrent neural networks", 2016, after
    Hochreiter and Schmidhuber, 1997.
    Baseline: the best predictions without memory, blank until the last 10 steps and there each of
    the 8 symbols alike. Its cross-entropy is 10·ln 8/(T + 20): 0.0204 at T = 1000.
    Conventions: S4 and HiPPO score the last 10 steps only, which is T/10 + 2 times as much. TCN's
    code has 10 outputs. The marker is at step T + 9, counted from 0.
    """

    features = 10
    outputs = 9
    metric = "cross_entropy"
    higher_is_better = False
    readouts = ("each",)
    default_length = 100
    drawn_train, drawn_test = 10_000, 1_000
    bytes_per_step = 16  # a token and a target

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        self.time += 2 * COPIED

    def draw(self, random: np.random.RandomState, examples: int, kept: int) -> Split:
        drawn = random.randint(SYMBOLS.start, SYMBOLS.stop, (examples, COPIED), dtype=np.int64)
        symbols = drawn[:kept]
        inputs = np.full((kept, self.time), BLANK, dtype=np.int64)
        targets = inputs.copy()
        inputs[:, :COPIED] = symbols
        inputs[:, -COPIED - 1] = MARKER
        targets[:, -COPIED:] = symbols
        return Split(torch.from_numpy(inputs), torch.from_numpy(targets))

    def score(
        self,
        outputs: Float[Tensor, "examples time classes"],
        targets: Int[Tensor, "examples time"],
    ) -> float:
        return float(self.loss(outputs.double(), targets))

    def answer_trivially(self, data: TaskData) -> Float[Tensor, "examples time classes"]:
        """Return logits that are sure of the blank, and of the symbols in the last 10 steps."""
        logits = torch.full((self.time, self.outputs), RULED_OUT)
        logits[:-COPIED, BLANK] = 0
        logits[-COPIED:, SYMBOLS.start : SYMBOLS.stop] = 0
        return logits.expand(len(data.test), -1, -1)
