"""The linear recurrence h_t = a_t ⊙ h_{t-1} + b_t along time, h before the first step being 0.

Two ways to the same states: `recur` takes one step after the other; `scan` takes log₂ time
rounds, each over the whole sequence, because a window of steps is again a step:

    h_t = (a_t ⊙ a_{t-1}) ⊙ h_{t-2} + (a_t ⊙ b_{t-1} + b_t)

A round joins each window of d steps with the one before it to one of 2d (Hillis and Steele, 1986;
for recurrences Martin and Cundy, 2018). Real or complex.
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
        states = _double(a[:, 1:], b)
        ctx.save_for_backward(a, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, from_above: Inexact[Tensor, "batch time hidden"]
    ) -> tuple[Tensor, Tensor]:
        a, states = ctx.saved_tensors
        b_gradient = _double(a[:, 1:].flip(1).conj(), from_above.flip(1)).flip(1)
        a_gradient = torch.zeros_like(b_gradient)
        torch.mul(b_gradient[:, 1:], states[:, :-1].conj(), out=a_gradient[:, 1:])
        return a_gradient.sum_to_size(a.shape), b_gradient


def _double(
    factors: Inexact[Tensor, "#batch between hidden"], states: Inexact[Tensor, "batch time hidden"]
) -> Inexact[Tensor, "batch time hidden"]:
    """Solve the recurrence with ``states`` for b and ``factors`` for a from the second step on."""
    window = 1
    while window < states.shape[1]:
        longer = torch.addcmul(states[:, window:], factors, states[:, :-window])
        states = torch.cat([states[:, :window], longer], dim=1)
        factors = factors[:, window:] * factors[:, :-window]
        window *= 2
    return states
