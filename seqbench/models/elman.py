"""The Elman network (J. L. Elman, "Finding structure in time", 1990) and its initialisations.

Their equations and shapes are those of `rnn`; the docstring of each states the difference.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from seqbench.models.compiled import CompiledEncoder
from seqbench.models.fused_elman import FusedElmanEncoder
from seqbench.models.initial import start_identity, start_orthogonal
from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.models.reference import ReferenceEncoder

MAKERS: dict[str, Callable[..., NativeEncoder]] = {
    "native": partial(NativeEncoder, nn.RNN),
    "fused": FusedElmanEncoder,
    "compiled": partial(CompiledEncoder, nn.RNN),
    "reference": partial(ReferenceEncoder, nn.RNN),
}
IMPLEMENTATIONS = tuple(MAKERS)


@VARIANTS.variant("rnn", implementations=IMPLEMENTATIONS, both_directions=True)
def rnn(sizes: EncoderSizes) -> NativeEncoder:
    """Elman RNN with tanh: the plainest recurrence, cheap, and short of memory.

    h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)

    The gradient of a loss at the last step reaches step t through a product of Jacobians, one for
    each step between; it vanishes or explodes with the distance (Bengio, Simard and Frasconi,
    1994). Good for short sequences and as the cost floor of the recurrent family.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    return _elman(sizes)


@VARIANTS.variant(
    "rnn-relu", implementations=IMPLEMENTATIONS, both_directions=True, on_request=True
)
def rnn_relu(sizes: EncoderSizes) -> NativeEncoder:
    """Elman RNN with a rectifier, from torch.nn's own initial weights.

    h_t = max(0, W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)

    A unit that is on passes its gradient on undamped, so only W_hh makes it vanish or explode, and
    nothing bounds the state. Good for comparing `irnn` with the same cell with other initial
    weights.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    return _elman(sizes, nonlinearity="relu")


@VARIANTS.variant("irnn", implementations=IMPLEMENTATIONS, both_directions=True, on_request=True)
def irnn(sizes: EncoderSizes) -> NativeEncoder:
    """IRNN (Le, Jaitly and Hinton, 2015): a rectifier that starts by copying its state.

    h_t = max(0, W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
    at the start W_hh = 1 (the identity), b_ih = b_hh = 0, W_ih ~ N(0, 0.001²) in every layer

    Untrained it sums up its inputs, and the gradient reaches every step undamped. Good for long
    sums such as the adding problem; it is touchy about the learning rate, and helped by cutting
    long gradients.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    encoder = _elman(sizes, nonlinearity="relu")
    start_identity(encoder.recurrence)
    return encoder


@VARIANTS.variant(
    "rnn-orthogonal", implementations=IMPLEMENTATIONS, both_directions=True, on_request=True
)
def rnn_orthogonal(sizes: EncoderSizes) -> NativeEncoder:
    """Elman RNN with tanh that starts from orthogonal recurrent weights.

    h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
    at the start W_hh W_hhᵀ = 1, W_ih Xavier uniform (Glorot and Bengio, 2010), biases 0

    An orthogonal matrix changes no length, so at the start only the tanh damps state and gradient
    (Saxe, McClelland and Ganguli, 2014; for recurrent weights Henaff, Szlam and LeCun, 2016). Good
    for seeing how much of an `rnn`'s weakness is its initial weights.

    Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden).
    """
    encoder = _elman(sizes)
    start_orthogonal(encoder.recurrence)
    return encoder


def _elman(sizes: EncoderSizes, **options: Any) -> NativeEncoder:
    return MAKERS[sizes.implementation](sizes, **options)
