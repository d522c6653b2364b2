"""The Elman network with few large operations instead of many small ones, for the CPU.

torch.nn's own forward pass allocates a tensor for each step and its backward pass forms a product
of weight gradients for each; here a layer is one autograd function. The input's product with its
weights, the gradients of all weights and of the input are single products over all steps, and
inside the loop two operations a step work in place.
"""

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
    equal its own to rounding. ``nonlinearity`` is its option too, tanh if it is not given.
    """

    def __init__(self, sizes: EncoderSizes, **options: Any) -> None:
        super().__init__(nn.RNN, sizes, **options)

    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        relu = self.recurrence.mode == "RNN_RELU"
        steps = inputs.transpose(0, 1).contiguous()
        for layer, weights in enumerate(self.weights()):
            if layer > 0:
                steps = nn.functional.dropout(steps, self.recurrence.dropout, self.training)
            outputs = [
                _ElmanLayer.apply(  # type: ignore[no-untyped-call]
                    steps, *direction, reverse == 1, relu
                )
                for reverse, direction in enumerate(weights)
            ]
            every, first, last = zip(*outputs, strict=True)
            steps = torch.cat(every, dim=2) if len(every) > 1 else every[0]
        final = torch.stack([last[0], first[1]] if len(every) > 1 else last)
        return Encoding(steps.transpose(0, 1), final, torch.cat(last, dim=1))


class _ElmanLayer(torch.autograd.Function):
    """One direction of one layer: h_t = φ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), h_0 = 0.

    φ is tanh or, with ``relu``, max(0, ·). Gives the states at every time step, and once more those
    at the first and at the last time step: a loss that needs no others has no gradient for the
    others, and what need not be computed for them is not.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Float[Tensor, "time batch features"],
        input_weight: Float[Tensor, "hidden features"],
        hidden_weight: Float[Tensor, "hidden hidden"],
        input_bias: Float[Tensor, " hidden"],
        hidden_bias: Float[Tensor, " hidden"],
        reverse: bool,
        relu: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        run = _run_relu if relu else _run_tanh
        states = run(inputs, input_weight, hidden_weight, input_bias + hidden_bias, reverse)
        ctx.save_for_backward(inputs, input_weight, hidden_weight, states)
        ctx.reverse = reverse
        ctx.differentiate = _relu_backward if relu else _tanh_backward
        ctx.set_materialize_grads(False)
        return states, states[0].clone(), states[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        from_above: Float[Tensor, "time batch hidden"] | None,
        from_first: Float[Tensor, "batch hidden"] | None,
        from_last: Float[Tensor, "batch hidden"] | None,
    ) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor, None, None]:
        inputs, input_weight, hidden_weight, states = ctx.saved_tensors
        # becomes, step by step from the last one, ∂loss / ∂(what is inside the φ)
        if from_above is None:
            inside = torch.zeros_like(states)
        else:
            inside = from_above.clone(memory_format=torch.contiguous_format)
        for place, direct in ((0, from_first), (-1, from_last)):
            if direct is not None:
                inside[place] += direct
        values, gradients = (_in_order(each, not ctx.reverse) for each in (states, inside))
        ctx.differentiate(gradients[0], values[0])
        for (after, gradient), value in zip(pairwise(gradients), values[1:], strict=True):
            gradient.addmm_(after, hidden_weight)
            ctx.differentiate(gradient, value)

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
            None,
        )


def _run_tanh(
    inputs: Float[Tensor, "time batch features"],
    input_weight: Float[Tensor, "hidden features"],
    hidden_weight: Float[Tensor, "hidden hidden"],
    bias: Float[Tensor, " hidden"],
    reverse: bool,
) -> Float[Tensor, "time batch hidden"]:
    # torch's σ takes a quarter of the time of its tanh, and tanh(a) = 2 σ(2a) − 1. With s_t for
    # σ(2a_t) the recurrence is 2 a_t = 2 (W_ih x_t + b) − 2 W_hh 1 + 4 W_hh s_{t-1}.
    ones = 2 * hidden_weight.sum(1)
    flat = torch.addmm(2 * bias - ones, inputs.flatten(0, 1), 2 * input_weight.t())
    states = flat.view(*inputs.shape[:2], -1)
    fourfold = 4 * hidden_weight.t().contiguous()
    order = _in_order(states, reverse)
    order[0].add_(ones).sigmoid_()
    for before, state in pairwise(order):
        state.addmm_(before, fourfold).sigmoid_()
    flat.mul_(2).sub_(1)
    return states


def _run_relu(
    inputs: Float[Tensor, "time batch features"],
    input_weight: Float[Tensor, "hidden features"],
    hidden_weight: Float[Tensor, "hidden hidden"],
    bias: Float[Tensor, " hidden"],
    reverse: bool,
) -> Float[Tensor, "time batch hidden"]:
    flat = torch.addmm(bias, inputs.flatten(0, 1), input_weight.t())
    states = flat.view(*inputs.shape[:2], -1)
    from_state = hidden_weight.t().contiguous()
    order = _in_order(states, reverse)
    order[0].relu_()
    for before, state in pairwise(order):
        state.addmm_(before, from_state).relu_()
    return states


def _tanh_backward(gradient: Float[Tensor, "batch hidden"], value: Tensor) -> None:
    """Make of ∂loss/∂tanh(a) in place ∂loss/∂a, given tanh(a)."""
    torch.ops.aten.tanh_backward.grad_input(gradient, value, grad_input=gradient)


def _relu_backward(gradient: Float[Tensor, "batch hidden"], value: Tensor) -> None:
    """Make of ∂loss/∂relu(a) in place ∂loss/∂a, given relu(a)."""
    torch.ops.aten.threshold_backward.grad_input(gradient, value, 0, grad_input=gradient)


def _in_order(steps: Float[Tensor, "time batch hidden"], reverse: bool) -> tuple[Tensor, ...]:
    return steps.unbind()[::-1] if reverse else steps.unbind()
