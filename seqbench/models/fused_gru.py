"""The gated recurrent unit with few large operations instead of many small ones, for the CPU.

Besides what `fused` says of all such layers, two turns leave four operations to a step forwards
next to its product, and two backwards.

torch's σ takes a fifth of the time of its tanh, and tanh(a) = 2 σ(2a) − 1. So the candidate is kept
as s_t = (n_t + 1) / 2 and the state as u_t = (h_t + 1) / 2. The cell's last equation stays as it
is, u_t = (1 − z_t) ⊙ s_t + z_t ⊙ u_{t-1}; what the others need is folded into weights and biases.

The gradient of what each gate adds up is ∂loss/∂h_t times a factor that the forward pass has
settled. Factors are made for a block of steps at once, few enough to stay in the cache.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqbench.models.fused import FusedEncoder, Outputs, in_order, order_steps, reach, span
from seqbench.models.model import EncoderSizes

BLOCK = 14
"""Steps whose gates and factors are worked on together."""


class FusedGruEncoder(FusedEncoder):
    """`FusedEncoder` of ``nn.GRU``."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__(nn.GRU, sizes)

    def read(
        self, steps: Float[Tensor, "time batch features"], weights: list[Tensor], reverse: bool
    ) -> Outputs:
        outputs: Outputs = _GruLayer.apply(steps, *weights, reverse)  # type: ignore[no-untyped-call]
        return outputs


class _Folded(NamedTuple):
    """Weights that fit u and s: in blocks by gate, the candidate's doubled.

    Blocks that meet the input are r, z, n, those that meet the state n, r, z. So of four blocks
    n from the state, r, z, n from the input each takes three that lie side by side.
    """

    input: Float[Tensor, "3 hidden features"]
    hidden: Float[Tensor, "3 hidden hidden"]
    input_bias: Float[Tensor, "3 1 hidden"]
    state_bias: Float[Tensor, " hidden"]
    scale: Float[Tensor, "3 1 1"]


def _fold(
    input_weight: Float[Tensor, "units features"],
    hidden_weight: Float[Tensor, "units hidden"],
    input_bias: Float[Tensor, " units"],
    hidden_bias: Float[Tensor, " units"],
) -> _Folded:
    scale = hidden_weight.new_tensor([1, 1, 2]).view(3, 1, 1)
    of_input, of_hidden = (
        each.view(3, -1, each.shape[1]) * scale for each in (input_weight, hidden_weight)
    )
    # W h = 2 W u − W 1
    from_input, from_hidden = (each.view(3, 1, -1) * scale for each in (input_bias, hidden_bias))
    from_hidden = from_hidden - of_hidden.sum(2)[:, None]
    from_input[:2] += from_hidden[:2]
    return _Folded(of_input, (2 * of_hidden).roll(1, 0), from_input, from_hidden[2, 0], scale)


class _GruLayer(torch.autograd.Function):
    """One direction of one layer, h_0 = 0. The equations are those of `gru`."""

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
        folded = _fold(input_weight, hidden_weight, input_bias, hidden_bias)
        (time, batch, _), hidden = inputs.shape, hidden_weight.shape[1]
        # n from the state, r, z, s
        gates = inputs.new_empty(4, time, batch, hidden)
        # u, with the one before the first step at the end where reading begins
        halves = inputs.new_empty(time + 1, batch, hidden)
        halves[time if reverse else 0] = 0.5
        before, after = (halves[1:], halves[:-1]) if reverse else (halves[:-1], halves[1:])
        read = order_steps(time, reverse)
        for start in range(0, time, BLOCK):
            steps = read[start : start + BLOCK]
            part = span(steps)
            _run(inputs[part], folded, gates[:, part], before[part], after[part], steps)
        states = (2 * after).sub_(1)
        ctx.save_for_backward(inputs, gates, before, *folded)
        ctx.read = read
        ctx.set_materialize_grads(False)
        return states, states[0].clone(), states[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        from_above: Float[Tensor, "time batch hidden"] | None,
        from_first: Float[Tensor, "batch hidden"] | None,
        from_last: Float[Tensor, "batch hidden"] | None,
    ) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor, None]:
        inputs, gates, before, *weights = ctx.saved_tensors
        folded = _Folded(*weights)
        ends = [
            (place, end) for place, end in ((0, from_first), (-1, from_last)) if end is not None
        ]
        sums = _Sums(folded, inputs, ctx.needs_input_grad[0])
        steps = reach(ctx.read, from_above, from_first, from_last)
        feels = torch.zeros_like(before[0])  # ∂loss/∂h_t
        factors = gates.new_empty(4, min(BLOCK, len(steps)), *feels.shape)
        for start in range(0, len(steps), BLOCK):
            block = steps[start : start + BLOCK]
            part = span(block)
            inside = factors[:, : len(block)]
            _differentiate(gates[:, part], before[part], inside)
            by_step = inside.transpose(0, 1)
            several = (gates[2, part], by_step, by_step[:, :3])
            for step, z, gradients, of_hidden in zip(
                block, *(in_order(each, block) for each in several), strict=True
            ):
                if from_above is not None:
                    feels += from_above[step]
                for place, end in ends:
                    if step == place % len(gates[0]):
                        feels += end
                gradients.mul_(feels)
                feels.mul_(z).addbmm_(of_hidden, folded.hidden)
            sums.add(inside, before[part], part)
        return *sums.of_arguments(), None


