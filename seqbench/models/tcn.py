"""The temporal convolutional network (Bai, Kolter and Koltun, 2018)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from seqbench.models.context import ContextEncoder
from seqbench.models.model import VARIANTS, EncoderSizes

KERNEL = 7


@VARIANTS.variant("tcn", on_request=True)
def tcn(sizes: EncoderSizes) -> ContextEncoder:
    """TCN (Bai and others, 2018): dilated causal convolutions instead of a state.

    block_l(y) = max(0, skip(y) + F(F(y)))    F = dropout ∘ ReLU ∘ convolution, 2ˡ steps apart

    Block l = 0, 1, … covers twice the history of the one before: n blocks with kernels of 7 steps
    see 1 + 12 (2ⁿ − 1) steps. There are ``layers`` of them, and more if those do not see
    the task's whole sequence: 2 blocks for 28 steps, 7 for 784. Weights are kept as direction and
    length (weight normalisation); ``skip`` is a linear map where the widths differ. Dropout acts in
    each block, as in the paper. Initial weights are those of ``nn.Conv1d``.

    Good for long sequences on hardware that does much at once. Input (batch, time, features), at
    most as many steps as the task has; steps (batch, time, hidden); final (1, batch, hidden).
    """
    blocks = []
    for level in range(max(sizes.layers, levels_to_see(sizes.time))):
        features = sizes.hidden if level else sizes.features
        blocks.append(ConvolutionBlock(features, sizes.hidden, 2**level, sizes.dropout))
    return ContextEncoder(sizes, *blocks)


def levels_to_see(time: int) -> int:
    """Return how many blocks it takes for the last step to see ``time`` steps."""
    levels = 1
    while 1 + 2 * (KERNEL - 1) * (2**levels - 1) < time:
        levels += 1
    return levels


class ConvolutionBlock(nn.Module):
    """Two causal convolutions and the way round them."""

    def __init__(self, features: int, hidden: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.reach = (KERNEL - 1) * dilation
        self.first = weight_norm(nn.Conv1d(features, hidden, KERNEL, dilation=dilation))
        self.second = weight_norm(nn.Conv1d(hidden, hidden, KERNEL, dilation=dilation))
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Identity() if features == hidden else nn.Linear(features, hidden)

    def forward(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time hidden"]:
        channels = inputs.transpose(1, 2)
        for convolution in (self.first, self.second):
            past = nn.functional.pad(channels, (self.reach, 0))
            channels = self.dropout(convolution(past).relu())
        return torch.relu(self.skip(inputs) + channels.transpose(1, 2))
