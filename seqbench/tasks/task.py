"""The task contract: a task owns its examples, sizes, loss, metric and trivial baseline.

The harness asks a task for data, a loss to minimise and a score to report, and knows nothing else
about it.
"""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqbench.registry import Registry


@dataclass(frozen=True)
class Split:
    """Examples that lie in memory as two tensors, example by example along the first axis."""

    inputs: Float[Tensor, "examples time features"]
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: str) -> "Split":
        """Return the same examples on ``device``."""
        return Split(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True)
class TaskData:
    """All that a run is fed with."""

    train: Split
    test: Split

    def to(self, device: str) -> "TaskData":
        """Return the same data on ``device``."""
        return TaskData(self.train.to(device), self.test.to(device))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over what is really fed in: every value, shape and type, in order."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            for tensor in (split.inputs, split.targets):
                digest.update(f"{tensor.dtype} {tuple(tensor.shape)};".encode())
                digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


class Task(ABC):
    """One problem for sequence models."""

    features: ClassVar[int]
    """Input features of one time step."""
    outputs: ClassVar[int]
    """Numbers that a model must give for one example."""
    metric: ClassVar[str]
    """Name of the score, as it stands in the CSV."""
    higher_is_better: ClassVar[bool]
    """Direction of the score."""

    @abstractmethod
    def load(self, data_dir: Path) -> TaskData:
        """Return the examples, reading or downloading below ``data_dir`` what is not bundled.

        Raises
        ------
        DataUnavailableError
            If the data is not there and cannot be fetched, or is damaged.
        """

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Float[Tensor, ""]:
        """Return the mean over the batch of what training minimises."""

    @abstractmethod
    def score(self, outputs: Tensor, targets: Tensor) -> Float[Tensor, " batch"]:
        """Return the metric of each example; a split's score is their mean."""

    @abstractmethod
    def baseline(self, data: TaskData) -> float:
        """Return the test score of the best answer that ignores its input."""


class Classification(Task):
    """One class for each sequence: cross-entropy in nats, accuracy as the share that is right."""

    metric = "accuracy"
    higher_is_better = True

    def loss(
        self, outputs: Float[Tensor, "batch classes"], targets: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        return nn.functional.cross_entropy(outputs, targets)

    def score(
        self, outputs: Float[Tensor, "batch classes"], targets: Int[Tensor, " batch"]
    ) -> Float[Tensor, " batch"]:
        return (outputs.argmax(dim=1) == targets).float()

    def baseline(self, data: TaskData) -> float:
        """Return the test accuracy of always answering the commonest class in training."""
        commonest = data.train.targets.mode().values
        return float((data.test.targets == commonest).double().mean())


TASKS: Registry[type[Task]] = Registry("task")
