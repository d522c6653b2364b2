"""The check before an implementation is timed: that it gives what the ordinary one gives."""

from dataclasses import replace

import torch
from torch import Tensor

from seqbench.errors import DisagreementError
from seqbench.harness.training import Training
from seqbench.models.model import VARIANTS
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData

EXAMPLES = 16

TOLERANCES = {"float32": 1e-4, "tf32": 2e-2, "bfloat16": 1e-1, "float16": 2e-2}
"""How far outputs and gradients may be off, as a share of the norm of what they should be.

Rounding alone takes most of it: a product in bfloat16 keeps 8 bits, and a recurrence feeds every
error into the next step.
"""

_LEAST_SHARE = 1e-3  # of the greatest norm: what is smaller is compared with this, not with itself


def check_agreement(spec: RunSpec, task: Task, data: TaskData) -> None:
    """Compare a spec's implementation and precision with the variant's ordinary one in float32.

    Equal weights and a few training examples go through both; nothing is compared if the spec asks
    for the ordinary one itself.

    Parameters
    ----------
    spec, task, data
        As for `Training`.

    Raises
    ------
    DisagreementError
        If the outputs or a parameter's gradient differ by more than rounding explains.
    UnsupportedError
        If the spec's settings do not go together here.
    """
    offered = VARIANTS[spec.variant].implementations
    plain = replace(spec, implementation=offered[0], precision="float32", cuda_graph=False)
    few = TaskData(data.train.first(EXAMPLES), data.test.first(EXAMPLES))
    if spec.readout == "max":
        # no continuous one: the last bit decides which step a maximum, and its gradient, falls on
        spec, plain = (replace(each, readout="mean") for each in (spec, plain))
    tried = Training(replace(spec, cuda_graph=False), task, few)
    if plain == replace(spec, cuda_graph=False):
        return
    trusted = Training(plain, task, few)
    tried.model.load_state_dict(trusted.model.state_dict())
    ours, theirs = (_outputs_and_gradients(each) for each in (tried, trusted))
    least = _LEAST_SHARE * max(map(_norm, theirs.values()))
    for name, value in theirs.items():
        difference = _norm(ours[name] - value) / max(_norm(value), least)
        if not difference <= TOLERANCES[spec.precision]:
            raise DisagreementError(
                f"{spec.variant} in {spec.implementation}, {spec.precision}, differs from "
                f"{plain.implementation}, float32, by {difference:.2g} of the norm in {name}; "
                f"{TOLERANCES[spec.precision]:g} is allowed"
            )


def _outputs_and_gradients(training: Training) -> dict[str, Tensor]:
    """Return outputs and the loss's gradients by name, for one batch of all that it is fed with."""
    training.model.eval()  # without dropout: two implementations drop other numbers
    batch = torch.arange(len(training.data.train), device=training.spec.device)
    with training.active():
        _, shares = training.differentiate(batch)
        with torch.inference_mode():
            found = {"outputs": training.infer(training.data.train.inputs)}
    names = [name for name, each in training.model.named_parameters() if each.requires_grad]
    for name, *parts in zip(names, *shares, strict=True):
        known = [part for part in parts if part is not None]
        found[f"the gradient of {name}"] = torch.stack(known).sum(0) if known else torch.zeros(1)
    return found


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values.double()))
