"""Initial weights: functions that change a recurrent module's parameters in place.

They know torch.nn's names: ``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0``, ``bias_hh_l0`` and
the same with ``_reverse``, the blocks of a gated cell below each other (of an LSTM: input, forget,
candidate, output).
"""

from collections.abc import Iterator

from torch import Tensor, nn


def start_uniform(module: nn.Module, hidden: int) -> None:
    """Draw all parameters from U(±1/√hidden), as torch.nn does for its recurrent modules."""
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5)


def start_identity(recurrence: nn.RNNBase) -> None:
    """IRNN (Le, Jaitly and Hinton, 2015): remember everything, take in little.

    Recurrent weights are the identity, biases 0, all other weights N(0, 0.001²): the paper's
    standard deviation, here in every layer.
    """
    for weight in _named(recurrence, "weight_hh"):
        nn.init.eye_(weight)
    for weight in _named(recurrence, "weight_ih"):
        nn.init.normal_(weight, std=0.001)
    for bias in _named(recurrence, "bias"):
        nn.init.zeros_(bias)


def start_orthogonal(recurrence: nn.RNNBase) -> None:
    """Draw recurrent weights that keep every state's length; Xavier input weights, biases 0."""
    for weight in _named(recurrence, "weight_hh"):
        nn.init.orthogonal_(weight)
    for weight in _named(recurrence, "weight_ih"):
        nn.init.xavier_uniform_(weight)
    for bias in _named(recurrence, "bias"):
        nn.init.zeros_(bias)


def start_remembering(recurrence: nn.RNNBase) -> None:
    """Set the bias of an LSTM's forget gate to 1 (Jozefowicz, Zaremba and Sutskever, 2015).

    torch.nn has two biases that add: one is 1, the other 0. The rest stays as it was drawn.
    """
    for bias in _named(recurrence, "bias_ih"):
        nn.init.ones_(bias.chunk(4)[1])
    for bias in _named(recurrence, "bias_hh"):
        nn.init.zeros_(bias.chunk(4)[1])


def start_chrono(recurrence: nn.RNNBase, time: int) -> None:
    """Spread the memories of an LSTM's gates over the sequence (Tallec and Ollivier, 2018).

    b_f = log u with u ~ U(1, T_max − 1), b_i = −b_f: a unit with forget bias log u keeps a value
    for about u steps. T_max is ``time``, and at least 3: below that the range would be empty. One
    of torch.nn's two biases is that, the other 0. The rest stays as it was drawn.
    """
    longest = max(time, 3)
    for bias in _named(recurrence, "bias_ih"):
        input_gate, forget_gate, _, _ = bias.chunk(4)
        nn.init.uniform_(forget_gate, 1, longest - 1).log_()
        input_gate.copy_(-forget_gate)
    for bias in _named(recurrence, "bias_hh"):
        input_gate, forget_gate, _, _ = bias.chunk(4)
        nn.init.zeros_(input_gate)
        nn.init.zeros_(forget_gate)


def _named(recurrence: nn.RNNBase, start: str) -> Iterator[Tensor]:
    for name, parameter in recurrence.named_parameters():
        if name.startswith(start):
            yield parameter.detach()
