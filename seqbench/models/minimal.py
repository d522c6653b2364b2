"""Minimal gated recurrences (Feng and others, "Were RNNs all we needed?", 2024).

Their gates see the input and not the state, so each is a linear recurrence that `scan` solves.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.scan import Solve, recur, scan
from seqbench.models.stacked import StackedEncoder

IMPLEMENTATIONS = ("scan", "reference")


@VARIANTS.variant("mingru", implementations=IMPLEMENTATIONS, both_directions=True, on_request=True)
def mingru(sizes: EncoderSizes) -> StackedEncoder:
    """Minimal GRU, minGRU (Feng and others, 2024): its gate does not depend on the state.

    z_t = σ(W_z x_t + b_z)                   update gate: how much new to take
    n_t = W_n x_t + b_n                      candidate
    h_t = (1 − z_t) ⊙ h_{t-1} + z_t ⊙ n_t

    The plain form of the paper, not the one in logarithms, which bends the candidate to be
    positive. Within a layer nothing past changes what is taken in; a second layer compensates for
    that. Good for long sequences on hardware that does much at once. Weights start as in
    ``nn.Linear``, U(±1/√features).

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    return StackedEncoder(partial(MinGruLayer, sizes.hidden, _solver(sizes)), sizes)


@VARIANTS.variant("minlstm", implementations=IMPLEMENTATIONS, both_directions=True, on_request=True)
def minlstm(sizes: EncoderSizes) -> StackedEncoder:
    """Minimal LSTM, minLSTM (Feng and others, 2024): its gates do not depend on the state.

    f_t = σ(W_f x_t + b_f)                   forget gate: how much old to keep
    i_t = σ(W_i x_t + b_i)                   input gate: how much new to take
    n_t = W_n x_t + b_n                      candidate
    h_t = f_t / (f_t + i_t) ⊙ h_{t-1} + i_t / (f_t + i_t) ⊙ n_t

    With gates that add up to 1 the state stays of one size at any length; cell and output gate are
    gone. The plain form of the paper, not the one in logarithms. Good where `mingru` is, at half as
    many weights again. Weights start as in ``nn.Linear``, U(±1/√features).

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    return StackedEncoder(partial(MinLstmLayer, sizes.hidden, _solver(sizes)), sizes)


def _solver(sizes: EncoderSizes) -> Solve:
    return recur if sizes.implementation == "reference" else scan


class MinGruLayer(nn.Module):
    """One direction of one layer: gate and candidate are the halves of one product."""

    def __init__(self, hidden: int, solve: Solve, features: int) -> None:
        super().__init__()
        self.solve = solve
        self.input = nn.Linear(features, 2 * hidden)

    def forward(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time hidden"]:
        z, candidate = self.input(inputs).chunk(2, dim=2)
        take = torch.sigmoid(z)
        return self.solve(1 - take, take * candidate)


class MinLstmLayer(nn.Module):
    """One direction of one layer: gates and candidate are the thirds of one product."""

    def __init__(self, hidden: int, solve: Solve, features: int) -> None:
        super().__init__()
        self.solve = solve
        self.input = nn.Linear(features, 3 * hidden)

    def forward(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time hidden"]:
        f, i, candidate = self.input(inputs).chunk(3, dim=2)
        # σ(f) / (σ(f) + σ(i)), which would be 0/0 for two gates far below 0
        keep = torch.sigmoid(nn.functional.logsigmoid(f) - nn.functional.logsigmoid(i))
        return self.solve(keep, (1 - keep) * candidate)
