"""Long short-term memory (Hochreiter and Schmidhuber, 1997), its initialisations, its projection.

Those with further weights in the cell are in `peephole` and `layer_norm`.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from seqbench.errors import SettingError
from seqbench.models.compiled import CompiledEncoder
from seqbench.models.initial import start_chrono, start_remembering
from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.models.reference import ReferenceEncoder

MAKERS: dict[str, Callable[..., NativeEncoder]] = {
    "native": partial(NativeEncoder, nn.LSTM),
    "compiled": partial(CompiledEncoder, nn.LSTM),
    "reference": partial(ReferenceEncoder, nn.LSTM),
}
IMPLEMENTATIONS = tuple(MAKERS)

# Torch warns once, on the CPU, for `lstm-projection`: it uses its own code, not oneDNN's.
warnings.filterwarnings("ignore", "LSTM with projections is not supported with oneDNN")


@VARIANTS.variant("lstm", implementations=IMPLEMENTATIONS, both_directions=True)
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
    return _lstm(sizes)


@VARIANTS.variant(
    "lstm-forget-bias", implementations=IMPLEMENTATIONS, both_directions=True, on_request=True
)
def lstm_forget_bias(sizes: EncoderSizes) -> NativeEncoder:
    """LSTM that starts by remembering: forget bias 1 (Gers and others, 2000).

    The equations are those of `lstm`; at the start b_if = 1 and b_hf = 0, so that the forget gate
    is about σ(1) = 0.73 and not 0.5. Recommended for every LSTM by Jozefowicz, Zaremba and
    Sutskever (2015). Good wherever `lstm` is; what it changes is the first epochs.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    encoder = _lstm(sizes)
    start_remembering(encoder.recurrence)
    return encoder


@VARIANTS.variant(
    "lstm-chrono", implementations=IMPLEMENTATIONS, both_directions=True, on_request=True
)
def lstm_chrono(sizes: EncoderSizes) -> NativeEncoder:
    """LSTM whose units start with memories of all lengths (Tallec and Ollivier, 2018).

    The equations are those of `lstm`; at the start b_if = log u with u ~ U(1, T_max − 1),
    b_ii = −b_if, b_hf = b_hi = 0. T_max is the length of the task's sequences, at least 3.

    A gate at σ(log u) keeps a value for about u steps, so some units reach over the whole
    sequence from the beginning. Good for long sequences whose length is known.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    encoder = _lstm(sizes)
    start_chrono(encoder.recurrence, sizes.time)
    return encoder


@VARIANTS.variant(
    "lstm-projection",
    implementations=("native", "reference"),
    both_directions=True,
    on_request=True,
)
def lstm_projection(sizes: EncoderSizes) -> NativeEncoder:
    """LSTM that shows half as many numbers as it keeps (Sak, Senior and Beaufays, 2014).

    i_t, f_t, g_t, o_t, c_t as in `lstm`, with r_{t-1} for h_{t-1}
    r_t = W_hr (o_t ⊙ tanh(c_t))

    A narrow r_t makes the recurrent weights fewer, so that the cell can be wider for the same
    number of parameters. ``proj_size`` of torch.nn is hidden // 2.

    Input (batch, time, features); steps (batch, time, hidden // 2); final
    (1, batch, hidden // 2).

    Raises
    ------
    SettingError
        If hidden is 1: there is nothing narrower.
    """
    if sizes.hidden < 2:
        raise SettingError("hidden_size", sizes.hidden, "at least 2 for an LSTM with projection")
    return _lstm(sizes, proj_size=sizes.hidden // 2)


def _lstm(sizes: EncoderSizes, **options: Any) -> NativeEncoder:
    return MAKERS[sizes.implementation](sizes, **options)
