"""The gated recurrent unit with few large operations instead of many small ones, for the CPU.

In addition to `fused`, two turns leave four operations to a step forwards
next to its product, and two backwards.

torch's σ takes a fifth of the time of its tanh, and tanh(a) = 2 σ(2a) − 1. So the candidate is kept
as s_t = (n_t + 1) / 2 and the state as u_t = (h_t + 1) / 2. The cell's last equation stays as it
is, u_t = (1 − z_t) ⊙ s_t + z_t ⊙ u_{t-1}; what the others need is folded into weights and biases.

The gradient of what each gate adds up is ∂loss/∂h_t times a factor that the forward pass has
settled. Factors are made for a block of steps at once, few enough to stay in the cache.
"""

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


class FusedGruEncoder(FusedEncoder):
    """`FusedEncoder` of ``nn.GRU``."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__(nn.GRU, sizes)

    @property
    def layer(self) -> FusedLayer:
        return LAYER


def _scale(like: Tensor) -> Tensor:
    """Return what the blocks r, z, n are multiplied by, (3, 1, 1)."""
    scale = like.new_ones(3, 1, 1)
    scale[2].fill_(2)
    return scale


def _fold(weights: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return weights that fit u and s: in blocks by gate, the candidate's doubled.

    (3, hidden, features) for the input, (3, hidden, hidden) for the state, (3, 1, hidden) to add
    to what the input gives, (hidden) to add to the candidate's part from the state. Blocks that
    meet the input are r, z, n, those that meet the state n, r, z. So of four blocks n from the
    state, r, z, n from the input each takes three that lie side by side.
    """
    input_weight, hidden_weight, input_bias, hidden_bias = weights
    hidden = hidden_weight.size(1)
    scale = _scale(hidden_weight)
    of_input = input_weight.view(3, hidden, -1) * scale
    of_hidden = hidden_weight.view(3, hidden, hidden) * scale
    from_input = input_bias.view(3, 1, hidden) * scale
    # W h = 2 W u − W 1
    from_hidden = hidden_bias.view(3, 1, hidden) * scale - of_hidden.sum(2).unsqueeze(1)
    from_input[:2] += from_hidden[:2]
    return of_input, (2 * of_hidden).roll(1, 0), from_input, from_hidden[2, 0]


@Scripted
def _run(
    inputs: Tensor, weights: list[Tensor], reverse: bool, block: int
) -> tuple[Tensor, list[Tensor]]:
    """Return the states, and for the backward pass gates, states before, and folded weights.

    Gates are (4, time, batch, hidden): n from the state, r, z, s; the states before each step
    (time, batch, hidden), as u; weights those of input and state.
    """
    of_input, of_hidden, input_bias, state_bias = _fold(weights)
    time, batch, hidden = inputs.size(0), inputs.size(1), of_hidden.size(1)
    gates = inputs.new_empty(4, time, batch, hidden)
    # u, with the one before the first step at the end where reading begins
    halves = inputs.new_empty(time + 1, batch, hidden)
    halves[time if reverse else 0].fill_(0.5)
    first, second = halves[:-1], halves[1:]
    before, after = (second, first) if reverse else (first, second)
    from_state = of_hidden.transpose(1, 2)
    for start in range(0, time, block):
        low, high = block_of(start, block, time, reverse)
        flat = inputs[low:high].flatten(0, 1)
        for gate in range(3):
            into = gates[gate + 1, low:high].flatten(0, 1)
            torch.addmm(input_bias[gate], flat, of_input[gate].t(), out=into)
        gates[0, low:high] = state_bias
        by_step = gates[:, low:high].transpose(0, 1)
        several, r_and_z = in_order(by_step[:, :3], reverse), in_order(by_step[:, 1:3], reverse)
        each = in_order(by_step, reverse)
        u, u_next = in_order(before[low:high], reverse), in_order(after[low:high], reverse)
        for step in range(high - low):
            several[step].baddbmm_(u[step].expand(3, batch, hidden), from_state)
            r_and_z[step].sigmoid_()
            n, r, z, s = each[step].unbind(0)
            s.addcmul_(n, r).sigmoid_()
            torch.lerp(s, u[step], z, out=u_next[step])
    states = (2 * after).sub_(1)
    return states, [gates, before, of_input, of_hidden]


