"""What can be wrong with a split's tensors: each rule returns a sentence, or None if it holds."""

import torch
from torch import Tensor

from seqbench.metrics import find_metric


def find_tensor_fault(part: str, values: object) -> str | None:
    """Return what is wrong with ``values`` if they are no plain tensor of data."""
    if not isinstance(values, Tensor):
        return f"{part} are {type(values).__name__}, expected a tensor"
    return f"{part} require a gradient, expected data" if values.requires_grad else None


def find_input_fault(inputs: Tensor, time: int, features: int) -> str | None:
    """Return what is wrong with a split's inputs, real or tokens.

    Parameters
    ----------
    inputs
        Real, Float (examples, time, features), or tokens, Int (examples, time).
    time, features
        What the task declares.
    """
    real = inputs.is_floating_point()
    expected = (time, features) if real else (time,)
    shape = tuple(inputs.shape)
    if shape[1:] != expected or len(shape) != len(expected) + 1:
        axes = "(examples, time, features)" if real else "(examples, time) of tokens"
        return f"inputs of {inputs.dtype} have shape {shape}, expected {axes} ending in {expected}"
    if not shape[0]:
        return "it has no examples, expected at least one"
    if not real:
        return find_index_fault("inputs", "tokens", inputs, features)
    if inputs.dtype != torch.get_default_dtype():
        return f"inputs are {inputs.dtype}, expected {torch.get_default_dtype()}"
    return find_number_fault("inputs", inputs)


def find_shape_fault(targets: Tensor, shape: tuple[int, ...]) -> str | None:
    """Return what is wrong with the targets if they have another shape than ``shape``."""
    came = tuple(targets.shape)
    return None if came == shape else f"targets have shape {came}, expected {shape}"


def find_index_fault(
    part: str, kind: str, values: Tensor, classes: int, ignored: int | None = None
) -> str | None:
    """Return what is wrong with values that number classes, such as labels or tokens.

    Parameters
    ----------
    part, kind
        The split's part that they are, and what its values are called.
    values
        Int64 of any shape, each from 0 to ``classes`` − 1 or ``ignored``.
    classes
        How many classes there are.
    ignored
        The value that marks a place without a class.
    """
    if values.dtype != torch.int64:
        return f"{part} are {values.dtype}, expected {kind} of type torch.int64"
    wrong = (values < 0) | (values >= classes)
    expected = f"{kind} from 0 to {classes - 1}"
    if ignored is not None:
        wrong &= values != ignored
        expected += f", or {ignored} for ignored ones"
    return _name_first(part, values, wrong, expected)


def find_number_fault(part: str, values: Tensor) -> str | None:
    """Return what is wrong with floating-point ``values`` if one is NaN or infinite."""
    return _name_first(part, values, ~values.isfinite(), "finite numbers")


def _name_first(part: str, values: Tensor, wrong: Tensor, expected: str) -> str | None:
    if not wrong.any():
        return None
    place = tuple(wrong.nonzero()[0].tolist())
    return f"{part}[{', '.join(map(str, place))}] is {values[place].item()}, expected {expected}"


def find_unit_fault(metric: str, unit: object) -> str | None:
    """Return what is wrong with the unit of a task's metric, or None if it can be written."""
    if (
        not isinstance(unit, str)
        or len(unit) > 20
        or not unit.isprintable()
        or unit.strip() != unit
    ):
        return f"has the metric_unit {unit!r}, expected 20 printable characters at most"
    if unit and find_metric(metric).share:
        return f"has the metric_unit {unit!r}, but {metric} is in per cent"
    return None
