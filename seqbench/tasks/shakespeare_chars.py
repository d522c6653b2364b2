"""``shakespeare-chars``: Shakespeare character by character."""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqbench.errors import SettingError
from seqbench.tasks.task import TASKS, Classification, Split, TaskData
from seqbench.tasks.tiny_shakespeare import BYTES, load_text

LONGEST = BYTES - BYTES * 9 // 10 - 1  # one window of the test part


@TASKS.register("shakespeare-chars")
class ShakespeareChars(Classification):
    """Which character comes next? Tiny Shakespeare, 1,115,394 characters of 65 kinds.

        F i r s t _ C i t i z e n → i r s t _ C i t i z e n :

    The first 90 % of the text are to train on, the rest to test on, in order. Each part is cut
    into windows of ``length`` characters that do not overlap; what is left at its end is dropped.
    At each step the answer is the character after it, so the last answer of a window is the first
    input of the next. A character's token is its rank among the 65, sorted by code: 0 is the line
    break, 1 the space, 64 is z.

    Inputs and targets are Int (windows, length), outputs 65 logits at each step: at the default
    length of 100, 10,038 windows to train on and 1,115 to test on. ``length`` is a setting. The
    loss is the cross-entropy in nats, the score the same in bits per character.

    Source: Karpathy's char-rnn, 2015, whose text this is, SHA-256 86c4e6aa….
    Baseline: each character as often as in the training targets, whatever came before; to each
    count 1 is added, so that a character that is missing there is not ruled out.
    Conventions: here every window starts from a state of zeros, so its first characters are
    guessed with little to go by; char-rnn carries the state from window to window. nanoGPT splits
    90/10 as here and gives nats per character: bits are 1/ln 2 = 1.44 times as many. char-rnn
    splits 95/5.
    """

    features = 65
    outputs = 65
    metric = "bits_per_character"
    higher_is_better = False
    readouts = ("each",)
    looks_ahead = False
    default_length = 100

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        if self.time > LONGEST:
            raise SettingError("length", length, f"at most {LONGEST} for this task: its test text")

    def load(self, data_dir: Path) -> TaskData:
        text = np.frombuffer(load_text(data_dir), dtype=np.uint8)
        ranks = np.unique(text, return_inverse=True)[1]
        tokens = torch.from_numpy(ranks).long()
        boundary = len(tokens) * 9 // 10
        return TaskData(
            train=self._cut(tokens[:boundary]),
            test=self._cut(tokens[boundary:]),
        )

    def _cut(self, tokens: Int[Tensor, " characters"]) -> Split:
        used = (len(tokens) - 1) // self.time * self.time
        return Split(
            inputs=tokens[:used].view(-1, self.time),
            targets=tokens[1 : used + 1].view(-1, self.time),
        )

    def score(
        self,
        outputs: Float[Tensor, "examples time classes"],
        targets: Int[Tensor, "examples time"],
    ) -> float:
        return float(self.loss(outputs.double(), targets)) / math.log(2)

    def answer_trivially(self, data: TaskData) -> Float[Tensor, "examples time classes"]:
        """Return the logarithm of each character's share of the training targets, at each step."""
        counts = data.train.targets.flatten().bincount(minlength=self.outputs) + 1
        shares = counts.double() / counts.sum()
        return shares.log().float().expand(*data.test.targets.shape, -1)
