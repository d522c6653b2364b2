"""The LSTM with peepholes: without them torch.nn's, with them the paper's equations."""

import torch
from torch import nn

from seqbench.models.peephole import PeepholeLayer


def test_without_peepholes_it_is_torchs_lstm() -> None:
    layer, plain = PeepholeLayer(5, 3).double(), nn.LSTM(3, 5, batch_first=True).double()
    with torch.no_grad():
        layer.peepholes.zero_()
        input_weight, hidden_weight, input_bias, hidden_bias = plain.all_weights[0]
        layer.input.weight.copy_(input_weight)
        layer.input.bias.copy_(input_bias + hidden_bias)
        layer.recurrent.weight.copy_(hidden_weight)
    inputs = torch.randn(4, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(inputs), plain(inputs)[0], rtol=0, atol=1e-12)


def test_gates_see_the_cell_unit_by_unit() -> None:
    """By hand with weights of zeros: only the biases and the peepholes speak."""
    layer = PeepholeLayer(1, 1).double()
    b_i, b_f, b_g, b_o, p_i, p_f, p_o = 0.3, -0.2, 0.8, 0.1, 0.5, -0.7, 0.9
    with torch.no_grad():
        layer.input.weight.zero_()
        layer.recurrent.weight.zero_()
        layer.input.bias.copy_(torch.tensor([b_i, b_f, b_g, b_o]))
        layer.peepholes.copy_(torch.tensor([[p_i], [p_f], [p_o]]))
    c = torch.zeros((), dtype=torch.float64)
    shown = layer(torch.zeros(1, 4, 1, dtype=torch.float64)).flatten()
    for t in range(4):
        i, f = torch.sigmoid(b_i + p_i * c), torch.sigmoid(b_f + p_f * c)
        c = f * c + i * torch.tanh(torch.tensor(b_g, dtype=torch.float64))
        h = torch.sigmoid(b_o + p_o * c) * c.tanh()
        torch.testing.assert_close(shown[t], h, rtol=0, atol=1e-6)
