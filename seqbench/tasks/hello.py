"""``hello``: spelling one word letter by letter, the notebook's example."""

from pathlib import Path

import torch

from seqbench.tasks.task import TASKS, Classification, Split, TaskData

WORD = "hello"
LETTERS = "helo"


@TASKS.register("hello")
class Hello(Classification):
    """Which letter comes next? The word "hello", one letter at a time: h → e → l → l → o.

    After the first l comes another and after the second an o, so that the letter alone does not
    decide: a model has to remember one step.

        h e l l → e l l o

    Tokens: 0 is h, 1 is e, 2 is l, 3 is o. Inputs and targets are Int (1, 4), outputs 4 logits at
    each step. The score is the accuracy over the steps. **The one example is the training set and
    the test set**: this shows that a model can learn at all, and nothing about new words.

    Source: the teaching notebook; after Karpathy, "The unreasonable effectiveness of recurrent
    neural networks", 2015.
    Baseline: always l, the majority answer, right at 2 of 4 steps. A model without memory gets 3.
    Conventions: none are published.
    """

    features = len(LETTERS)
    outputs = len(LETTERS)
    time = len(WORD) - 1
    readouts = ("each",)
    looks_ahead = False

    def load(self, data_dir: Path) -> TaskData:
        """Return the word, twice; nothing is read from ``data_dir``."""
        tokens = torch.tensor([[LETTERS.index(letter) for letter in WORD]])
        word = Split(inputs=tokens[:, :-1], targets=tokens[:, 1:])
        return TaskData(train=word, test=word)
