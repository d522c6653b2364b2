"""The Elman network with few large operations instead of many small ones, for the CPU.

For what such layers have in common see `fused`. Inside the loop two operations a step are left.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seqbench.models.fused import (
    FusedEncoder,
    FusedLayer,
    Scripted,
    block_of,
    find_earlier,
    in_order,
    reach,
)
from seqbench.models.model import EncoderSizes


class FusedElmanEncoder(FusedEncoder):
    """`FusedEncoder` of ``nn.RNN``, whose option ``nonlinearity`` it takes: tanh or relu."""

    def __init__(self, sizes: EncoderSizes, **options: Any) -> None:
        super().__init__(nn.RNN, sizes, **options)

    @property
    def layer(self) -> FusedLayer:
        return LAYERS[self.recurrence.mode]


@Scripted
def _run(
    inputs: Tensor, weights: list[Tensor], reverse: bool, block: int, relu: bool
) -> tuple[Tensor, list[Tensor]]:
    """Return the states h_t = φ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), and nothing besides.

    φ is tanh or, with ``relu``, max(0, ·).
    """
    input_weight, hidden_weight, input_bias, hidden_bias = weights
    time, batch, hidden = inputs.size(0), inputs.size(1), hidden_weight.size(0)
    states = inputs.new_empty(time, batch, hidden)
    bias = input_bias + hidden_bias
    # torch's σ may take a quarter of the time of its tanh, and tanh(a) = 2 σ(2a) − 1. With s_t for
    # σ(2a_t) the recurrence is 2 a_t = 2 (W_ih x_t + b) − 2 W_hh 1 + 4 W_hh s_{t-1}.
    ones, minus = torch.ones_like(bias), bias.new_full([], -1.0)
    if not relu:
        bias = torch.addmv(bias, hidden_weight, ones, beta=2, alpha=-2)
        input_weight, hidden_weight = 2 * input_weight, 4 * hidden_weight
    from_input, from_state = input_weight.t(), hidden_weight.t().contiguous()
    before = torch.zeros_like(states[0]) if relu else torch.full_like(states[0], 0.5)
    for done in range(0, time, block):
        low, high = block_of(done, block, time, reverse)
        part = states[low:high]
        flat = part.flatten(0, 1)
        torch.mm(inputs[low:high].flatten(0, 1), from_input, out=flat)
        flat.add_(bias)
        for state in in_order(part, reverse):
            state.addmm_(before, from_state)
            before = state.relu_() if relu else state.sigmoid_()
        if not relu:
            before = before.clone()
            torch.add(minus, flat, alpha=2, out=flat)
    kept: list[Tensor] = []
    return states, kept


@Scripted
def _differentiate(
    inputs: Tensor,
    weights: list[Tensor],
    states: Tensor,
    kept: list[Tensor],
    from_above: Tensor | None,
    from_first: Tensor | None,
    from_last: Tensor | None,
    reverse: bool,
    wants_inputs: bool,
    block: int,
    relu: bool,
) -> tuple[Tensor | None, list[Tensor]]:
    """Return the gradient of the inputs, if requested, and those of the weights."""
    input_weight, hidden_weight = weights[0], weights[1]
    time = states.size(0)
    start, stop = reach(time, reverse, from_above, from_first, from_last)
    sum_input = torch.zeros_like(input_weight.t()).contiguous()
    sum_hidden, sum_bias = torch.zeros_like(hidden_weight), torch.zeros_like(hidden_weight[0])
    of_inputs: Tensor | None = None
    if wants_inputs:
        whole = stop - start == time
        of_inputs = torch.empty_like(inputs) if whole else torch.zeros_like(inputs)
    # ∂loss / ∂(what is inside the φ), and that of the step that was read after the block
    scratch = states.new_empty(min(block, stop - start), states.size(1), states.size(2))
    after = torch.zeros_like(states[0])
    for done in range(0, stop - start, block):
        low, high = block_of(done, block, stop - start, not reverse)
        low, high = low + start, high + start
        inside, known, read = scratch[: high - low], states[low:high], inputs[low:high]
        if from_above is None:
            inside.zero_()
        else:
            inside.copy_(from_above[low:high])
        if from_first is not None and low == 0:
            inside[0] += from_first
        if from_last is not None and high == time:
            inside[-1] += from_last
        gradients, values = in_order(inside, not reverse), in_order(known, not reverse)
        for gradient, value in zip(gradients, values):  # noqa: B905, unknown to TorchScript
            gradient.addmm_(after, hidden_weight)
            after = gradient
            if relu:
                torch.ops.aten.threshold_backward(gradient, value, 0, grad_input=gradient)
            else:
                torch.ops.aten.tanh_backward(gradient, value, grad_input=gradient)
        after = after.clone()
        flat = inside.flatten(0, 1)
        sum_bias += flat.sum(0)
        # the faster way round if features are few
        sum_input.addmm_(read.flatten(0, 1).t(), flat)
        first, end, shift = find_earlier(low, high, time, reverse)
        later, earlier = inside[first - low : end - low], states[first + shift : end + shift]
        sum_hidden.addmm_(later.flatten(0, 1).t(), earlier.flatten(0, 1))
        if of_inputs is not None:
            torch.mm(flat, input_weight, out=of_inputs[low:high].flatten(0, 1))
    return of_inputs, [sum_input.t(), sum_hidden, sum_bias, sum_bias]


LAYERS = {
    mode: FusedLayer(partial(_run, relu=relu), partial(_differentiate, relu=relu))
    for mode, relu in (("RNN_TANH", False), ("RNN_RELU", True))
}
"""By torch.nn's name for the nonlinearity."""
