"""The Elman network (J. L. Elman, "Finding structure in time", 1990): ``rnn`` and ``birnn``."""

from torch import nn

from seqbench.models.fused_elman import FusedElmanEncoder
from seqbench.models.model import VARIANTS, EncoderSizes, offers_fused
from seqbench.models.native import NativeEncoder


@VARIANTS.register("rnn")
@offers_fused
def rnn(sizes: EncoderSizes) -> NativeEncoder:
    """Elman RNN with tanh: the plainest recurrence, cheap, and short of memory.

    h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)

    The gradient of a loss at the last step reaches step t through a product of Jacobians, one for
    each step between; it vanishes or explodes with the distance (Bengio, Simard and Frasconi,
    1994). Good for short sequences and as the cost floor of the recurrent family.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    return _build(sizes, bidirectional=False)


@VARIANTS.register("birnn")
@offers_fused
def birnn(sizes: EncoderSizes) -> NativeEncoder:
    """Bidirectional Elman RNN (Schuster and Paliwal, 1997): one reads forwards, one backwards.

    Both are ``rnn`` with weights of their own; at each step their outputs stand side by side, so
    every layer after the first reads twice the width. Good where the whole sequence is there
    before an answer is due.

    Input (batch, time, features); steps (batch, time, 2·hidden); final (2, batch, hidden).
    """
    return _build(sizes, bidirectional=True)


def _build(sizes: EncoderSizes, *, bidirectional: bool) -> NativeEncoder:
    if sizes.implementation == "fused":
        return FusedElmanEncoder(sizes, bidirectional=bidirectional)
    return NativeEncoder(nn.RNN, sizes, bidirectional=bidirectional)
