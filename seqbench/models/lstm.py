"""Long short-term memory (Hochreiter and Schmidhuber, 1997)"""

from torch import nn

from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.native import NativeEncoder


@VARIANTS.variant("lstm", both_directions=True)
def lstm(sizes: EncoderSizes) -> NativeEncoder:
    """LSTM with a forget gate (Gers, Schmidhuber and Cummins, 2000), as in torch.nn.

    i_t = σ(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)       input gate: how much new to take
    f_t = σ(W_if x_t + b_if + W_hf h_{t-1} + b_hf)       forget gate: how much old to keep
    g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)    candidate
    o_t = σ(W_io x_t + b_io + W_ho h_{t-1} + b_ho)       output gate: how much to show
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t                      cell update
    h_t = o_t ⊙ tanh(c_t)

    The cell state is changed by a sum, not by a product of Jacobians, so far information and far
    gradients survive. Four times the weights of ``rnn``; the default where memory matters.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    return NativeEncoder(nn.LSTM, sizes)
