"""The linear recurrent unit (Orvieto and others, 2023)."""

import math
from functools import partial

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.scan import Solve, recur, scan
from seqbench.models.stacked import StackedEncoder

RING = 0.9, 0.999
"""Between which radii the eigenvalues start: memories of about 10 to 1000 steps."""


@VARIANTS.variant(
    "lru", implementations=("scan", "reference"), both_directions=True, on_request=True
)
def lru(sizes: EncoderSizes) -> StackedEncoder:
    """LRU (Orvieto and others, 2023): a linear recurrence with complex eigenvalues.

    λ = exp(−exp(ν) + i exp(θ))                       eigenvalues, |λ| < 1 whatever ν is
    s_t = λ ⊙ s_{t-1} + exp(γ) ⊙ B x_t                complex state, one number for each unit
    y_t = Re(C s_t) + D x_t
    h_t = (V y'_t + b_V) ⊙ σ(W y'_t + b_W)            gated linear unit of y'_t = GELU(y_t)

    Taken from the paper: the exponential parametrisation, the normalisation that starts at
    exp(γ) = √(1 − |λ|²), the start of the eigenvalues (evenly on the ring 0.9 ≤ |λ| ≤ 0.999, all
    angles), and the gated linear unit without which layers would melt into one linear map. Left
    out: the block's normalisation and its skip connection; D is a full matrix here, as layers may
    read another width than they give, and is what goes past the recurrence. Good for long
    sequences of slowly changing signals.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    solve = recur if sizes.implementation == "reference" else scan
    return StackedEncoder(partial(LruLayer, sizes.hidden, solve), sizes)


class LruLayer(nn.Module):
    """One direction of one layer; B and C are kept as real and imaginary parts side by side."""

    def __init__(self, hidden: int, solve: Solve, features: int) -> None:
        super().__init__()
        self.solve = solve
        inner, outer = RING
        radius = torch.empty(hidden).uniform_(inner**2, outer**2).sqrt()
        self.nu = nn.Parameter(radius.log().neg().log())
        self.theta = nn.Parameter(torch.empty(hidden).uniform_(0, 2 * math.pi).log())
        self.gamma = nn.Parameter((1 - radius.square()).sqrt().log())
        self.input = nn.Parameter(torch.randn(2 * hidden, features) / math.sqrt(2 * features))
        self.output = nn.Parameter(torch.randn(hidden, 2 * hidden) / math.sqrt(hidden))
        self.past = nn.Parameter(torch.randn(hidden, features) / math.sqrt(features))
        self.gate = nn.Linear(hidden, 2 * hidden)

    def forward(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time hidden"]:
        driven = torch.complex(*nn.functional.linear(inputs, self.input).chunk(2, dim=2))
        eigenvalues = self.eigenvalues().expand(1, inputs.shape[1], -1)
        states = self.solve(eigenvalues, self.gamma.exp() * driven)
        parts = torch.cat([states.real, -states.imag], dim=2)
        outputs = nn.functional.linear(parts, self.output)
        outputs = outputs + nn.functional.linear(inputs, self.past)
        return nn.functional.glu(self.gate(nn.functional.gelu(outputs)), dim=2)

    def eigenvalues(self) -> Complex[Tensor, " hidden"]:
        """Return λ."""
        return torch.polar((-self.nu.exp()).exp(), self.theta.exp())
