"""LRU: by hand in NumPy's complex numbers, and its initial weights."""

from math import erf, sqrt

import numpy as np
import pytest
import torch

from seqbench.models.lru import LruLayer
from seqbench.models.scan import recur, scan


def test_lru_equals_its_equations() -> None:
    hidden, features, time = 4, 3, 6
    layer = LruLayer(hidden, scan, features).double()
    w = {name: each.detach().numpy() for name, each in layer.named_parameters()}
    eigenvalues = np.exp(-np.exp(w["nu"]) + 1j * np.exp(w["theta"]))
    b = w["input"][:hidden] + 1j * w["input"][hidden:]
    c = w["output"][:, :hidden] + 1j * w["output"][:, hidden:]
    inputs = np.random.default_rng(0).normal(size=(time, features))
    found = layer(torch.from_numpy(inputs)[None])[0].detach().numpy()
    state = np.zeros(hidden, dtype=complex)
    for t in range(time):
        state = eigenvalues * state + np.exp(w["gamma"]) * (b @ inputs[t])
        y = (c @ state).real + w["past"] @ inputs[t]
        bent = y * 0.5 * (1 + np.array([erf(each / sqrt(2)) for each in y]))
        value, gate = np.split(w["gate.weight"] @ bent + w["gate.bias"], 2)
        np.testing.assert_allclose(found[t], value / (1 + np.exp(-gate)), rtol=0, atol=1e-12)


def test_eigenvalues_start_evenly_on_their_ring_and_states_at_size_one() -> None:
    layer = LruLayer(4000, recur, 1)
    eigenvalues = layer.eigenvalues().detach()
    radii = eigenvalues.abs()
    assert 0.9 <= radii.min() < 0.901
    assert 0.998 < radii.max() <= 0.9991
    # evenly over the ring's area: half of them within the radius that halves it
    half = ((0.9**2 + 0.999**2) / 2) ** 0.5
    assert (radii < half).double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert eigenvalues.mean().abs() < 0.05
    torch.testing.assert_close(layer.gamma.exp(), (1 - radii.square()).sqrt(), rtol=1e-3, atol=0)


def test_eigenvalues_stay_inside_the_unit_circle_whatever_is_learnt() -> None:
    layer = LruLayer(3, recur, 1)
    with torch.no_grad():
        layer.nu.copy_(torch.tensor([-8.0, 0.0, 8.0]))
    assert (layer.eigenvalues().abs() < 1).all()
