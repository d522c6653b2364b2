"""The task contract: a task owns its examples, sizes, loss, metric and trivial answer.

The harness asks a task for data, a loss to minimise and a score to report, and knows nothing else
about it: whether the answer is one for a sequence or one for each step, a class or a number, a
token or a frame, is the task's business.
"""

import hashlib
import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqbench.errors import ContractError, SettingError
from seqbench.metrics import find_metric
from seqbench.registry import Registry
from seqbench.spec import RunSpec
from seqbench.tasks.faults import (
    find_index_fault,
    find_input_fault,
    find_number_fault,
    find_shape_fault,
    find_tensor_fault,
)


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
    Trivial answer: always the commonest class of the training targets.
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


TASKS: Registry[type[Task]] = Registry("task")

METRIC = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


def check_data(name: str, task: Task, data: object) -> TaskData:
    """Return ``data`` if it is what the task called ``name`` says of itself.

    Raises
    ------
    ContractError
        If it is no `TaskData`, a split's inputs or targets are not what the task's model and loss
        take, or the metric's name is not one.
    """
    if not isinstance(data, TaskData):
        raise ContractError("task", name, f"gave {type(data).__name__}, expected a TaskData")
    if fault := _find_metric_fault(task):
        raise ContractError("task", name, fault)
    for part, split in (("training", data.train), ("test", data.test)):
        if wrong := _find_split_fault(task, split):
            raise ContractError("task", name, f"gave a wrong {part} split: {wrong}")
    return data


def _find_metric_fault(task: Task) -> str | None:
    if not METRIC.fullmatch(task.metric):
        return f"calls its metric {task.metric!r}, expected lower-case words joined by underscores"
    known = find_metric(task.metric).higher_is_better
    if not isinstance(task.higher_is_better, bool) or known not in (None, task.higher_is_better):
        expected = "True or False" if known is None else str(known)
        return (
            f"says higher_is_better = {task.higher_is_better!r} of {task.metric}, "
            f"expected {expected}"
        )
    return None


def check_baseline(name: str, task: Task, data: TaskData) -> float:
    """Return the score of the trivial answer if the task called ``name`` gives one.

    Raises
    ------
    ContractError
        If the answer has not the shape of a model's outputs, its score is no finite number, or
        answering and scoring changed the data.
    """
    before, answer = fingerprint(data), task.answer_trivially(data)
    expected = _shape_outputs(task, len(data.test))
    if tuple(answer.shape) != expected:
        fault = f"answers trivially in shape {tuple(answer.shape)}, expected {expected}"
        raise ContractError("task", name, fault)
    score = as_score(name, task.metric, task.score(answer, data.test.targets))
    if fingerprint(data) != before:
        raise ContractError("task", name, "changes its data when it scores: copy what is changed")
    return score


def check_loss(name: str, loss: object) -> Tensor:
    """Return ``loss`` if it is one that can be minimised.

    Raises
    ------
    ContractError
        If it is no tensor without axes.
    """
    if isinstance(loss, Tensor) and not loss.ndim:
        return loss
    came = f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
    raise ContractError("task", name, f"gave a loss {came}, expected a tensor without axes")


def _find_split_fault(task: Task, split: Split) -> str | None:
    inputs, targets = split.inputs, split.targets
    for part, tensor in (("inputs", inputs), ("targets", targets)):
        if fault := find_tensor_fault(part, tensor):
            return fault
    if fault := find_input_fault(inputs, task.time, task.features):
        return fault
    if targets.shape[:1] != inputs.shape[:1]:
        return f"{len(inputs)} inputs and {targets.shape[:1].numel()} targets"
    if fault := task.find_target_fault(targets, _shape_outputs(task, len(inputs))):
        return fault
    return find_number_fault("targets", targets)


def _shape_outputs(task: Task, examples: int) -> tuple[int, ...]:
    steps = (task.time,) if "each" in task.readouts else ()
    return examples, *steps, task.outputs


def as_score(name: str, metric: str, value: object, *, finite: bool = True) -> float:
    """Return the score ``value`` as Python's float: a number, or a tensor or array of no axes.

    Raises
    ------
    ContractError
        If it is neither, if it has to be ``finite`` and is not, or if it is out of the metric's
        bounds. The message names the task ``name``.
    """
    given = value.item() if isinstance(value, Tensor | np.ndarray) and not value.ndim else value
    if not isinstance(given, Real):
        shape = f" of shape {tuple(given.shape)}" if isinstance(given, Tensor | np.ndarray) else ""
        came = f"{type(value).__name__}{shape}" if shape else repr(given)
        raise ContractError("task", name, f"gave the score {came}, expected one real number")
    score, bounds = float(given), find_metric(metric)
    if finite and not math.isfinite(score):
        raise ContractError("task", name, f"gave the score {score}, expected a finite number")
    if math.isfinite(score) and not bounds.low <= score <= bounds.high:
        expected = f"a number from {bounds.low:g} to {bounds.high:g}"
        raise ContractError("task", name, f"gave {metric} {score:g}, expected {expected}")
    return score


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
