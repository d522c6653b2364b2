"""What a task returns, checked against its contract: data, baseline, loss and score.

Nothing that third-party code returns goes into a run or a row before it has been checked here.
"""

import math
from numbers import Real

import numpy as np
from torch import Tensor

from seqbench.errors import ContractError
from seqbench.metrics import find_metric
from seqbench.tasks.declaration import find_size_fault
from seqbench.tasks.faults import find_input_fault, find_number_fault, find_tensor_fault
from seqbench.tasks.task import Split, Task, TaskData, fingerprint


def check_data(name: str, task: Task, data: object) -> TaskData:
    """Return ``data`` if it is what the task called ``name`` declares.

    Raises
    ------
    ContractError
        If it is not a `TaskData`, a split's inputs or targets are not what the task's model and
        loss take, or the task's declaration is not what rows take.
    """
    if not isinstance(data, TaskData):
        raise ContractError("task", name, f"returned {type(data).__name__}, expected a TaskData")
    if fault := find_size_fault(task):
        raise ContractError("task", name, fault)
    for part, split in (("training", data.train), ("test", data.test)):
        if wrong := _find_split_fault(task, split):
            raise ContractError("task", name, f"returned a wrong {part} split: {wrong}")
    return data


def check_baseline(name: str, task: Task, data: TaskData) -> float:
    """Return the score of the baseline if the task called ``name`` gives one.

    Raises
    ------
    ContractError
        If the answer is not a tensor of the shape of a model's outputs, its score is not a finite
        number, or answering and scoring changed the data.
    """
    before = fingerprint(data)
    answer: object = task.answer_trivially(data)
    if not isinstance(answer, Tensor):
        came = type(answer).__name__
        raise ContractError("task", name, f"has a baseline {came}, expected a tensor")
    expected = _shape_outputs(task, len(data.test))
    if tuple(answer.shape) != expected:
        fault = f"has a baseline of shape {tuple(answer.shape)}, expected {expected}"
        raise ContractError("task", name, fault)
    score = as_score(name, task.metric, task.score(answer, data.test.targets))
    if fingerprint(data) != before:
        raise ContractError("task", name, "modifies its data when it scores: modify a copy")
    return score


def check_loss(name: str, loss: object) -> Tensor:
    """Return ``loss`` if it is one that can be minimised.

    Raises
    ------
    ContractError
        If it is not a tensor without axes.
    """
    if isinstance(loss, Tensor) and not loss.ndim:
        return loss
    came = f"of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
    raise ContractError("task", name, f"returned a loss {came}, expected a tensor without axes")


def _find_split_fault(task: Task, split: object) -> str | None:
    if not isinstance(split, Split):
        return f"it is {type(split).__name__}, expected a Split"
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
    if np.ma.is_masked(value):  # whose item is 0
        given = value
    if isinstance(given, bool) or not isinstance(given, Real):  # such as "all right"
        shape = f" of shape {tuple(given.shape)}" if isinstance(given, Tensor | np.ndarray) else ""
        came = f"{type(value).__name__}{shape}" if shape else repr(given)
        raise ContractError("task", name, f"returned the score {came}, expected one real number")
    try:
        score, bounds = float(given), find_metric(metric)
    except OverflowError:
        fault = "returned a score with too many digits, expected a finite number"
        raise ContractError("task", name, fault) from None
    if finite and not math.isfinite(score):
        raise ContractError("task", name, f"returned the score {score}, expected a finite number")
    if math.isfinite(score) and not bounds.low <= score <= bounds.high:
        expected = f"a number from {bounds.low:g} to {bounds.high:g}"
        raise ContractError("task", name, f"returned {metric} {score:g}, expected {expected}")
    return score
