"""What the fused recurrences have in common: layers by layers of one autograd function each.

torch.nn's own forward pass allocates tensors at each step and its backward pass forms a product of
weight gradients for each. A fused layer does together what need not wait for the step before: the
input's product with its weights, the gradients of all weights and of the input. What is left inside
the loop works in place.
"""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqbench.errors import UnsupportedError
from seqbench.models.native import NativeEncoder
from seqbench.models.readout import Encoding

Outputs = tuple[Tensor, Tensor, Tensor]
"""States (time, batch, hidden), and once more those at the first and at the last time step.

A loss that needs only one of the ends has no gradient for the others then, and what need not be
computed for them is not.
"""


class FusedEncoder(NativeEncoder):
    """`NativeEncoder` in another implementation: equal weights, names and initial values.

    Outputs and gradients equal torch.nn's own to rounding.

    Raises
    ------
    UnsupportedError
        Under autocast: what works in place has the type of the weights.
    """

    @abstractmethod
    def read(
        self, steps: Float[Tensor, "time batch features"], weights: list[Tensor], reverse: bool
    ) -> Outputs:
        """Read a sequence with one direction of one layer, from the end if ``reverse``."""

    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        if torch.is_autocast_enabled(inputs.device.type):
            raise UnsupportedError("the fused implementation computes in float32 only")
        steps = inputs.transpose(0, 1).contiguous()
        for layer, weights in enumerate(self.weights()):
            if layer > 0:
                steps = nn.functional.dropout(steps, self.recurrence.dropout, self.training)
            outputs = [
                self.read(steps, list(each), reverse == 1) for reverse, each in enumerate(weights)
            ]
            every, first, last = zip(*outputs, strict=True)
            steps = torch.cat(every, dim=2) if len(every) > 1 else every[0]
        final = torch.stack([last[0], first[1]] if len(every) > 1 else last)
        return Encoding(steps.transpose(0, 1), final, torch.cat(last, dim=1))


def order_steps(time: int, reverse: bool) -> range:
    """Return the numbers of the time steps in the order in which they are read."""
    return range(time)[::-1] if reverse else range(time)


def span(steps: range) -> slice:
    """Return the slice of consecutive ``steps``, which may run backwards."""
    return slice(min(steps), max(steps) + 1)


def in_order(values: Tensor, steps: range) -> tuple[Tensor, ...]:
    """Return ``values`` of consecutive steps, first to last in time, in the order of ``steps``."""
    return values.unbind()[:: steps.step]


def reach(
    read: range, from_above: Tensor | None, from_first: Tensor | None, from_last: Tensor | None
) -> range:
    """Return the steps that a gradient reaches, in the order of a backward pass.

    ``read`` is the order of reading; the gradients are those of `Outputs`, None where the loss
    does not depend on an output. Of a backward direction that is read out at the last time step
    that is one step: the one that was read first.
    """
    at_end = from_last if read[-1] > 0 else from_first
    return read[:1] if from_above is None and at_end is None else read[::-1]
