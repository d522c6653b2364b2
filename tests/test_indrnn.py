"""IndRNN: the element-wise recurrence, its bound and its initial weights."""

import pytest
import torch

from seqbench.models.indrnn import IndRnnLayer
from seqbench.models.model import VARIANTS, EncoderSizes


def test_each_unit_remembers_itself_alone() -> None:
    layer = IndRnnLayer(4, 2.0, 3).double()
    weight, bias, u = layer.input.weight, layer.input.bias, layer.recurrent
    inputs = torch.randn(1, 6, 3, dtype=torch.float64)
    states = layer(inputs)[0]
    for unit in range(4):
        h = torch.zeros((), dtype=torch.float64)
        for t in range(6):
            h = (weight[unit] @ inputs[0, t] + u[unit] * h + bias[unit]).clamp(min=0)
            torch.testing.assert_close(states[t, unit], h, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "directions"), [("indrnn", 1), ("biindrnn", 2)])
def test_recurrent_weights_start_as_in_the_paper(name: str, directions: int) -> None:
    time = 20
    encoder = VARIANTS[name](EncoderSizes(3, 500, 3, time=time))
    found = [w for key, w in encoder.named_parameters() if key.endswith("recurrent")]
    assert len(found) == 3 * directions
    for u in found[: 2 * directions]:
        assert 0 <= u.min() < 0.02
        assert 0.98 < u.max() < 1
    for u in found[2 * directions :]:
        assert 0.5 ** (1 / time) <= u.min() < 1 < u.max() <= 2 ** (1 / time)


def test_no_weight_counts_for_more_than_the_bound() -> None:
    limit = 2 ** (1 / 10)
    layer = IndRnnLayer(2, limit, 1).double()
    with torch.no_grad():
        layer.input.weight.fill_(1)
        layer.recurrent.copy_(torch.tensor([5.0, 0.5]))
    pulse = torch.zeros(1, 11, 1, dtype=torch.float64)
    pulse[:, 0] = 1
    torch.testing.assert_close(
        layer(pulse)[0, -1], torch.tensor([2.0, 0.5**10], dtype=torch.float64)
    )


@pytest.mark.parametrize(("wish", "moves"), [(1.0, False), (-1.0, True)])
def test_descent_leads_back_into_the_bounds_and_never_further_out(wish: float, moves: bool) -> None:
    layer = IndRnnLayer(1, 1.5, 1)
    with torch.no_grad():
        layer.input.weight.fill_(1)
        layer.recurrent.fill_(1.6)
    (-wish * layer(torch.ones(1, 3, 1)).sum()).backward()
    assert layer.recurrent.grad is not None
    assert bool(layer.recurrent.grad.any()) is moves
