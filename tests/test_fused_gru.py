"""The fused GRU: equal to torch.nn's and to finite differences, whatever the blocks of steps."""

import pytest
import torch
from torch import nn

from seqbench.models import fused_gru
from seqbench.models.fused_gru import FusedGruEncoder
from seqbench.models.model import EncoderSizes
from seqbench.models.native import NativeEncoder


@pytest.mark.parametrize("time", [1, 3, 6, 7])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_blocks_of_steps_change_nothing(
    monkeypatch: pytest.MonkeyPatch, bidirectional: bool, time: int
) -> None:
    monkeypatch.setattr(fused_gru, "BLOCK", 3)
    sizes = EncoderSizes(features=2, hidden=4, layers=2, bidirectional=bidirectional)
    native = NativeEncoder(nn.GRU, sizes).double()
    fused = FusedGruEncoder(sizes).double()
    fused.load_state_dict(native.state_dict())
    inputs, results = torch.randn(3, time, 2, dtype=torch.float64), []
    for encoder in (native, fused):
        steps, final, _ = encoder(inputs)
        loss = steps.square().sum() + final.sum()
        results.append([steps, *torch.autograd.grad(loss, list(encoder.parameters()))])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_float32_states_stay_within_its_rounding_of_torchs() -> None:
    sizes = EncoderSizes(28, 128, 2)
    native, fused = NativeEncoder(nn.GRU, sizes), FusedGruEncoder(sizes)
    fused.load_state_dict(native.state_dict())
    inputs = torch.rand(8, 28, 28)
    torch.testing.assert_close(fused(inputs).steps, native(inputs).steps, rtol=0, atol=2e-6)
