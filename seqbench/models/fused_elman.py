"""The Elman network with few large operations instead of many small ones, for the CPU.

For what such layers have in common see `fused`. Inside the loop two operations a step are left.
"""

from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqbench.models.fused import FusedEncoder, Outputs, in_order, order_steps, reach, span
from seqbench.models.model import EncoderSizes


class FusedElmanEncoder(FusedEncoder):
    """`FusedEncoder` of ``nn.RNN``, whose option ``nonlinearity`` it takes: tanh or relu."""

    def __init__(self, sizes: EncoderSizes, **options: Any) -> None:
        super().__init__(nn.RNN, sizes, **options)

    def read(
        self, steps: Float[Tensor, "time batch features"], weights: list[Tensor], reverse: bool
    ) -> Outputs:
        relu = self.recurrence.mode == "RNN_RELU"
        outputs: Outputs = _ElmanLayer.apply(  # type: ignore[no-untyped-call]
            steps, *weights, reverse, relu
        )
        return outputs


class _ElmanLayer(torch.autograd.Function):
    """One direction of one layer: h_t = φ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), h_0 = 0.

    φ is tanh or, with ``relu``, max(0, ·).
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
    ) -> Outputs:
        run = _run_relu if relu else _run_tanh
        read = order_steps(len(inputs), reverse)
        states = run(inputs, input_weight, hidden_weight, input_bias + hidden_bias, read)
        ctx.save_for_backward(inputs, input_weight, hidden_weight, states)
        ctx.read = read
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
        steps = reach(ctx.read, from_above, from_first, from_last)
        part = span(steps)
        values, gradients = (in_order(each[part], steps) for each in (states, inside))
        ctx.differentiate(gradients[0], values[0])
        for (after, gradient), value in zip(pairwise(gradients), values[1:], strict=True):
            gradient.addmm_(after, hidden_weight)
            ctx.differentiate(gradient, value)

        reached, known = inside[part], states[part]
        reverse = ctx.read.step < 0
        later, earlier = (reached[:-1], known[1:]) if reverse else (reached[1:], known[:-1])
        flat = reached.flatten(0, 1)
        of_inputs = None
        if ctx.needs_input_grad[0]:
            of_inputs = torch.zeros_like(inputs)
            torch.mm(flat, input_weight, out=of_inputs[part].flatten(0, 1))
        bias_gradient = flat.sum(0)
        return (
            of_inputs,
            (inputs[part].flatten(0, 1).t() @ flat).t(),  # the faster way round if features are few
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
    read: range,
) -> Float[Tensor, "time batch hidden"]:
    # torch's σ takes a quarter of the time of its tanh, and tanh(a) = 2 σ(2a) − 1. With s_t for
    # σ(2a_t) the recurrence is 2 a_t = 2 (W_ih x_t + b) − 2 W_hh 1 + 4 W_hh s_{t-1}.
    ones = 2 * hidden_weight.sum(1)
    flat = torch.addmm(2 * bias - ones, inputs.flatten(0, 1), 2 * input_weight.t())
    states = flat.view(*inputs.shape[:2], -1)
    fourfold = 4 * hidden_weight.t().contiguous()
    order = in_order(states, read)
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
    read: range,
) -> Float[Tensor, "time batch hidden"]:
    flat = torch.addmm(bias, inputs.flatten(0, 1), input_weight.t())
    states = flat.view(*inputs.shape[:2], -1)
    from_state = hidden_weight.t().contiguous()
    order = in_order(states, read)
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
