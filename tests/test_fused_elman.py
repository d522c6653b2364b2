"""The fused Elman network: equal to torch.nn's and to finite differences."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from seqbench.models.fused_elman import FusedElmanEncoder
from seqbench.models.model import EncoderSizes
from seqbench.models.native import NativeEncoder


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_fused_equals_native_in_outputs_and_every_gradient(
    bidirectional: bool, layers: int, nonlinearity: str
) -> None:
    sizes = EncoderSizes(features=3, hidden=5, layers=layers, bidirectional=bidirectional)
    native = NativeEncoder(nn.RNN, sizes, nonlinearity=nonlinearity).double()
    fused = FusedElmanEncoder(sizes, nonlinearity=nonlinearity).double()
    fused.load_state_dict(native.state_dict())
    inputs = torch.randn(4, 7, 3, dtype=torch.float64)
    gradients = []
    for encoder in (native, fused):
        x = inputs.clone().requires_grad_()
        steps, final, _ = encoder(x)
        (steps.square().sum() + (final * torch.arange(5.0)).sum()).backward()
        found = [parameter.grad for parameter in encoder.parameters()]
        gradients.append([steps, final, x.grad, *found])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_fused_gradients_equal_finite_differences(nonlinearity: str) -> None:
    sizes = EncoderSizes(2, 3, 2, bidirectional=True)
    encoder = FusedElmanEncoder(sizes, nonlinearity=nonlinearity).double()
    inputs = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: encoder(x).steps, inputs)


def test_a_loss_at_the_end_alone_gives_the_same_gradients_as_through_all_steps() -> None:
    encoder = FusedElmanEncoder(EncoderSizes(2, 3, 2)).double()
    inputs = torch.randn(2, 4, 2, dtype=torch.float64)
    found = []
    for place in ("steps", "final", "at_end"):
        encoding = encoder(inputs)
        end = {
            "steps": encoding.steps[:, -1],
            "final": encoding.final[0],
            "at_end": encoding.at_end,
        }[place]
        found.append(torch.autograd.grad(end.square().sum(), list(encoder.parameters())))
    for other in found[1:]:
        for ours, theirs in zip(other, found[0], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_fused_starts_from_the_weights_of_native_and_drops_out_between_layers() -> None:
    sizes = EncoderSizes(3, 4, 2, dropout=0.5)
    torch.manual_seed(3)
    fused = FusedElmanEncoder(sizes)
    torch.manual_seed(3)
    native = NativeEncoder(nn.RNN, sizes)
    assert fused.state_dict().keys() == native.state_dict().keys()
    assert all(map(torch.equal, fused.parameters(), native.parameters()))
    inputs = torch.rand(2, 5, 3)
    assert not torch.equal(fused(inputs).steps, fused(inputs).steps)
    fused.eval()
    native.eval()
    torch.testing.assert_close(fused(inputs).steps, native(inputs).steps)
    one_layer = FusedElmanEncoder(replace(sizes, layers=1, dropout=0.0))
    assert torch.equal(one_layer(inputs).steps, one_layer(inputs).steps)
