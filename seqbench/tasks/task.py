"""The task contract: a task owns its examples, sizes, loss, metric and trivial answer.

The harness asks a task for data, a loss to minimise and a score to report, and knows nothing else
about it: whether the answer is one for a sequence or one for each step, a class or a number, a
token or a frame, is the task's business.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqbench.errors import ContractError, SettingError
from seqbench.registry import Registry
from seqbench.spec import RunSpec


@dataclass(frozen=True)
class Split:
    """Examples that lie in memory as two tensors, example by example along the first axis.

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
    """All that a run is fed with."""

    train: Split
    test: Split

    def to(self, device: str) -> "TaskData":
        """Return the same data on ``device``."""
        return TaskData(self.train.to(device), self.test.to(device))

    @cached_property
    def fingerprint(self) -> str:
        """`fingerprint` of the examples as they are when it is first asked for."""
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
        Time steps of a sequence, or what the task says they follow from, for tasks with a
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
    """Name of the score, as it stands in the CSV: lower-case words joined by underscores."""
    higher_is_better: ClassVar[bool]
    """Direction of the score."""
    readouts: ClassVar[tuple[str, ...]] = ("last", "final", "mean", "max")
    """Read-outs that give what the loss takes; the first one is the default."""
    looks_ahead: ClassVar[bool] = True
    """Whether an answer may use steps after it; False where those would give it away."""
    default_length: ClassVar[int | None] = None
    """Time steps of a sequence if nobody says otherwise; None where the data decide."""

    def __init__(self, length: int | None = None) -> None:
        if self.default_length is not None:
            self.time = length or self.default_length
        elif length is not None:
            raise SettingError("length", length, "left out for this task: its data decide")

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
        """Return what training minimises: a mean over the examples of a batch."""

    def count_answers(self, targets: Tensor) -> Tensor:
        """Return how many answers the loss of a batch is a mean over, 0-d."""
        return torch.tensor(len(targets), device=targets.device)

    @abstractmethod
    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """Return the metric over all examples of a split."""

    @abstractmethod
    def answer_trivially(self, data: TaskData) -> Tensor:
        """Return outputs for the test split that take no learning: what a model has to beat."""

    def baseline(self, data: TaskData) -> float:
        """Return the score of the trivial answer."""
        return self.score(self.answer_trivially(data), data.test.targets)


class Classification(Task):
    """One class for each sequence, or for each of its steps: cross-entropy in nats, accuracy.

    The loss is a mean over examples and steps, the score the share that is right of all answers.
    Trivial answer: always the commonest class of the training targets.
    """

    metric = "accuracy"
    higher_is_better = True

    def loss(
        self, outputs: Float[Tensor, "batch ... classes"], targets: Int[Tensor, "batch ..."]
    ) -> Float[Tensor, ""]:
        return nn.functional.cross_entropy(outputs.flatten(end_dim=-2), targets.flatten())

    def score(
        self,
        outputs: Float[Tensor, "examples ... classes"],
        targets: Int[Tensor, "examples ..."],
    ) -> float:
        return float((outputs.argmax(dim=-1) == targets).double().mean())

    def answer_trivially(self, data: TaskData) -> Float[Tensor, "examples ... classes"]:
        commonest = data.train.targets.flatten().mode().values
        answer = nn.functional.one_hot(commonest, self.outputs).float()
        return answer.expand(*data.test.targets.shape, -1)


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


TASKS: Registry[type[Task]] = Registry("task")

METRIC = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


def check_data(name: str, task: Task, data: object) -> TaskData:
    """Return ``data`` if it is what the task called ``name`` says of itself.

    Raises
    ------
    ContractError
        If it is no `TaskData`, a split has other sizes than the task declares, or the metric's name
        is not one.
    """
    if not isinstance(data, TaskData):
        raise ContractError("task", name, f"gave {type(data).__name__}, expected a TaskData")
    if not METRIC.fullmatch(task.metric):
        fault = f"calls its metric {task.metric!r}, expected lower-case words joined by underscores"
        raise ContractError("task", name, fault)
    for split in (data.train, data.test):
        real = split.inputs.is_floating_point()
        expected = (task.time, task.features) if real else (task.time,)
        shape = tuple(split.inputs.shape)
        if shape[1:] != expected:
            axes = "(examples, time, features)" if real else "(examples, time)"
            fault = f"gave a wrong shape: inputs have {shape}, expected {axes} ending in {expected}"
            raise ContractError("task", name, fault)
        if len(split.inputs) != len(split.targets):
            fault = f"gave {len(split.inputs)} inputs and {len(split.targets)} targets"
            raise ContractError("task", name, fault)
    return data


def make_task(spec: RunSpec) -> Task:
    """Return the task that ``spec`` names, with sequences of the length that it asks for."""
    return TASKS[spec.task](spec.length)


def cut_training(data: TaskData, examples: int | None) -> TaskData:
    """Return the data with the first ``examples`` of its training split, all for None.

    Raises
    ------
    SettingError
        If there are not as many.
    """
    if examples is None:
        return data
    if examples > len(data.train):
        raise SettingError("train_examples", examples, f"at most {len(data.train)} for this task")
    return replace(data, train=data.train.first(examples))
