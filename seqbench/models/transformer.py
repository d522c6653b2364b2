"""A small causal transformer encoder (Vaswani and others, 2017)."""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqbench.models.context import ContextEncoder
from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.products import Product, apply_weights


@VARIANTS.variant("transformer", on_request=True)
def transformer(sizes: EncoderSizes) -> ContextEncoder:
    """Causal transformer encoder: each step attends to itself and to those before it.

    y⁰_t = W x_t + b + position_t
    a    = y + attention(LN(y))                     softmax(q_tᵀ k_s / √d) over s ≤ t, for each head
    y′   = a + V₂ GELU(V₁ LN(a))                    4·hidden wide inside
    h_t  = LN(y_t) after the last layer

    As many heads as the greatest of 4, 2, 1 that divides hidden; sinusoidal positions (Vaswani and
    others, 2017); normalisation first, as in GPT-2, which trains without a warm-up of the learning
    rate. Dropout acts on what attention and the inner layer add. Time and memory grow with the
    square of the length. Good for seeing what a model without a state does with the same data.

    Input (batch, time, features), at most as many steps as the task has; steps
    (batch, time, hidden); final (1, batch, hidden).
    """
    hidden = sizes.hidden
    heads = max(count for count in (1, 2, 4) if hidden % count == 0)
    blocks = [AttentionBlock(hidden, heads, sizes.dropout) for _ in range(sizes.layers)]
    enter = nn.Linear(sizes.features, hidden), Positions(hidden, sizes.time)
    return ContextEncoder(sizes, *enter, *blocks, nn.LayerNorm(hidden))


class Positions(nn.Module):
    """Adds sine and cosine of the time step, at wavelengths from 2π to 20,000π."""

    waves: Tensor

    def __init__(self, hidden: int, time: int) -> None:
        super().__init__()
        pairs = math.ceil(hidden / 2)
        rates = torch.exp(torch.arange(pairs) * (-math.log(10_000) / pairs))
        angles = torch.arange(time)[:, None] * rates
        waves = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :hidden]
        self.register_buffer("waves", waves, persistent=False)

    def forward(
        self, inputs: Float[Tensor, "batch time hidden"]
    ) -> Float[Tensor, "batch time hidden"]:
        return inputs + self.waves[: inputs.shape[1]]


class AttentionBlock(nn.Module):
    """One layer: attention over the steps so far, then a perceptron at each step."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(hidden)
        self.project = nn.Linear(hidden, 3 * hidden, bias=False)
        self.join = nn.Linear(hidden, hidden)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(hidden),
            nn.Linear(hidden, 4 * hidden),
            nn.GELU(),
            nn.Linear(4 * hidden, hidden),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, inputs: Float[Tensor, "batch time hidden"]
    ) -> Float[Tensor, "batch time hidden"]:
        attended = inputs + self.dropout(self.attend(self.norm_attention(inputs)))
        steps: Tensor = attended + self.dropout(self.perceptron(attended))
        return steps

    def products(self, batch: int, time: int) -> Iterator[Product]:
        """Yield those with weights, then queries with keys and scores with values."""
        yield from apply_weights(self, batch, time)
        size = self.join.in_features // self.heads
        yield Product(time, size, time, times=batch * self.heads)
        yield Product(time, time, size, times=batch * self.heads)

    def attend(
        self, inputs: Float[Tensor, "batch time hidden"]
    ) -> Float[Tensor, "batch time hidden"]:
        """Return what each step finds in itself and the steps before it."""
        by_head = self.project(inputs).unflatten(2, (3, self.heads, -1))
        query, key, value = by_head.permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        joined: Tensor = self.join(found.transpose(1, 2).flatten(2))
        return joined
