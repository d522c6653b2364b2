"""The long short-term memory with few large operations instead of many small ones, for the CPU.

For what such layers have in common see `fused`. All gates of a step are one product and one σ:
tanh(a) = 2 σ(2a) − 1, so the candidate's weights are doubled. Where MKL is slow, torch's σ takes a
quarter of the time of its tanh.

The gradient of what each gate adds up is ∂loss/∂c_t or ∂loss/∂h_t times a factor that the forward
pass has settled. Factors are made for a block of steps at once.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqbench.models.fused import (
    BLOCK,
    FusedEncoder,
    Outputs,
    block_of,
    in_order,
    reach,
    scripted,
)
from seqbench.models.model import EncoderSizes


class FusedLstmEncoder(FusedEncoder):
    """`FusedEncoder` of ``nn.LSTM``, without projection."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__(nn.LSTM, sizes)

    def read(
        self, steps: Float[Tensor, "time batch features"], weights: list[Tensor], reverse: bool
    ) -> Outputs:
        outputs: Outputs = _LstmLayer.apply(steps, *weights, reverse)  # type: ignore[no-untyped-call]
        return outputs


class _LstmLayer(torch.autograd.Function):
    """One direction of one layer, h_0 = c_0 = 0. The equations are those of `lstm`."""

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Float[Tensor, "time batch features"],
        input_weight: Float[Tensor, "units features"],
        hidden_weight: Float[Tensor, "units hidden"],
        input_bias: Float[Tensor, " units"],
        hidden_bias: Float[Tensor, " units"],
        reverse: bool,
    ) -> Outputs:
        states, first, last, gates, cells, shown = _run(
            inputs, input_weight, hidden_weight, input_bias, hidden_bias, reverse, BLOCK
        )
        ctx.save_for_backward(inputs, input_weight, hidden_weight, states, gates, cells, shown)
        ctx.reverse = reverse
        ctx.set_materialize_grads(False)
        return states, first, last

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        from_above: Float[Tensor, "time batch hidden"] | None,
        from_first: Float[Tensor, "batch hidden"] | None,
        from_last: Float[Tensor, "batch hidden"] | None,
    ) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor, None]:
        inputs, input_weight, hidden_weight, states, gates, cells, shown = ctx.saved_tensors
        of_inputs, of_input_weight, of_hidden_weight, of_bias = _differentiate(
            inputs,
            input_weight,
            hidden_weight,
            states,
            gates,
            cells,
            shown,
            from_above,
            from_first,
            from_last,
            ctx.reverse,
            ctx.needs_input_grad[0],
            BLOCK,
        )
        return of_inputs, of_input_weight, of_hidden_weight, of_bias, of_bias, None


