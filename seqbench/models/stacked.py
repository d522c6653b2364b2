"""Layers of any recurrence on top of each other, in one direction or in both."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqbench.models.model import Encoder, EncoderSizes
from seqbench.models.readout import Encoding

MakeLayer = Callable[[int], nn.Module]
"""From input features to a module (batch, time, features) → (batch, time, hidden) that at each
step has seen the steps up to there and no others."""


class StackedEncoder(Encoder):
    """An encoder of layers that are modules of their own, with dropout between them.

    A second direction is the same kind of layer on the reversed sequence, its outputs put back in
    the order of time; every layer after the first reads both directions.

    Parameters
    ----------
    make_layer
        Builds one direction of one layer, `MakeLayer`. Called layer by layer, forwards first.
    sizes
        Features, hidden units, layers, dropout, directions.
    """

    def __init__(self, make_layer: MakeLayer, sizes: EncoderSizes) -> None:
        super().__init__()
        self.width = sizes.directions * sizes.hidden
        self.layers = nn.ModuleList()
        for layer in range(sizes.layers):
            features = self.width if layer else sizes.features
            self.layers.append(nn.ModuleList(make_layer(features) for _ in range(sizes.directions)))
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        steps = inputs
        for place, directions in enumerate(self.layers):
            steps = self.dropout(steps) if place else steps
            forwards, *backwards = directions.children()
            outputs = [forwards(steps), *(each(steps.flip(1)).flip(1) for each in backwards)]
            steps = torch.cat(outputs, dim=2) if backwards else outputs[0]
        ends = [outputs[0][:, -1], *(each[:, 0] for each in outputs[1:])]
        return Encoding(steps, torch.stack(ends))
