"""The layers of the package torchrecurrent, where it is installed (``pip install seqbench[zoo]``).

They are not listed by hand: a layer is a class for which the package has a cell of the same name.
So each release of the package brings its own zoo. Without the package nothing is registered.
"""

import importlib
import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from types import ModuleType

from jaxtyping import Float
from torch import Tensor, nn

from seqbench.models.model import VARIANTS, Build, EncoderSizes
from seqbench.models.products import Product, apply_weight, apply_weights
from seqbench.models.stacked import StackedEncoder

PACKAGE = "torchrecurrent"

LEFT_OUT = {
    "IntersectionRNN": "adds its input to its output: the number of features must equal the "
    "hidden size",
}
"""Layers that cannot keep the contract of an encoder, with the reason."""

APPLIED_TWICE = {"GatedAntisymmetricRNN": "weight_hh"}
"""Weights that a layer of the package applies twice to the same state, for gate and candidate."""

SOURCE = re.compile(r"https?://(?:dx\.)?(?:doi|arxiv|openreview|aclanthology|papers)\.[^\s>)`\]]+")


class ZooLayer(nn.Module):
    """One direction of one layer: a layer of the package, its last state ignored."""

    def __init__(self, kind: Callable[..., nn.Module], hidden: int, features: int) -> None:
        super().__init__()
        self.layer = kind(features, hidden, batch_first=True)

    def products(self, batch: int, time: int) -> Iterator[Product]:
        """Yield those of each weight, again for one that is applied twice."""
        yield from apply_weights(self, batch, time)
        again = APPLIED_TWICE.get(type(self.layer).__name__)
        for name, weight in self.layer.named_parameters():
            if name.rpartition(".")[2] == again:
                yield apply_weight(weight, batch * time)

    def forward(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time hidden"]:
        steps: Tensor = self.layer(inputs)[0]
        return steps


def find_layers(package: ModuleType) -> Iterator[type[nn.Module]]:
    """Yield the classes of ``package`` that have a cell: `LEM` because there is a `LEMCell`."""
    for name in sorted(dir(package)):
        if hasattr(package, f"{name}Cell") and name not in LEFT_OUT:
            yield getattr(package, name)


def name_variant(layer: str) -> str:
    """Return the registry key of a layer: ``PeepholeLSTM`` is ``zoo-peephole-lstm``.

    A written-out word is parted from the capitals after it; a short one, as in ``coRNN``, is not.
    """
    return "zoo-" + re.sub(r"(?<=[a-z]{3})(?=[A-Z])", "-", layer).lower()


def explain(layer: type[nn.Module]) -> str:
    """Return what is known of a layer here: its name, and the paper that the package names."""
    cell = getattr(importlib.import_module(PACKAGE), f"{layer.__name__}Cell")
    documentation = f"{layer.__doc__ or ''} {cell.__doc__ or ''}"
    source = SOURCE.search(documentation)
    paper = f"Source: {source.group()}\n\n" if source else ""
    return (
        f"`{layer.__name__}` of the package {PACKAGE}, with its own initial weights.\n\n"
        f"For its equations see the package's documentation. {paper}"
        f"Layers are stacked and reversed here, each a `{layer.__name__}` of one layer.\n\n"
        f"Input (batch, time, features); steps (batch, time, hidden); final (1, batch, hidden)."
    )


def _register(layer: type[nn.Module]) -> None:
    def build(sizes: EncoderSizes) -> StackedEncoder:
        return StackedEncoder(partial(ZooLayer, layer, sizes.hidden), sizes)

    build.__doc__ = explain(layer)
    made: Build = build
    VARIANTS.variant(name_variant(layer.__name__), both_directions=True, on_request=True)(made)


if find_spec(PACKAGE) is not None:
    import torchrecurrent  # type: ignore[import-untyped]

    for _layer in find_layers(torchrecurrent):
        _register(_layer)
