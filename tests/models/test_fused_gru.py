"""The fused GRU, whose state is kept as (h + 1) / 2: what that does to rounding."""

import torch
from torch import nn

from seqbench.models.fused_gru import FusedGruEncoder
from seqbench.models.model import EncoderSizes
from seqbench.models.native import NativeEncoder


def test_float32_states_stay_within_its_rounding_of_torchs() -> None:
    sizes = EncoderSizes(28, 128, 2)
    native, fused = NativeEncoder(nn.GRU, sizes), FusedGruEncoder(sizes)
    fused.load_state_dict(native.state_dict())
    inputs = torch.rand(8, 28, 28)
    torch.testing.assert_close(fused(inputs).steps, native(inputs).steps, rtol=0, atol=2e-6)