@scripted
def _run(
    inputs: Tensor,
    input_weight: Tensor,
    hidden_weight: Tensor,
    input_bias: Tensor,
    hidden_bias: Tensor,
    reverse: bool,
    block: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return `Outputs` of a layer, and for the backward pass gates, cells and what they show.

    Gates i, f, g, o are (time, batch, 4 · hidden); the cells c_t (time + 1, batch, hidden), with
    the one before the first step at the end where reading begins; tanh(c_t) (time, batch, hidden).
    """
    time, batch, hidden = inputs.size(0), inputs.size(1), hidden_weight.size(1)
    twice, minus = inputs.new_full([], 2.0), inputs.new_full([], -1.0)
    scale = input_bias.new_ones(4, hidden)
    scale[2] = 2
    scale = scale.flatten()
    bias = (input_bias + hidden_bias) * scale
    from_input = (input_weight * scale.unsqueeze(1)).t()
    from_state = (hidden_weight * scale.unsqueeze(1)).t().contiguous()
    gates = inputs.new_empty(time, batch, 4 * hidden)
    cells = inputs.new_empty(time + 1, batch, hidden)
    cells[time if reverse else 0] = 0
    after = cells[:-1] if reverse else cells[1:]
    shown, states = inputs.new_empty(2, time, batch, hidden).unbind(0)
    cell, state = torch.zeros_like(states[0]), torch.zeros_like(states[0])
    for done in range(0, time, block):
        low, high = block_of(done, block, time, reverse)
        flat = gates[low:high].flatten(0, 1)
        torch.mm(inputs[low:high].flatten(0, 1), from_input, out=flat)
        flat.add_(bias)
        several = in_order(gates[low:high], reverse)
        next_cells, next_shown = (
            in_order(after[low:high], reverse),
            in_order(shown[low:high], reverse),
        )
        next_states = in_order(states[low:high], reverse)
        for step in range(high - low):
            inside = several[step].addmm_(state, from_state).sigmoid_()
            i, f, g, o = inside.chunk(4, dim=1)
            torch.add(minus, g, alpha=2, out=g)
            cell = torch.mul(f, cell, out=next_cells[step]).addcmul_(i, g)
            show = torch.mul(cell, twice, out=next_shown[step]).sigmoid_()
            torch.add(minus, show, alpha=2, out=show)
            state = torch.mul(o, show, out=next_states[step])
    return states, states[0].clone(), states[-1].clone(), gates, cells, shown


@scripted
def _differentiate(
    inputs: Tensor,
    input_weight: Tensor,
    hidden_weight: Tensor,
    states: Tensor,
    gates: Tensor,
    cells: Tensor,
    shown: Tensor,
    from_above: Tensor | None,
    from_first: Tensor | None,
    from_last: Tensor | None,
    reverse: bool,
    wants_inputs: bool,
    block: int,
) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
    """Return the gradients of inputs, input weights, hidden weights and either bias.

    The first is None if nobody ``wants_inputs``; the others have their tensors' shapes.
    """
    time, batch, hidden = states.size(0), states.size(1), states.size(2)
    before = cells[1:] if reverse else cells[:-1]
    start, stop = reach(time, reverse, from_above, from_first, from_last)
    sum_input = torch.zeros_like(input_weight.t()).contiguous()
    sum_hidden, sum_bias = torch.zeros_like(hidden_weight), torch.zeros_like(hidden_weight[:, 0])
    of_inputs: Tensor | None = None
    if wants_inputs:
        whole = stop - start == time
        of_inputs = torch.empty_like(inputs) if whole else torch.zeros_like(inputs)
    longest = min(block, stop - start)
    factors = states.new_empty(longest, batch, 4 * hidden)
    of_cells = states.new_empty(longest, batch, hidden)
    by_state = torch.zeros_like(states[0])  # ∂loss/∂h_t, and below ∂loss/∂c_t
    by_cell = torch.zeros_like(states[0])
    for done in range(0, stop - start, block):
        low, high = block_of(done, block, stop - start, not reverse)
        low, high = low + start, high + start
        inside, of_cell = factors[: high - low], of_cells[: high - low]
        i, f, g, o = gates[low:high].chunk(4, dim=2)
        of_i, of_f, of_g, of_o = inside.chunk(4, dim=2)
        torch.ops.aten.sigmoid_backward(g, i, grad_input=of_i)
        torch.ops.aten.sigmoid_backward(before[low:high], f, grad_input=of_f)
        torch.ops.aten.tanh_backward(i, g, grad_input=of_g)
        torch.ops.aten.sigmoid_backward(shown[low:high], o, grad_input=of_o)
        torch.ops.aten.tanh_backward(o, shown[low:high], grad_input=of_cell)
        back = not reverse
        all_gates, outputs = in_order(inside, back), in_order(of_o, back)
        of_three = in_order(inside[:, :, : 3 * hidden].unflatten(2, [3, hidden]), back)
        through, forget = in_order(of_cell, back), in_order(f, back)
        for place in range(high - low):
            step = low + place if reverse else high - 1 - place
            if from_above is not None:
                by_state += from_above[step]
            if from_first is not None and step == 0:
                by_state += from_first
            if from_last is not None and step == time - 1:
                by_state += from_last
            by_cell.addcmul_(by_state, through[place])
            of_three[place].mul_(by_cell.unsqueeze(1))
            outputs[place].mul_(by_state)
            by_cell.mul_(forget[place])
            torch.mm(all_gates[place], hidden_weight, out=by_state)
        flat = inside.flatten(0, 1)
        sum_bias += flat.sum(0)
        # the faster way round if features are few
        sum_input.addmm_(inputs[low:high].flatten(0, 1).t(), flat)
        if reverse:
            later, earlier = inside[: time - 1 - low], states[low + 1 : high + 1]
        else:
            later, earlier = inside[1:] if low == 0 else inside, states[max(0, low - 1) : high - 1]
        sum_hidden.addmm_(later.flatten(0, 1).t(), earlier.flatten(0, 1))
        if of_inputs is not None:
            torch.mm(flat, input_weight, out=of_inputs[low:high].flatten(0, 1))
    return of_inputs, sum_input.t(), sum_hidden, sum_bias
