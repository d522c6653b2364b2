"""The linear recurrence h_t = a_t ⊙ h_{t-1} + b_t along time, h before the first step being 0.

Two ways to the same states: `recur` takes one step after the other; `scan` takes 2 log₂ time
rounds of operations over all steps at once, because two steps are again one of the same kind:

    h_t = (a_t ⊙ a_{t-1}) ⊙ h_{t-2} + (a_t ⊙ b_{t-1} + b_t)

So windows double: this is the work-efficient parallel scan (Blelloch, 1990; for recurrent networks
Martin and Cundy, 2018), with about twice the multiplications of `recur`. Real or complex.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Inexact
from torch import Tensor
from torch.autograd.function import once_differentiable

Solve = Callable[[Tensor, Tensor], Tensor]


def recur(
    a: Inexact[Tensor, "#batch time hidden"], b: Inexact[Tensor, "batch time hidden"]
) -> Inexact[Tensor, "batch time hidden"]:
    """Return all states h, one step after the other. ``a`` may be one for all examples."""
    h = torch.zeros_like(b[:, 0])
    steps = []
    for a_t, b_t in zip(a.unbind(1), b.unbind(1), strict=True):
        h = a_t * h + b_t
        steps.append(h)
    return torch.stack(steps, dim=1)


def scan(
    a: Inexact[Tensor, "#batch time hidden"], b: Inexact[Tensor, "batch time hidden"]
) -> Inexact[Tensor, "batch time hidden"]:
    """Return all states h by doubling; equal to `recur` up to rounding, gradients too."""
    states: Tensor = _Scan.apply(a, b)  # type: ignore[no-untyped-call]
    return states


class _Scan(torch.autograd.Function):
    """`scan` with its gradient, which is the same recurrence from the last step to the first.

    With G_t for what the loss feels of h_t in all: G_t = ∂loss/∂h_t + a*_{t+1} ⊙ G_{t+1},
    ∂loss/∂b_t = G_t and ∂loss/∂a_t = G_t ⊙ h*_{t-1}, where * is the complex conjugate.
    """

    @staticmethod
    def forward(
        ctx: Any,
        a: Inexact[Tensor, "#batch time hidden"],
        b: Inexact[Tensor, "batch time hidden"],
    ) -> Inexact[Tensor, "batch time hidden"]:
        states = b.clone(memory_format=torch.contiguous_format)
        _solve(a[:, 1:], states)
        ctx.save_for_backward(a, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, from_above: Inexact[Tensor, "batch time hidden"]
    ) -> tuple[Tensor, Tensor]:
        a, states = ctx.saved_tensors
        from_last = from_above.flip(1)
        _solve(a[:, 1:].flip(1).conj_physical(), from_last)
        b_gradient = from_last.flip(1)
        a_gradient = torch.zeros_like(b_gradient)
        torch.mul(b_gradient[:, 1:], states[:, :-1].conj_physical(), out=a_gradient[:, 1:])
        return a_gradient.sum_to_size(a.shape), b_gradient


def _solve(
    factors: Inexact[Tensor, "#batch between hidden"], states: Inexact[Tensor, "batch time hidden"]
) -> None:
    """Make of b the states, in place; ``factors`` is a from the second step on.

    Steps are numbered from 0. Each odd one swallows the even one before it, which leaves the same
    recurrence for the odd ones alone, at half the length; from them the even ones follow.
    """
    if states.shape[1] == 1:
        return
    odd, even = states[:, 1::2], states[:, 2::2]
    into_odd, into_even = factors[:, 0::2], factors[:, 1::2]
    odd.addcmul_(into_odd, states[:, : 2 * odd.shape[1] : 2])
    _solve(into_odd[:, 1:] * into_even[:, : odd.shape[1] - 1], odd)
    even.addcmul_(into_even, odd[:, : even.shape[1]])
