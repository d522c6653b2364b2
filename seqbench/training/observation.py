"""Observed properties of a run: how its batches may be shared, whether it is reproducible.

No behaviour of a variant or task is assumed. Everything here happens on a few examples, copied,
with trainings that are discarded, before any clock runs; it warms up the kernels too.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from seqbench.errors import ContractError, UnsupportedError
from seqbench.models.sequence_model import encode_checked
from seqbench.spec import RunSpec
from seqbench.tasks.task import Split, Task, TaskData
from seqbench.training.equivalence import TOLERANCES, find_difference
from seqbench.training.loop import Training
from seqbench.training.precision import DTYPES, autocast
from seqbench.training.random_streams import read_streams, same_streams, set_streams
from seqbench.training.threads import count_shares

FULL_BATCHES = 2
"""Batches that are trained on before the last, smaller one."""
EPOCHS_WITH_STATE = 8
"""How often that is done where a model keeps internal state, which may show only later."""


@dataclass(frozen=True)
class Observation:
    """What was seen of a run before it began.

    Parameters
    ----------
    shares
        How many threads may share a batch.
    one_share_reason
        Why it is one where there are more threads; None if it is not.
    nondeterminism
        Why an equal run would not give equal numbers; None if nothing speaks against it.
    keeps_state
        Whether outputs depend on more than inputs, ``state_dict`` and random streams, so that a
        resumed training may differ from an uninterrupted one.
    """

    shares: int
    one_share_reason: str | None = None
    nondeterminism: str | None = None
    keeps_state: bool = False


def observe(spec: RunSpec, task: Task, data: TaskData) -> Observation:
    """Test a run on a few of its examples.

    Raises
    ------
    ContractError
        If the variant's encoder gives wrong shapes, or modifies its inputs.
    UnsupportedError
        If the spec's settings are incompatible here.
    """
    few = take_few(spec, data)
    shares, reason, keeps_state = choose_shares(spec, task, few)
    epochs = EPOCHS_WITH_STATE if keeps_state else 1
    first, second = (_rehearse(spec, task, few, shares, epochs) for _ in range(2))
    parted = next((name for name in first if not _equal(first[name], second[name])), None)
    fault = f"two equal trainings of {epochs * _count(few, spec)} steps differ in {parted}"
    return Observation(shares, reason, fault if parted else None, keeps_state)


def choose_shares(spec: RunSpec, task: Task, few: TaskData) -> tuple[int, str | None, bool]:
    """Return how many threads may share a batch, why not more, and whether state is kept.

    Several share it only if a forward pass draws nothing, changes nothing and depends on nothing
    but weights and inputs, and if the gradients of the shares add up to those of the whole batch.
    """
    most = count_shares(spec.threads, spec.batch_size) if spec.device == "cpu" else 1
    probe = Training(spec, task, few)
    reason, keeps_state = _find_side_effect(probe, most)
    if most == 1:
        return 1, None, keeps_state
    if not probe.model.encoder.reentrant:
        reason = f"the implementation {spec.implementation} supports only one thread at a time"
    if reason is None:
        plain = replace(spec, precision="float32", cuda_graph=False)
        parted, _ = find_difference(plain, plain, task, few, most)
        if not parted <= TOLERANCES["float32"]:
            reason = f"gradients of shares do not add up to the batch's: {parted:.2g} of the norm"
    return (1, reason, keeps_state) if reason else (most, None, keeps_state)


def take_few(spec: RunSpec, data: TaskData) -> TaskData:
    """Return copies of the examples of some batches: full ones, and one as small as the last."""
    rest = len(data.train) % spec.batch_size
    train = data.train.first(FULL_BATCHES * spec.batch_size + rest)
    test = data.test.first(2 * spec.batch_size + 1)
    return TaskData(_copy(train), _copy(test))


def _copy(split: Split) -> Split:
    return Split(split.inputs.clone(), split.targets.clone())


def _count(few: TaskData, spec: RunSpec) -> int:
    return -(-len(few.train) // spec.batch_size)


def _rehearse(spec: RunSpec, task: Task, few: TaskData, shares: int, epochs: int) -> dict[str, Any]:
    """Train on a few batches, with an evaluation after each; return all results."""
    own = TaskData(_copy(few.train), _copy(few.test))
    training = Training(spec, task, own, shares)
    found: dict[str, Any] = {}

    def evaluate(batches: int, seconds: float) -> None:
        evaluation = training.evaluate(own.test)
        done = epoch * _count(few, spec) + batches
        found[f"the evaluation after step {done}"] = [evaluation.loss, evaluation.score]

    for epoch in range(epochs):
        found[f"the loss of epoch {epoch + 1}"] = training.train_epoch(1, evaluate)[0]
        evaluate(_count(few, spec), 0.0)
    for kind, state in training.state_dict().items():
        found[f"the state of the {kind}"] = state
    for name in ("train", "test"):
        given, left = getattr(few, name), getattr(own, name)
        if not _equal([given.inputs, given.targets], [left.inputs, left.targets]):
            fault = f"modifies the {name} examples of {spec.task}: modify a copy"
            raise ContractError("variant", spec.variant, fault)
    return found


def _find_side_effect(training: Training, most: int) -> tuple[str | None, bool]:
    """Describe what keeps a model from being shared, and whether it keeps internal state.

    It is tried in batches of every size that the run has, those of its shares too.
    """
    spec, inputs = training.spec, training.data.train.inputs
    rest = len(inputs) % spec.batch_size
    sizes = {spec.batch_size, rest, -(-spec.batch_size // most), -(-rest // most)}
    reasons: list[str] = []
    keeps_state = False
    for training_mode in (True, False):
        training.model.train(training_mode)
        with training.active():
            for size in sorted({min(size, len(inputs)) for size in sizes if size}):
                reason, kept = _try_forward(training, inputs[:size].clone())
                reasons += [reason] if reason else []
                keeps_state |= kept
    return (reasons[0] if reasons else None), keeps_state


def _try_forward(training: Training, inputs: Tensor) -> tuple[str | None, bool]:
    """Do a forward pass twice from one state; describe side effects, and if it kept state."""
    model, streams = training.model, read_streams()
    before, saved = _read_state(model), copy.deepcopy(model.state_dict())
    first = _encode(training, inputs)
    drawn, after = not same_streams(streams, read_streams()), _read_state(model)
    changed = next((name for name in after if not _equal(before.get(name), after[name])), None)
    model.load_state_dict(saved)
    set_streams(streams)
    kept = not _equal(first, _encode(training, inputs))
    if drawn:
        return "it draws random numbers", kept
    if changed:
        return f"a forward pass changes {changed}", kept
    return ("outputs differ when a forward pass is repeated" if kept else None), kept


def _encode(training: Training, inputs: Tensor) -> Tensor:
    """Return the outputs, the encoder's shapes and type made sure of."""
    spec, model = training.spec, training.model
    given = model.as_real(inputs).clone()
    kept = given.clone()
    with torch.inference_mode(not model.training):
        try:
            with autocast(spec.precision, spec.device, shared=False):
                encoding = encode_checked(spec, model.encoder, given)
                outputs: Tensor = model.head(model.readout(encoding))
        except RuntimeError as error:
            if spec.precision == "float32":
                raise
            encode_checked(spec, model.encoder, kept.clone())  # or it has another reason
            raise UnsupportedError(_describe_precision(spec, str(error))) from error
    if not _equal(given, kept):
        fault = "modifies its inputs, which other runs share: modify a copy"
        raise ContractError("variant", spec.variant, fault)
    if spec.precision != "float32" and encoding.steps.dtype != DTYPES[spec.precision]:
        raise UnsupportedError(_describe_precision(spec, f"its output is {encoding.steps.dtype}"))
    return outputs.detach()


def _describe_precision(spec: RunSpec, fault: str) -> str:
    name = f"{spec.variant} ({spec.implementation})"
    return f"{name} does not support {spec.precision}: {fault.splitlines()[0]}"


def _read_state(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of all tensors that a model holds: weights, buffers, and other attributes."""
    return {name: tensor.detach().clone() for name, tensor in _list_tensors(model)}


def _list_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                yield f"{path}.{name}", value


def _equal(one: Any, other: Any) -> bool:
    """Return whether two trees of tensors and numbers are bitwise equal, NaN included."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        return bool(torch.equal(one.nan_to_num(0), other.nan_to_num(0))) and bool(
            torch.equal(one.isnan(), other.isnan())
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other or (one != one and other != other))
