"""The cells of torch.nn written out as equations, gate by gate, one time step after the other.

Slow, and meant to be read: the reference for the other implementations, and what shows the gates of
a trained model. The blocks of a gated cell's weights are stacked as in torch.nn,
so a state dict of one implementation fits the others.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqbench.models.native import NativeEncoder
from seqbench.models.readout import Encoding


class Weights(NamedTuple):
    """The weights of one direction of one layer, or of one gate of it."""

    input: Float[Tensor, "units features"]
    hidden: Float[Tensor, "units hidden"]
    input_bias: Float[Tensor, " units"]
    hidden_bias: Float[Tensor, " units"]
    projection: Float[Tensor, "hidden units"] | None = None

    def gates(self, count: int) -> list["Weights"]:
        """Return the weights of each of ``count`` gates."""
        return [Weights(*each) for each in zip(*(w.chunk(count) for w in self[:4]), strict=True)]

    def of_input(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch units"]:
        """Return W_i x + b_i."""
        return nn.functional.linear(x, self.input, self.input_bias)

    def of_hidden(self, h: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch units"]:
        """Return W_h h + b_h."""
        return nn.functional.linear(h, self.hidden, self.hidden_bias)


class LstmGates(NamedTuple):
    """What an LSTM's gates let through, each value between 0 and 1, and the candidate, ±1."""

    forget: Tensor
    input: Tensor
    output: Tensor
    candidate: Tensor


class GruGates(NamedTuple):
    """What a GRU's gates let through, each value between 0 and 1, and the candidate, ±1."""

    update: Tensor
    reset: Tensor
    candidate: Tensor


def elman_step(
    x: Float[Tensor, "batch features"],
    h: Float[Tensor, "batch hidden"],
    weights: Weights,
    activation: Callable[[Tensor], Tensor] = torch.tanh,
) -> Float[Tensor, "batch hidden"]:
    """Return h_t of an Elman network from x_t and h_{t-1}."""
    return activation(weights.of_input(x) + weights.of_hidden(h))


def lstm_step(
    x: Float[Tensor, "batch features"],
    h: Float[Tensor, "batch hidden"],
    c: Float[Tensor, "batch units"],
    weights: Weights,
) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch units"], LstmGates]:
    """Return h_t, c_t and the gates of an LSTM from x_t, h_{t-1} and c_{t-1}."""
    i, f, g, o = weights.gates(4)
    forget_gate = torch.sigmoid(f.of_input(x) + f.of_hidden(h))
    input_gate = torch.sigmoid(i.of_input(x) + i.of_hidden(h))
    output_gate = torch.sigmoid(o.of_input(x) + o.of_hidden(h))
    candidate = torch.tanh(g.of_input(x) + g.of_hidden(h))
    cell = forget_gate * c + input_gate * candidate
    hidden = output_gate * torch.tanh(cell)
    if weights.projection is not None:
        hidden = nn.functional.linear(hidden, weights.projection)
    return hidden, cell, LstmGates(forget_gate, input_gate, output_gate, candidate)


def gru_step(
    x: Float[Tensor, "batch features"], h: Float[Tensor, "batch hidden"], weights: Weights
) -> tuple[Float[Tensor, "batch hidden"], GruGates]:
    """Return h_t and the gates of a GRU from x_t and h_{t-1}."""
    r, z, n = weights.gates(3)
    reset_gate = torch.sigmoid(r.of_input(x) + r.of_hidden(h))
    update_gate = torch.sigmoid(z.of_input(x) + z.of_hidden(h))
    candidate = torch.tanh(n.of_input(x) + reset_gate * n.of_hidden(h))
    hidden = (1 - update_gate) * candidate + update_gate * h
    return hidden, GruGates(update_gate, reset_gate, candidate)


class Reading(NamedTuple):
    """What one direction of one layer makes of a sequence, in the order of time.

    ``gates`` are there for an LSTM and a GRU, each (batch, time, units).
    """

    steps: Float[Tensor, "batch time hidden"]
    gates: LstmGates | GruGates | None = None

    def reversed(self) -> "Reading":
        """Return the same with time running the other way."""
        gates = self.gates and type(self.gates)(*(gate.flip(1) for gate in self.gates))
        return Reading(self.steps.flip(1), gates)


def read_elman(
    inputs: Float[Tensor, "batch time features"],
    weights: Weights,
    activation: Callable[[Tensor], Tensor] = torch.tanh,
) -> Reading:
    """Read a sequence with an Elman network."""
    h = inputs.new_zeros(len(inputs), weights.hidden.shape[1])
    steps = []
    for x in inputs.unbind(1):
        h = elman_step(x, h, weights, activation)
        steps.append(h)
    return Reading(torch.stack(steps, dim=1))


def read_lstm(inputs: Float[Tensor, "batch time features"], weights: Weights) -> Reading:
    """Read a sequence with an LSTM, and keep its gates."""
    units, hidden = len(weights.hidden) // 4, weights.hidden.shape[1]
    h, c = inputs.new_zeros(len(inputs), hidden), inputs.new_zeros(len(inputs), units)
    steps, gates = [], []
    for x in inputs.unbind(1):
        h, c, at_step = lstm_step(x, h, c, weights)
        steps.append(h)
        gates.append(at_step)
    over_time = LstmGates(*(torch.stack(each, dim=1) for each in zip(*gates, strict=True)))
    return Reading(torch.stack(steps, dim=1), over_time)


def read_gru(inputs: Float[Tensor, "batch time features"], weights: Weights) -> Reading:
    """Read a sequence with a GRU, and keep its gates."""
    h = inputs.new_zeros(len(inputs), weights.hidden.shape[1])
    steps, gates = [], []
    for x in inputs.unbind(1):
        h, at_step = gru_step(x, h, weights)
        steps.append(h)
        gates.append(at_step)
    over_time = GruGates(*(torch.stack(each, dim=1) for each in zip(*gates, strict=True)))
    return Reading(torch.stack(steps, dim=1), over_time)


READ: dict[str, Callable[[Tensor, Weights], Reading]] = {
    "RNN_TANH": read_elman,
    "RNN_RELU": partial(read_elman, activation=torch.relu),
    "LSTM": read_lstm,
    "GRU": read_gru,
}
"""How to read a sequence with each of torch.nn's kinds of recurrence."""


def read_layers(
    encoder: NativeEncoder, inputs: Float[Tensor, "batch time features"]
) -> Iterator[list[Reading]]:
    """Yield, layer by layer, what each direction makes of ``inputs`` by the equations."""
    recurrence, steps = encoder.recurrence, inputs
    read = READ[recurrence.mode]
    for layer, (forwards, *backwards) in enumerate(encoder.weights()):
        if layer > 0:
            steps = nn.functional.dropout(steps, recurrence.dropout, encoder.training)
        readings = [read(steps, Weights(*forwards))]
        readings += [read(steps.flip(1), Weights(*each)).reversed() for each in backwards]
        yield readings
        steps = torch.cat([reading.steps for reading in readings], dim=2)


class ReferenceEncoder(NativeEncoder):
    """`NativeEncoder` with its recurrence written out: equal weights, outputs and gradients."""

    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        *_, (forwards, *backwards) = read_layers(self, inputs)
        steps = torch.cat([forwards.steps, *(each.steps for each in backwards)], dim=2)
        ends = [forwards.steps[:, -1], *(each.steps[:, 0] for each in backwards)]
        return Encoding(steps, torch.stack(ends))
