"""The cells gate by gate: equal to torch.nn in outputs and in every gradient."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from seqbench.models.model import EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.models.reference import (
    GruGates,
    LstmGates,
    ReferenceEncoder,
    Weights,
    gru_step,
    lstm_step,
    read_layers,
)

CELLS: dict[str, tuple[Callable[..., nn.RNNBase], dict[str, Any]]] = {
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (nn.LSTM, {}),
    "projection": (nn.LSTM, {"proj_size": 2}),
    "gru": (nn.GRU, {}),
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_reference_equals_torch_in_outputs_and_every_gradient(
    cell: str, bidirectional: bool, layers: int
) -> None:
    module, options = CELLS[cell]
    sizes = EncoderSizes(features=3, hidden=5, layers=layers, bidirectional=bidirectional)
    native = NativeEncoder(module, sizes, **options).double()
    reference = ReferenceEncoder(module, sizes, **options).double()
    reference.load_state_dict(native.state_dict())
    inputs = torch.randn(4, 7, 3, dtype=torch.float64)
    weights = torch.randn(4, 7, native.width, dtype=torch.float64)
    found = []
    for encoder in (native, reference):
        x = inputs.clone().requires_grad_()
        steps, final, _ = encoder(x)
        ((steps * weights).sum() + final.square().sum()).backward()
        found.append([steps, final, x.grad, *(weight.grad for weight in encoder.parameters())])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_dropout_acts_between_layers_and_while_training_only() -> None:
    inputs = torch.randn(2, 5, 3)
    several = ReferenceEncoder(nn.GRU, EncoderSizes(3, 8, 2, dropout=0.5))
    assert not torch.equal(several(inputs).steps, several(inputs).steps)
    several.eval()
    native = NativeEncoder(nn.GRU, EncoderSizes(3, 8, 2, dropout=0.5)).eval()
    native.load_state_dict(several.state_dict())
    torch.testing.assert_close(several(inputs).steps, native(inputs).steps)

    several.train()
    first, last = read_layers(several, inputs)
    again, _ = read_layers(several, inputs)
    assert torch.equal(first[0].steps, again[0].steps)
    assert last[0].steps.abs().min() > 0


def test_gates_tell_the_whole_story_of_the_cell() -> None:
    encoder = ReferenceEncoder(nn.LSTM, EncoderSizes(3, 4, 2, bidirectional=True)).double()
    inputs = torch.randn(2, 6, 3, dtype=torch.float64)
    for layer in read_layers(encoder, inputs):
        for direction, reading in enumerate(layer):
            steps, gates = reading if direction == 0 else reading.reversed()
            assert isinstance(gates, LstmGates)
            cell = torch.zeros(2, 4, dtype=torch.float64)
            for t in range(6):
                cell = gates.forget[:, t] * cell + gates.input[:, t] * gates.candidate[:, t]
                shown = gates.output[:, t] * cell.tanh()
                torch.testing.assert_close(steps[:, t], shown, rtol=0, atol=1e-12)
    assert len(list(read_layers(encoder, inputs))) == 2


def test_gates_of_a_gru_tell_the_whole_story_of_the_state() -> None:
    encoder = NativeEncoder(nn.GRU, EncoderSizes(3, 4, 2, bidirectional=True)).double()
    inputs = torch.randn(2, 6, 3, dtype=torch.float64)
    for layer in read_layers(encoder, inputs):
        for direction, reading in enumerate(layer):
            steps, gates = reading if direction == 0 else reading.reversed()
            assert isinstance(gates, GruGates)
            state = torch.zeros(2, 4, dtype=torch.float64)
            for t in range(6):
                new = (1 - gates.update[:, t]) * gates.candidate[:, t]
                state = new + gates.update[:, t] * state
                torch.testing.assert_close(steps[:, t], state, rtol=0, atol=1e-12)


def saturated(gates: int, open_gates: dict[int, float]) -> Weights:
    """Return weights of zeros, but for the bias of some gates; one unit, one feature."""
    bias = torch.zeros(gates)
    for gate, value in open_gates.items():
        bias[gate] = value
    return Weights(torch.zeros(gates, 1), torch.zeros(gates, 1), bias, torch.zeros(gates))


def test_an_open_forget_gate_keeps_the_cell_and_a_closed_one_loses_it() -> None:
    x, h, c = torch.rand(1, 1), torch.rand(1, 1), torch.tensor([[0.7]])
    closed_input = {0: -100.0}
    _, kept, gates = lstm_step(x, h, c, saturated(4, {1: 100.0, **closed_input}))
    assert kept.item() == pytest.approx(0.7)
    assert gates.forget.item() == 1
    _, lost, gates = lstm_step(x, h, c, saturated(4, {1: -100.0, **closed_input}))
    assert lost.item() == 0
    assert gates.input.item() == pytest.approx(0)


def test_an_open_update_gate_of_the_gru_keeps_the_state() -> None:
    x, h = torch.rand(1, 1), torch.tensor([[0.7]])
    kept, gates = gru_step(x, h, saturated(3, {1: 100.0}))
    assert kept.item() == pytest.approx(0.7)
    assert gates.update.item() == 1
    assert gru_step(x, h, saturated(3, {1: -100.0}))[0].item() == 0