def _run(
    inputs: Float[Tensor, "block batch features"],
    folded: _Folded,
    gates: Float[Tensor, "4 block batch hidden"],
    before: Float[Tensor, "block batch hidden"],
    after: Float[Tensor, "block batch hidden"],
    steps: range,
) -> None:
    """Fill ``gates`` and ``after`` of some consecutive steps, read in the order of ``steps``."""
    flat = inputs.flatten(0, 1)
    for bias, weight, out in zip(
        folded.input_bias, folded.input, gates[1:].flatten(1, 2), strict=True
    ):
        torch.addmm(bias, flat, weight.t(), out=out)
    gates[0] = folded.state_bias
    by_step = gates.transpose(0, 1)
    several = (before, after, by_step[:, :3], by_step[:, 1:3], *gates)
    for u, u_next, three, r_and_z, from_state, r, z, s in zip(
        *(in_order(each, steps) for each in several), strict=True
    ):
        three.baddbmm_(u.expand(3, -1, -1), folded.hidden.transpose(1, 2))
        r_and_z.sigmoid_()
        s.addcmul_(from_state, r).sigmoid_()
        torch.lerp(s, u, z, out=u_next)


def _differentiate(
    gates: Float[Tensor, "4 block batch hidden"],
    before: Float[Tensor, "block batch hidden"],
    factors: Float[Tensor, "4 block batch hidden"],
) -> None:
    """Fill ``factors``: the gradients of what the gates add up are ∂loss/∂u_t times these."""
    from_state, r, z, s = gates
    of_state, of_r, of_z, of_s = factors
    through_sigmoid = torch.ops.aten.sigmoid_backward.grad_input
    torch.sub(1, z, out=of_s)
    through_sigmoid(of_s, s, grad_input=of_s)
    torch.mul(of_s, r, out=of_state)
    torch.mul(of_s, from_state, out=of_r)
    through_sigmoid(of_r, r, grad_input=of_r)
    torch.sub(before, s, out=of_z)
    through_sigmoid(of_z, z, grad_input=of_z)


class _Sums:
    """The gradients of a layer's arguments, summed up block by block.

    ``folded`` and ``inputs`` are what it read; ``of_inputs`` asks for the gradient of those too.
    """

    def __init__(
        self, folded: _Folded, inputs: Float[Tensor, "time batch features"], of_inputs: bool
    ) -> None:
        self.folded, self.inputs = folded, inputs
        # transposed: the product is faster where the features are few
        self.input = torch.zeros_like(folded.input.transpose(1, 2)).contiguous()
        self.hidden = torch.zeros_like(folded.hidden)
        self.bias = folded.hidden.new_zeros(4, folded.hidden.shape[1])
        self.inputs_gradient = torch.zeros_like(inputs) if of_inputs else None

    def add(
        self,
        gradients: Float[Tensor, "4 block batch hidden"],
        before: Float[Tensor, "block batch hidden"],
        part: slice,
    ) -> None:
        """Add what a block of steps contributes; ``gradients`` are half of those of the gates."""
        flat = gradients.flatten(1, 2)
        states, inputs = before.flatten(0, 1), self.inputs[part].flatten(0, 1)
        self.bias += flat.sum(1)
        for each, total in zip(flat[:3], self.hidden, strict=True):
            total.addmm_(each.t(), states)
        for each, total in zip(flat[1:], self.input, strict=True):
            total.addmm_(inputs.t(), each)
        if self.inputs_gradient is not None:
            out = self.inputs_gradient[part].flatten(0, 1)
            for each, weight in zip(flat[1:], self.folded.input, strict=True):
                out.addmm_(each, weight, alpha=2)

    def of_arguments(self) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor]:
        """Return the gradients of inputs, input and hidden weights, input and hidden bias."""
        double = 2 * self.folded.scale  # ∂loss/∂u is twice ∂loss/∂h
        hidden = 2 * self.hidden - self.bias[:3, :, None]  # h = 2 u − 1
        return (
            self.inputs_gradient,
            (self.input.transpose(1, 2) * double).flatten(0, 1),
            (hidden.roll(-1, 0) * double).flatten(0, 1),
            (self.bias[1:] * double[..., 0]).flatten(),
            (self.bias[:3].roll(-1, 0) * double[..., 0]).flatten(),
        )
