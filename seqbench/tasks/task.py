"""The task contract: a task owns its examples, sizes, loss, metric and baseline.

The harness asks a task for data, a loss to minimise and a score to report, and knows nothing else
about it: whether the answer is one for a sequence or one for each step, a class or a number, a
token or a frame, is the task's business.
"""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqbench.errors import ContractError, SeqbenchError, SettingError, describe_error
from seqbench.registry import Registry
from seqbench.spec import RunSpec
from seqbench.tasks.declaration import find_plan_fault
from seqbench.tasks.faults import find_index_fault, find_shape_fault


@dataclass(frozen=True)
class Split:
    """Examples stored as two tensors, example by example along the first axis.

    ``inputs`` are real, Float (examples, time, features), or tokens, Int (examples, time) from 0
    to features − 1, which a model sees as one-hot vectors. ``targets`` are what the task's loss
    and score take.
    """

    inputs: Float[Tensor, "examples time features"] | Int[Tensor, "examples time"]
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: str) -> "Split":
        """Return the same examples on ``device``."""
        return Split(self.inputs.to(device), self.targets.to(device))

    def first(self, examples: int) -> "Split":
        """Return the first ``examples`` of them, or all if there are no more."""
        return Split(self.inputs[:examples], self.targets[:examples])


@dataclass(frozen=True)
class TaskData:
    """All that a run receives.

    ``changed`` names the files of it that are not the published ones; None where all are, or where
    nothing is published.
    """

    train: Split
    test: Split
    changed: str | None = None

    def to(self, device: str) -> "TaskData":
        """Return the same data on ``device``."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))

    @cached_property
    def fingerprint(self) -> str:
        """`fingerprint` of the examples as they are when it is first requested."""
        return fingerprint(self)


def fingerprint(data: TaskData) -> str:
    """Return SHA-256 over what is really fed in: every value, shape and type, in order."""
    digest = hashlib.sha256()
    for split in (data.train, data.test):
        for tensor in (split.inputs, split.targets):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)};".encode())
            digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()


class Task(ABC):
    """One problem for sequence models.

    Parameters
    ----------
    length
        Time steps of a sequence, or the value from which the task derives them, for tasks with a
        `default_length`; None for that, and for tasks whose data decide.

    Raises
    ------
    SettingError
        If the task's data decide on the length and one is given.
    """

    features: ClassVar[int]
    """Input features of one time step; for tokens, how many there are."""
    time: int
    """Time steps of one sequence."""
    outputs: ClassVar[int]
    """Numbers that a model gives for an example, or for each of its steps."""
    metric: ClassVar[str]
    """Name of the score, as in the CSV: lower-case words joined by underscores."""
    metric_unit: ClassVar[str] = ""
    """Unit of the score, as °C, in 20 characters at most; empty for a share or a plain number."""
    higher_is_better: ClassVar[bool]
    """Direction of the score."""
    readouts: ClassVar[tuple[str, ...]] = ("last", "final", "mean", "max")
    """Read-outs that give what the loss takes; the first one is the default."""
    looks_ahead: ClassVar[bool] = True
    """Whether an answer may use steps after it; False where those would give it away."""
    default_length: ClassVar[int | None] = None
    """Time steps of a sequence by default; None where the data decide."""
    train_examples: int | None = None
    """Number of training examples, the first ones; None for all. More may be loaded."""

    def __init__(self, length: int | None = None) -> None:
        if self.default_length is not None:
            self.time = length or self.default_length
        elif length is not None:
            raise SettingError("length", length, "omitted for this task: its data have one length")

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
        """Return what training minimises: a mean over the answers of a batch that count."""

    def count_answers(self, targets: Tensor) -> Tensor:
        """Return how many answers the loss of a batch is a mean over, 0-d."""
        return torch.tensor(len(targets), device=targets.device)

    @abstractmethod
    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """Return the metric over all examples of a split."""

    @abstractmethod
    def answer_trivially(self, data: TaskData) -> Tensor:
        """Return outputs for the test split that take no learning: what a model has to beat."""

    def find_target_fault(self, targets: Tensor, shape: tuple[int, ...]) -> str | None:
        """Return what is wrong with a split's targets, or None if loss and score can take them.

        Parameters
        ----------
        targets
            Those of all examples of a split. That there are as many as inputs, and that none is
            NaN or infinite, is checked for every task.
        shape
            The shape of the outputs for them: (examples, outputs), or (examples, time, outputs)
            with an answer at each step.
        """
        return None


class Classification(Task):
    """One class for each sequence, or for each of its steps: cross-entropy in nats, accuracy.

    Loss and score are means over examples and steps, without those whose label is `ignore_index`.
    Baseline: always the majority class of the training targets.
    """

    metric = "accuracy"
    higher_is_better = True
    ignore_index: ClassVar[int] = -100
    """Label of what has no answer, such as padding; it counts in neither loss nor score."""

    def loss(
        self, outputs: Float[Tensor, "batch ... classes"], targets: Int[Tensor, "batch ..."]
    ) -> Float[Tensor, ""]:
        total = nn.functional.cross_entropy(
            outputs.flatten(end_dim=-2),
            targets.flatten(),
            reduction="sum",
            ignore_index=self.ignore_index,
        )
        return total / self.count_answers(targets).clamp(min=1)

    def count_answers(self, targets: Int[Tensor, "batch ..."]) -> Int[Tensor, ""]:
        return (targets != self.ignore_index).sum()

    def score(
        self,
        outputs: Float[Tensor, "examples ... classes"],
        targets: Int[Tensor, "examples ..."],
    ) -> float:
        right = outputs.argmax(dim=-1) == targets
        return float(right[targets != self.ignore_index].double().mean())

    def answer_trivially(self, data: TaskData) -> Float[Tensor, "examples ... classes"]:
        labels = data.train.targets
        counts = labels[labels != self.ignore_index].bincount(minlength=self.outputs)
        answer = nn.functional.one_hot(counts.argmax(), self.outputs).float()
        return answer.expand(*data.test.targets.shape, -1)

    def find_target_fault(self, targets: Tensor, shape: tuple[int, ...]) -> str | None:
        fault = find_shape_fault(targets, shape[:-1]) or find_index_fault(
            "targets", "labels", targets, self.outputs, self.ignore_index
        )
        if fault is None and not self.count_answers(targets):
            fault = f"targets are all {self.ignore_index}, expected at least one label to count"
        return fault


class Regression(Task):
    """Numbers for each sequence, or for each of its steps: mean squared error.

    Loss and score are a mean over examples, steps and outputs; targets have the outputs' shape.
    """

    metric = "mse"
    higher_is_better = False

    def loss(
        self, outputs: Float[Tensor, "batch ..."], targets: Float[Tensor, "batch ..."]
    ) -> Float[Tensor, ""]:
        return nn.functional.mse_loss(outputs, targets)

    def score(
        self, outputs: Float[Tensor, "examples ..."], targets: Float[Tensor, "examples ..."]
    ) -> float:
        return float(nn.functional.mse_loss(outputs.double(), targets.double()))

    def find_target_fault(self, targets: Tensor, shape: tuple[int, ...]) -> str | None:
        if not targets.is_floating_point():
            return f"targets are {targets.dtype}, expected a floating-point type"
        return find_shape_fault(targets, shape)


TASKS: Registry[type[Task]] = Registry("task", Task)


def make_task(spec: RunSpec) -> Task:
    """Return the task that ``spec`` names, with sequences of the length that it asks for."""
    return build_task(spec.task, spec.length)


def build_task(name: str, length: int | None = None) -> Task:
    """Return the task called ``name``, its declaration checked as far as a plan needs it.

    Raises
    ------
    ContractError
        If it cannot be made, is not a `Task`, or declares invalid values.
    """
    try:
        task: object = TASKS[name](length)
    except SeqbenchError:
        raise
    except Exception as error:  # a task of the user's may raise anything
        raise ContractError("task", name, f"cannot be made: {describe_error(error)}") from error
    if not isinstance(task, Task):
        raise ContractError("task", name, f"is {type(task).__name__}, expected a Task")
    if fault := find_plan_fault(task):
        raise ContractError("task", name, fault)
    return task


def cut_training(name: str, data: TaskData, examples: int | None) -> TaskData:
    """Return a task's data with the first ``examples`` of its training split, all for None.

    Raises
    ------
    SettingError
        If there are not as many.
    """
    if examples is None:
        return data
    if examples > len(data.train):
        raise SettingError("train_examples", examples, f"at most {len(data.train)} for {name}")
    return replace(data, train=data.train.first(examples))
