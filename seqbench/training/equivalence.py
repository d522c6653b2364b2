"""The check before a run is timed: that its optimiser gets what a plain backward pass gives."""

from dataclasses import replace

import torch
from torch import Tensor

from seqbench.errors import DisagreementError
from seqbench.models.model import VARIANTS
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.training.loop import Training
from seqbench.training.threads import FEWEST_EXAMPLES

TOLERANCES = {"float32": 1e-4, "tf32": 2e-2, "bfloat16": 1e-1, "float16": 2e-2}
"""How far outputs and gradients may be off, relative to the norm of what they should be.

Rounding alone takes most of it: a product in bfloat16 keeps 8 bits, and a recurrence feeds every
error into the next step.
"""

_LEAST_SHARE = 1e-3  # of the maximum norm: what is smaller is compared with this, not with itself


def check_equivalence(spec: RunSpec, task: Task, data: TaskData, shares: int) -> None:
    """Compare a run's step with that of the variant's default implementation in float32.

    One side is the step of the training itself: its implementation and precision, its shares, its
    clipping. The other is one backward pass through the whole batch by autograd. Both in training
    mode, for some layers have no backward pass outside it, and without dropout, for two
    implementations drop other numbers. Nothing is compared where both sides are the same.

    Parameters
    ----------
    spec, task, data, shares
        As for `Training`.

    Raises
    ------
    DisagreementError
        If the outputs or a parameter's gradient differ by more than rounding explains.
    UnsupportedError
        If the spec's settings are incompatible here.
    """
    ordinary = VARIANTS[spec.variant].implementations[0]
    tried = replace(spec, cuda_graph=False)
    plain = replace(tried, implementation=ordinary, precision="float32")
    if plain == tried and shares == 1:
        return
    difference, name = find_difference(tried, plain, task, data, shares)
    if not difference <= TOLERANCES[spec.precision]:
        parts = f"{shares} shares of a batch, " if shares > 1 else ""
        raise DisagreementError(
            f"{spec.variant} in {spec.implementation}, {spec.precision}, {parts}differs from "
            f"{ordinary}, float32, the whole batch at once, by {difference:.2g} of the norm in "
            f"{name}; the tolerance is {TOLERANCES[spec.precision]:g}"
        )


def find_difference(
    tried: RunSpec, plain: RunSpec, task: Task, data: TaskData, shares: int
) -> tuple[float, str]:
    """Return by how much a step of ``tried`` differs most from one of ``plain``, and in what.

    The batch has examples enough for every share, and one more, so that shares are not of a size.
    A difference is a share of the norm; a tensor that should be zero throughout and is not counts
    as 1.
    """
    examples = FEWEST_EXAMPLES * shares + 1
    few = TaskData(data.train.first(examples), data.test.first(examples))
    tried, plain = (replace(each, dropout=0.0) for each in (tried, plain))
    if tried.readout == "max":
        # no continuous one: the last bit decides which step a maximum, and its gradient, falls on
        tried, plain = (replace(each, readout="mean") for each in (tried, plain))
    trained, trusted = Training(tried, task, few, shares), Training(plain, task, few)
    trained.model.load_state_dict(trusted.model.state_dict())
    theirs, ours = differentiate_plainly(trusted), read_step(trained)
    least = _LEAST_SHARE * max(map(_norm, theirs.values()))
    differences = {name: _compare(ours[name], value, least) for name, value in theirs.items()}
    worst = max(differences, key=lambda name: differences[name])
    return differences[worst], worst


def read_step(training: Training) -> dict[str, Tensor]:
    """Return outputs and gradients by name, as the optimiser gets them for one batch of all."""
    training.model.train()
    examples = training.data.train
    batch = torch.arange(len(examples), device=examples.targets.device)
    with training.active():
        training.update.collect(training.differentiate(batch)[1])
        with torch.inference_mode():
            outputs = training.infer(training.data.train.inputs)
    return _name_gradients(training, outputs)


def differentiate_plainly(training: Training) -> dict[str, Tensor]:
    """Return the same by a plain backward pass through the whole batch and plain clipping."""
    training.model.train()
    examples = training.data.train
    with training.active():
        outputs = training.model(examples.inputs.clone())
        training.loss(outputs, examples.targets).backward()
    known = [each.grad for each in training.parameters if each.grad is not None]
    limit = training.spec.clip_norm
    norm = torch.sqrt(sum((each.double().square().sum() for each in known), torch.zeros(())))
    if limit is not None and norm > limit:
        for gradient in known:
            gradient.copy_(gradient * (limit / norm))
    return _name_gradients(training, outputs.detach())


def _name_gradients(training: Training, outputs: Tensor) -> dict[str, Tensor]:
    named = {name: each for name, each in training.model.named_parameters() if each.requires_grad}
    gradients = {
        f"the gradient of {name}": torch.zeros_like(each) if each.grad is None else each.grad
        for name, each in named.items()
    }
    return {"outputs": outputs.float(), **gradients}


def _compare(ours: Tensor, theirs: Tensor, least: float) -> float:
    if not theirs.any():
        return float(ours.any())  # Adam makes steps of full length of the least remainder
    difference = _norm(ours - theirs) / max(_norm(theirs), least)
    return difference if difference == difference else float("inf")


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values.double()))
