"""Layer normalisation in recurrences: by hand, unit by unit, from the paper's equations."""

import pytest
import torch
from torch import Tensor

from seqbench.models.layer_norm import LayerNormGruLayer, LayerNormLstmLayer

FEATURES, HIDDEN, TIME = 3, 4, 5


def normalise(a: Tensor, gain: Tensor) -> Tensor:
    """Return LN of one vector."""
    return gain * (a - a.mean()) / (a.var(correction=0) + 1e-5).sqrt()


def randomise(layer: torch.nn.Module) -> dict[str, Tensor]:
    """Draw gains and biases too, which start from 1 and 0; return all weights by name."""
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return {name: weight.detach() for name, weight in layer.named_parameters()}


def test_lstm_equals_the_equations() -> None:
    layer = LayerNormLstmLayer(HIDDEN, FEATURES).double()
    w = randomise(layer)
    inputs = torch.randn(1, TIME, FEATURES, dtype=torch.float64)
    h = c = torch.zeros(HIDDEN, dtype=torch.float64)
    for t in range(TIME):
        gates = (
            normalise(w["recurrent.weight"] @ h, w["norm_recurrent.weight"])
            + normalise(w["input.weight"] @ inputs[0, t], w["norm_input.weight"])
            + w["norm_input.bias"]
        )
        i, f, g, o = gates.split(HIDDEN)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * (normalise(c, w["norm_cell.weight"]) + w["norm_cell.bias"]).tanh()
        torch.testing.assert_close(layer(inputs)[0, t], h, rtol=0, atol=1e-12)


def test_gru_equals_the_equations() -> None:
    layer = LayerNormGruLayer(HIDDEN, FEATURES).double()
    w = randomise(layer)
    inputs = torch.randn(1, TIME, FEATURES, dtype=torch.float64)
    h = torch.zeros(HIDDEN, dtype=torch.float64)
    both = 2 * HIDDEN
    for t in range(TIME):
        from_input, from_state = w["input.weight"] @ inputs[0, t], w["recurrent.weight"] @ h
        r, z = (
            normalise(from_state[:both], w["norm_recurrent.weight"])
            + normalise(from_input[:both], w["norm_input.weight"])
            + w["norm_input.bias"]
        ).split(HIDDEN)
        ahead, behind = (
            normalise(product[both:], w[f"norm_candidate_{side}.weight"])
            + w[f"norm_candidate_{side}.bias"]
            for product, side in ((from_input, "input"), (from_state, "recurrent"))
        )
        n = (ahead + r.sigmoid() * behind).tanh()
        h = (1 - z.sigmoid()) * n + z.sigmoid() * h
        torch.testing.assert_close(layer(inputs)[0, t], h, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [LayerNormLstmLayer, LayerNormGruLayer])
def test_larger_weights_change_nothing(kind: type[LayerNormLstmLayer]) -> None:
    layer = kind(16, FEATURES).double()
    inputs = torch.randn(2, TIME, FEATURES, dtype=torch.float64)
    before = layer(inputs)
    with torch.no_grad():
        layer.input.weight *= 10
        layer.recurrent.weight *= 10
    torch.testing.assert_close(layer(inputs), before, rtol=0, atol=2e-2)
