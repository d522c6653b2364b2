"""The gated recurrent unit (Cho et al., 2014). With layer normalisation: `layer_norm`."""

from collections.abc import Callable
from functools import partial

from torch import nn

from seqbench.models.compiled import CompiledEncoder
from seqbench.models.fused_gru import FusedGruEncoder
from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.models.reference import ReferenceEncoder

MAKERS: dict[str, Callable[[EncoderSizes], NativeEncoder]] = {
    "native": partial(NativeEncoder, nn.GRU),
    "fused": FusedGruEncoder,
    "compiled": partial(CompiledEncoder, nn.GRU),
    "reference": partial(ReferenceEncoder, nn.GRU),
}


@VARIANTS.variant("gru", implementations=tuple(MAKERS), both_directions=True)
def gru(sizes: EncoderSizes) -> NativeEncoder:
    """GRU, with the reset gate after the recurrent product, as in torch.nn and cuDNN.

    r_t = σ(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)            reset gate
    z_t = σ(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)            update gate
    n_t = tanh(W_in x_t + b_in + r_t ⊙ (W_hn h_{t-1} + b_hn)) candidate
    h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t-1}

    One state instead of the LSTM's two and three quarters of its weights, with memory alike.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    return MAKERS[sizes.implementation](sizes)
