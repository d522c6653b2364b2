"""IndRNN: the element-wise recurrence, its bound and its initial weights."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from seqbench.models.indrnn import IndRnnLayer
from seqbench.models.model import VARIANTS, EncoderSizes, list_projections

Array = NDArray[np.float64]


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


def differentiate_by_hand(
    inputs: Array, from_above: Array, weight: Array, bias: Array, u: Array
) -> tuple[Array, Array, Array]:
    """Return the gradients of W, b and u by backpropagation through time, in plain NumPy."""
    states = [np.zeros((len(inputs), len(u)))]
    for t in range(inputs.shape[1]):
        states.append(np.maximum(0, inputs[:, t] @ weight.T + u * states[-1] + bias))
    of_weight, of_bias, of_u = np.zeros_like(weight), np.zeros_like(bias), np.zeros_like(u)
    from_later = np.zeros_like(states[0])
    for t in reversed(range(inputs.shape[1])):
        inside = (from_above[:, t] + from_later) * (states[t + 1] > 0)
        of_weight += inside.T @ inputs[:, t]
        of_bias += inside.sum(0)
        of_u += (inside * states[t]).sum(0)
        from_later = inside * u
    return of_weight, of_bias, of_u


def test_gradients_are_the_ordinary_ones_beyond_the_bound_too() -> None:
    layer = IndRnnLayer(4, 1.2, 3).double()
    with torch.no_grad():
        layer.recurrent.copy_(torch.tensor([1.5, -1.5, 0.7, 1.2]))
    inputs = torch.randn(5, 6, 3, dtype=torch.float64)
    from_above = torch.randn(5, 6, 4, dtype=torch.float64)
    weights = [layer.input.weight, layer.input.bias, layer.recurrent]
    ordinary = differentiate_by_hand(
        inputs.numpy(), from_above.numpy(), *(each.detach().numpy() for each in weights)
    )
    gradients = torch.autograd.grad(layer(inputs), weights, from_above)
    for ours, theirs in zip(gradients, ordinary, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-12)


def test_gradients_of_a_batchs_shares_sum_to_the_batchs_beyond_the_bound() -> None:
    layer = IndRnnLayer(1, 1.5, 1).double()
    with torch.no_grad():
        layer.input.weight.fill_(1)
        layer.recurrent.fill_(1.6)
    inputs = torch.ones(2, 2, 1, dtype=torch.float64)
    from_above = torch.tensor([[[0.0], [-3.0]], [[0.0], [1.0]]], dtype=torch.float64)
    # h_2 = 1 + u · 1, so that the gradient of u is what comes from above
    shares = [
        torch.autograd.grad(layer(inputs[one]), layer.recurrent, from_above[one])[0].item()
        for one in (slice(0, 1), slice(1, 2))
    ]
    assert shares == [-3.0, 1.0]
    (whole,) = torch.autograd.grad(layer(inputs), layer.recurrent, from_above)
    assert whole.item() == -2.0


@pytest.mark.parametrize(("name", "directions"), [("indrnn", 1), ("biindrnn", 2)])
def test_a_projection_cuts_the_recurrent_weights_of_every_layer_and_direction(
    name: str, directions: int
) -> None:
    time = 10
    encoder = VARIANTS[name](EncoderSizes(3, 4, 3, time=time)).double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.copy_(3 * torch.randn_like(parameter))
    before = {key: weights.detach().clone() for key, weights in encoder.named_parameters()}
    projections = list_projections(nn.Sequential(encoder, nn.Linear(4, 2)))
    assert len(projections) == 3 * directions
    for project in projections:
        project()
    for key, weights in encoder.named_parameters():
        expected = before[key].numpy()
        if key.endswith("recurrent"):
            expected = np.clip(expected, -(2 ** (1 / time)), 2 ** (1 / time))
            assert not np.array_equal(expected, before[key].numpy())
        np.testing.assert_array_equal(weights.detach().numpy(), expected)
        assert weights.requires_grad
        assert weights.is_leaf


def test_a_weight_cut_to_its_bound_is_held_there_and_comes_back() -> None:
    layer = IndRnnLayer(1, 1.5, 1)
    with torch.no_grad():
        layer.input.weight.fill_(1)
        layer.recurrent.fill_(1.5)
    descent = torch.optim.SGD([layer.recurrent], lr=0.01)
    found = []
    for wish in (1.0, -1.0):
        descent.zero_grad()
        (-wish * layer(torch.ones(1, 2, 1))[0, -1]).sum().backward()
        descent.step()
        layer.project()
        found.append(layer.recurrent.item())
    assert found == pytest.approx([1.5, 1.5 - 0.01])
