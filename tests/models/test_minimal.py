"""minGRU and minLSTM: by hand, step by step, from the paper's equations."""

import torch

from seqbench.models.minimal import MinGruLayer, MinLstmLayer
from seqbench.models.scan import scan


def test_mingru_equals_its_equations() -> None:
    layer = MinGruLayer(4, scan, 3).double()
    (w_z, w_n), (b_z, b_n) = layer.input.weight.chunk(2), layer.input.bias.chunk(2)
    inputs = torch.randn(6, 3, dtype=torch.float64)
    h = torch.zeros(4, dtype=torch.float64)
    for t, x in enumerate(inputs):
        z = torch.sigmoid(w_z @ x + b_z)
        h = (1 - z) * h + z * (w_n @ x + b_n)
        torch.testing.assert_close(layer(inputs[None])[0, t], h, rtol=0, atol=1e-12)


def test_minlstm_equals_its_equations() -> None:
    layer = MinLstmLayer(4, scan, 3).double()
    (w_f, w_i, w_n), (b_f, b_i, b_n) = layer.input.weight.chunk(3), layer.input.bias.chunk(3)
    inputs = torch.randn(6, 3, dtype=torch.float64)
    h = torch.zeros(4, dtype=torch.float64)
    for t, x in enumerate(inputs):
        f, i = torch.sigmoid(w_f @ x + b_f), torch.sigmoid(w_i @ x + b_i)
        h = f / (f + i) * h + i / (f + i) * (w_n @ x + b_n)
        torch.testing.assert_close(layer(inputs[None])[0, t], h, rtol=0, atol=1e-12)


def test_closed_gates_of_minlstm_share_evenly_instead_of_dividing_zero_by_zero() -> None:
    layer = MinLstmLayer(1, scan, 1)
    with torch.no_grad():
        layer.input.weight.zero_()
        layer.input.bias.copy_(torch.tensor([-500.0, -500.0, 1.0]))
    steps = layer(torch.zeros(1, 3, 1)).flatten()
    torch.testing.assert_close(steps, torch.tensor([0.5, 0.75, 0.875]))
