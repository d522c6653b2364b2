"""The independently recurrent network (Li, Li, Cook, Zhu and Gao, 2018)."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.stacked import StackedEncoder


@VARIANTS.variant("indrnn", both_directions=True, on_request=True)
def indrnn(sizes: EncoderSizes) -> StackedEncoder:
    """IndRNN (Li and others, 2018): each unit remembers itself alone.

    h_t = max(0, W x_t + u ⊙ h_{t-1} + b)    with |u| ≤ 2^(1/T)

    Units meet only between layers, so it wants several of them. The gradient over k steps is u^k,
    unit by unit, and the bound keeps it below 2 over the whole sequence of T steps: after each
    step of the optimiser u is cut to it, as in the paper. At the start u ~ U(0, 1), in the last
    layer U(2^(−1/T), 2^(1/T)): long memories where the answer is read. W starts as in
    ``nn.Linear``, U(±1/√features), b from 0. The paper's batch normalisation between layers is
    left out. Good for long sequences at few parameters.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    limit = 2 ** (1 / sizes.time)
    encoder = StackedEncoder(partial(IndRnnLayer, sizes.hidden, limit), sizes)
    for name, parameter in encoder.layers[-1].named_parameters():
        if name.endswith("recurrent"):
            nn.init.uniform_(parameter, 1 / limit, limit)
    return encoder


class IndRnnLayer(nn.Module):
    """One direction of one layer; `project` keeps the recurrent weights within ±limit."""

    def __init__(self, hidden: int, limit: float, features: int) -> None:
        super().__init__()
        self.limit = limit
        self.input = nn.Linear(features, hidden)
        nn.init.zeros_(self.input.bias)
        self.recurrent = nn.Parameter(torch.rand(hidden))

    def forward(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time hidden"]:
        u = self.recurrent
        h = inputs.new_zeros(len(inputs), len(u))
        steps = []
        for from_input in self.input(inputs).unbind(1):
            h = torch.addcmul(from_input, u, h).relu()
            steps.append(h)
        return torch.stack(steps, dim=1)

    @torch.no_grad()
    def project(self) -> None:
        """Cut the recurrent weights to ±limit, as the paper does after each step of training."""
        self.recurrent.clamp_(-self.limit, self.limit)
