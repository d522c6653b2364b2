"""The parallel scan: equal to the loop, and to finite differences."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from seqbench.models.scan import recur, scan

DTYPES = st.sampled_from([torch.float64, torch.complex128])


def draw(seed: int, batch: int, time: int, hidden: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(batch, time, hidden, dtype=dtype, generator=generator) for _ in "ab")
    return a / a.abs().clamp(min=1), b  # |a| ≤ 1, or rounding grows with the length


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    time=st.integers(1, 70),
    batch=st.integers(1, 3),
    hidden=st.integers(1, 4),
    shared=st.booleans(),
    dtype=DTYPES,
)
def test_scan_equals_the_loop_in_states_and_gradients(
    seed: int, time: int, batch: int, hidden: int, shared: bool, dtype: torch.dtype
) -> None:
    a, b = draw(seed, batch, time, hidden, dtype)
    a = a[:1] if shared else a
    weights = draw(seed + 1, batch, time, hidden, dtype)[1]
    found = []
    for solve in (scan, recur):
        factors, terms = a.clone().requires_grad_(), b.clone().requires_grad_()
        states = solve(factors, terms)
        (states * weights).abs().square().sum().backward()
        found.append([states, factors.grad, terms.grad])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("examples", [1, 2])
@pytest.mark.parametrize("time", [1, 2, 5])
def test_gradients_equal_finite_differences(dtype: torch.dtype, examples: int, time: int) -> None:
    a, b = draw(0, 2, time, 2, dtype)
    a = a[:examples].clone().requires_grad_()
    b.requires_grad_()
    assert torch.autograd.gradcheck(scan, (a, b))


def test_states_are_those_of_the_definition() -> None:
    a = torch.tensor([9.0, 2.0, 3.0, 4.0]).view(1, 4, 1)
    b = torch.tensor([1.0, 10.0, 100.0, 1000.0]).view(1, 4, 1)
    # 1, 2·1 + 10, 3·12 + 100, 4·136 + 1000
    for solve in (scan, recur):
        assert solve(a, b).flatten().tolist() == [1, 12, 136, 1544]


def test_a_constant_factor_gives_a_geometric_sum() -> None:
    time, factor = 1000, 0.99
    a = torch.full((1, time, 1), factor, dtype=torch.float64)
    states = scan(a, torch.ones(1, time, 1, dtype=torch.float64)).flatten()
    for t in (0, 1, 511, 512, 999):
        assert states[t].item() == pytest.approx((1 - factor ** (t + 1)) / (1 - factor))


def test_a_turning_factor_keeps_its_length() -> None:
    turn = torch.polar(torch.tensor(1.0), torch.tensor(2 * math.pi / 8)).expand(1, 17, 1)
    pulse = torch.zeros(1, 17, 1, dtype=torch.complex64)
    pulse[:, 0] = 1
    states = scan(turn, pulse).flatten()
    torch.testing.assert_close(states.abs(), torch.ones(17))
    torch.testing.assert_close(states[8], torch.tensor(1 + 0j))
