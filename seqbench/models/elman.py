"""The Elman network (J. L. Elman, "Finding structure in time", 1990) and its initialisations."""

from torch import nn

from seqbench.models.fused_elman import FusedElmanEncoder
from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.native import NativeEncoder


@VARIANTS.variant("rnn", implementations=("native", "fused"), both_directions=True)
def rnn(sizes: EncoderSizes) -> NativeEncoder:
    """Elman RNN with tanh: the plainest recurrence, cheap, and short of memory.

    h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)

    The gradient of a loss at the last step reaches step t through a product of Jacobians, one for
    each step between; it vanishes or explodes with the distance (Bengio, Simard and Frasconi,
    1994). Good for short sequences and as the cost floor of the recurrent family.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    if sizes.implementation == "fused":
        return FusedElmanEncoder(sizes)
    return NativeEncoder(nn.RNN, sizes)