def _find_factors(gates: Tensor, before: Tensor, factors: Tensor) -> None:
    """Fill ``factors``: the gradients of what the gates add up are ∂loss/∂u_t times these."""
    from_state, r, z, s = gates.unbind(0)
    of_state, of_r, of_z, of_s = factors.unbind(0)
    torch.sub(z.new_ones([]), z, out=of_s)
    torch.ops.aten.sigmoid_backward(of_s, s, grad_input=of_s)
    torch.mul(of_s, r, out=of_state)
    torch.mul(of_s, from_state, out=of_r)
    torch.ops.aten.sigmoid_backward(of_r, r, grad_input=of_r)
    torch.sub(before, s, out=of_z)
    torch.ops.aten.sigmoid_backward(of_z, z, grad_input=of_z)


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
) -> tuple[Tensor | None, list[Tensor]]:
    """Return the gradient of the inputs, if requested, and those of the weights.

    Inside, gradients are half of those of the gates.
    """
    gates, before, of_input, of_hidden = kept
    time, hidden = gates.size(1), gates.size(3)
    start, stop = reach(time, reverse, from_above, from_first, from_last)
    sum_input = torch.zeros_like(of_input.transpose(1, 2)).contiguous()
    sum_hidden = torch.zeros_like(of_hidden)
    sum_bias = of_hidden.new_zeros(4, hidden)
    of_inputs: Tensor | None = torch.zeros_like(inputs) if wants_inputs else None
    feels = torch.zeros_like(before[0])  # ∂loss/∂h_t
    factors = gates.new_empty(4, min(block, stop - start), before.size(1), hidden)
    for done in range(0, stop - start, block):
        low, high = block_of(done, block, stop - start, not reverse)
        low, high = low + start, high + start
        inside = factors[:, : high - low]
        _find_factors(gates[:, low:high], before[low:high], inside)
        by_step = inside.transpose(0, 1)
        gradients, of_state = in_order(by_step, not reverse), in_order(by_step[:, :3], not reverse)
        z = in_order(gates[2, low:high], not reverse)
        for place in range(high - low):
            step = low + place if reverse else high - 1 - place
            if from_above is not None:
                feels += from_above[step]
            if from_first is not None and step == 0:
                feels += from_first
            if from_last is not None and step == time - 1:
                feels += from_last
            gradients[place].mul_(feels)
            feels.mul_(z[place]).addbmm_(of_state[place], of_hidden)
        flat = inside.flatten(1, 2)
        read = inputs[low:high].flatten(0, 1)
        first, end, shift = find_earlier(low, high, time, reverse)
        later = inside[:, first - low : end - low].flatten(1, 2)
        earlier = states[first + shift : end + shift].flatten(0, 1)
        sum_bias += flat.sum(1)
        for gate in range(3):
            sum_hidden[gate].addmm_(later[gate].t(), earlier)
            # the faster way round if features are few
            sum_input[gate].addmm_(read.t(), flat[gate + 1])
            if of_inputs is not None:
                into = of_inputs[low:high].flatten(0, 1)
                into.addmm_(flat[gate + 1], of_input[gate], alpha=2.0)
    double = 2 * _scale(of_hidden)  # ∂loss/∂u is twice ∂loss/∂h
    return of_inputs, [
        (sum_input.transpose(1, 2) * double).flatten(0, 1),
        (sum_hidden.roll(-1, 0) * double).flatten(0, 1),
        (sum_bias[1:] * double.squeeze(2)).flatten(),
        (sum_bias[:3].roll(-1, 0) * double.squeeze(2)).flatten(),
    ]


LAYER = FusedLayer(_run, _differentiate)
