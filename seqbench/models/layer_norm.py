"""Recurrences with layer normalisation (Ba, Kiros and Hinton, 2016).

LN(a; γ) = γ ⊙ (a − mean(a)) / √(var(a) + ε), over all units of a at one step of one example, so
nothing is shared between steps or between examples. Where the paper adds several biases to the
same sum, one is kept.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqbench.models.initial import start_uniform
from seqbench.models.loop import LoopLayer, State
from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.stacked import StackedEncoder


@VARIANTS.variant("lstm-layer-norm", both_directions=True, on_request=True)
def lstm_layer_norm(sizes: EncoderSizes) -> StackedEncoder:
    """LSTM with layer normalisation (Ba, Kiros and Hinton, 2016, equations 20 to 22).

    (i, f, g, o)_t = LN(W_h h_{t-1}; γ_1) + LN(W_x x_t; γ_2) + b
    c_t = σ(f_t) ⊙ c_{t-1} + σ(i_t) ⊙ tanh(g_t)
    h_t = σ(o_t) ⊙ tanh(LN(c_t; γ_3) + β)

    Each LN of the first line runs over all four gates together. What reaches the gates keeps its
    size whatever the weights do. Good for steady training with large steps; slower by the
    normalisations. Weights start from U(±1/√hidden), γ from 1, b and β from 0.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    return StackedEncoder(partial(LayerNormLstmLayer, sizes.hidden), sizes)


@VARIANTS.variant("gru-layer-norm", both_directions=True, on_request=True)
def gru_layer_norm(sizes: EncoderSizes) -> StackedEncoder:
    """GRU with layer normalisation (Ba, Kiros and Hinton, 2016, supplement).

    (r, z)_t = LN(W_h h_{t-1}; γ_1) + LN(W_x x_t; γ_2) + b
    n_t = tanh(LN(U_x x_t; γ_3) + b_x + σ(r_t) ⊙ (LN(U_h h_{t-1}; γ_4) + b_h))
    h_t = (1 − σ(z_t)) ⊙ n_t + σ(z_t) ⊙ h_{t-1}

    z_t keeps the old state, as in `gru`; in the paper it takes the new one. Good where
    `lstm-layer-norm` is, with fewer weights. Weights start from U(±1/√hidden), γ from 1, biases
    from 0.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    return StackedEncoder(partial(LayerNormGruLayer, sizes.hidden), sizes)


class LayerNormLstmLayer(LoopLayer):
    """One direction of one layer; the order of the gates is torch.nn's: i, f, g, o."""

    def __init__(self, hidden: int, features: int) -> None:
        super().__init__(hidden, states=2)
        self.input = nn.Linear(features, 4 * hidden, bias=False)
        self.recurrent = nn.Linear(hidden, 4 * hidden, bias=False)
        start_uniform(self, hidden)
        self.norm_input = nn.LayerNorm(4 * hidden)
        self.norm_recurrent = nn.LayerNorm(4 * hidden, bias=False)
        self.norm_cell = nn.LayerNorm(hidden)

    def read_inputs(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time units"]:
        normalised: Tensor = self.norm_input(self.input(inputs))
        return normalised

    def step(self, from_input: Float[Tensor, "batch units"], state: State) -> State:
        h, c = state
        gates = from_input + self.norm_recurrent(self.recurrent(h))
        i, f, g, o = gates.chunk(4, dim=1)
        cell = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(self.norm_cell(cell)), cell


class LayerNormGruLayer(LoopLayer):
    """One direction of one layer; the order of the gates is torch.nn's: r, z, n."""

    def __init__(self, hidden: int, features: int) -> None:
        super().__init__(hidden, states=1)
        self.input = nn.Linear(features, 3 * hidden, bias=False)
        self.recurrent = nn.Linear(hidden, 3 * hidden, bias=False)
        start_uniform(self, hidden)
        self.gates = 2 * hidden, hidden
        self.norm_input = nn.LayerNorm(2 * hidden)
        self.norm_recurrent = nn.LayerNorm(2 * hidden, bias=False)
        self.norm_candidate_input = nn.LayerNorm(hidden)
        self.norm_candidate_recurrent = nn.LayerNorm(hidden)

    def read_inputs(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time units"]:
        gates, candidate = self.input(inputs).split(self.gates, dim=2)
        normalised = self.norm_input(gates), self.norm_candidate_input(candidate)
        return torch.cat(normalised, dim=2)

    def step(self, from_input: Float[Tensor, "batch units"], state: State) -> State:
        (h,) = state
        gates_in, candidate_in = from_input.split(self.gates, dim=1)
        gates, candidate = self.recurrent(h).split(self.gates, dim=1)
        r, z = (gates_in + self.norm_recurrent(gates)).sigmoid().chunk(2, dim=1)
        n = torch.tanh(candidate_in + r * self.norm_candidate_recurrent(candidate))
        return ((1 - z) * n + z * h,)
