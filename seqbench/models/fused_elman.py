"""The Elman network with few large operations instead of many small ones, for the CPU.

torch.nn's own forward pass allocates a tensor for each step and its backward pass forms a product
of weight gradients for each; here a layer is one autograd function. The input's product with its
weights, the gradients of all weights and of the input are single products over all steps, and
inside the loop two operations a step work in place.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqbench.models.model import EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.models.readout import Encoding


class FusedElmanEncoder(NativeEncoder):
    """`NativeEncoder` of ``nn.RNN`` in another implementation: equal weights, equal outputs.

    Weights, their names and their initial values are those of ``nn.RNN``; outputs and gradients
    equal its own to rounding.
    """

    def __init__(self, sizes: EncoderSizes, *, bidirectional: bool = False) -> None:
        super().__init__(nn.RNN, sizes, bidirectional=bidirectional)

    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        steps = inputs.transpose(0, 1).contiguous()
        for layer, weights in enumerate(self._weights()):
            if layer > 0:
                steps = nn.functional.dropout(steps, self.recurrence.dropout, self.training)
            outputs = [
                _ElmanLayer.apply(steps, *direction, reverse == 1)  # type: ignore[no-untyped-call]
                for reverse, direction in enumerate(weights)
            ]
            steps = torch.cat(outputs, dim=2) if len(outputs) > 1 else outputs[0]
        final = [out[0 if reverse else -1] for reverse, out in enumerate(outputs)]
        return Encoding(steps.transpose(0, 1), torch.stack(final))

    def _weights(self) -> Sequence[Sequence[Sequence[Tensor]]]:
        """Return, for each layer and direction: input and hidden weights, input and hidden bias."""
        each = self.recurrence.all_weights
        return [each[i : i + self.directions] for i in range(0, len(each), self.directions)]


class _ElmanLayer(torch.autograd.Function):
    """One direction of one layer: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), h_0 = 0."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Float[Tensor, "time batch features"],
        input_weight: Float[Tensor, "hidden features"],
        hidden_weight: Float[Tensor, "hidden hidden"],
        input_bias: Float[Tensor, " hidden"],
        hidden_bias: Float[Tensor, " hidden"],
        reverse: bool,
    ) -> Float[Tensor, "time batch hidden"]:
        time, batch, _ = inputs.shape
        flat = torch.addmm(input_bias + hidden_bias, inputs.flatten(0, 1), input_weight.t())
        states = flat.view(time, batch, -1)
        order = states.unbind()[::-1] if reverse else states.unbind()
        transposed = hidden_weight.t().contiguous()
        order[0].tanh_()
        for before, state in pairwise(order):
            state.addmm_(before, transposed).tanh_()
        ctx.save_for_backward(inputs, input_weight, hidden_weight, states)
        ctx.reverse = reverse
        return states

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, from_above: Float[Tensor, "time batch hidden"]
    ) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor, None]:
        inputs, input_weight, hidden_weight, states = ctx.saved_tensors
        # becomes, step by step from the last one, ∂loss / ∂(what is inside the tanh)
        inside = torch.empty_like(states)
        latest_first = 1 if ctx.reverse else -1
        above, values, gradients = (
            each.unbind()[::latest_first] for each in (from_above, states, inside)
        )
        tanh_backward = torch.ops.aten.tanh_backward.grad_input
        tanh_backward(above[0], values[0], grad_input=gradients[0])
        for (after, gradient), value, directly in zip(
            pairwise(gradients), values[1:], above[1:], strict=True
        ):
            torch.addmm(directly, after, hidden_weight, out=gradient)
            tanh_backward(gradient, value, grad_input=gradient)

        flat = inside.flatten(0, 1)
        later, earlier = (inside[:-1], states[1:]) if ctx.reverse else (inside[1:], states[:-1])
        bias_gradient = flat.sum(0)
        return (
            (flat @ input_weight).view_as(inputs) if ctx.needs_input_grad[0] else None,
            flat.t() @ inputs.flatten(0, 1),
            later.flatten(0, 1).t() @ earlier.flatten(0, 1),
            bias_gradient,
            bias_gradient,
            None,
        )
