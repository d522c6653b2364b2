"""What steps are timed on: a batch of noise in the shape of row-mnist."""

from dataclasses import dataclass
from pathlib import Path

import torch

from seqbench.tasks.task import Classification, Split, TaskData


@dataclass
class Rows(Classification):
    """One batch of noise: examples of 28 steps of 28 features, 10 classes."""

    batch: int

    features = 28
    time = 28
    outputs = 10

    def load(self, data_dir: Path) -> TaskData:
        stream = torch.Generator().manual_seed(0)
        inputs = torch.rand(self.batch, self.time, self.features, generator=stream)
        targets = torch.randint(self.outputs, (self.batch,), generator=stream)
        return TaskData(Split(inputs, targets), Split(inputs, targets))
