"""The LSTM with peepholes (Gers and Schmidhuber, 2000)."""

from collections.abc import Iterator
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqbench.models.initial import start_uniform
from seqbench.models.loop import LoopLayer, State
from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.products import Product, list_products
from seqbench.models.stacked import StackedEncoder


@VARIANTS.variant("lstm-peephole", both_directions=True, on_request=True)
def lstm_peephole(sizes: EncoderSizes) -> StackedEncoder:
    """LSTM whose gates also depend on the cell (Gers and Schmidhuber, 2000).

    i_t = σ(W_ii x_t + W_hi h_{t-1} + p_i ⊙ c_{t-1} + b_i)    input gate
    f_t = σ(W_if x_t + W_hf h_{t-1} + p_f ⊙ c_{t-1} + b_f)    forget gate
    g_t = tanh(W_ig x_t + W_hg h_{t-1} + b_g)                 candidate
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t                           cell update
    o_t = σ(W_io x_t + W_ho h_{t-1} + p_o ⊙ c_t + b_o)        output gate
    h_t = o_t ⊙ tanh(c_t)

    A closed output gate hides the cell from an `lstm`'s gates; a peephole sees it all the same.
    Good for exact timing and counting. All weights start from U(±1/√hidden).

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    return StackedEncoder(partial(PeepholeLayer, sizes.hidden), sizes)


class PeepholeLayer(LoopLayer):
    """One direction of one layer; the order of the gates is torch.nn's: i, f, g, o."""

    def __init__(self, hidden: int, features: int) -> None:
        super().__init__(hidden, states=2)
        self.input = nn.Linear(features, 4 * hidden)
        self.recurrent = nn.Linear(hidden, 4 * hidden, bias=False)
        self.peepholes = nn.Parameter(torch.empty(3, hidden))
        start_uniform(self, hidden)

    def products(self, batch: int, time: int) -> Iterator[Product]:
        """Yield all but the peepholes, which multiply number by number."""
        for weights in (self.input, self.recurrent):
            yield from list_products(weights, batch, time)

    def read_inputs(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time units"]:
        products: Tensor = self.input(inputs)
        return products

    def step(self, from_input: Float[Tensor, "batch units"], state: State) -> State:
        h, c = state
        i, f, g, o = (from_input + self.recurrent(h)).chunk(4, dim=1)
        p_i, p_f, p_o = self.peepholes
        input_gate = torch.sigmoid(i + p_i * c)
        forget_gate = torch.sigmoid(f + p_f * c)
        cell = forget_gate * c + input_gate * torch.tanh(g)
        output_gate = torch.sigmoid(o + p_o * cell)
        return output_gate * torch.tanh(cell), cell
