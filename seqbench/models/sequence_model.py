"""The whole model of a run: a variant's encoder, a read-out and a linear head, and its checks."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqbench.errors import ContractError, UnsupportedError
from seqbench.models.model import VARIANTS, Encoder, EncoderSizes
from seqbench.models.products import Product, apply_weight, list_products
from seqbench.models.readout import READOUTS, Encoding, Readout
from seqbench.spec import RunSpec


def encode_checked(spec: RunSpec, encoder: Encoder, inputs: Tensor) -> Encoding:
    """Encode ``inputs``, real, (batch, time, features), and see that the shapes are right.

    Raises
    ------
    ContractError
        If they are not.
    """
    encoding: object = encoder(inputs)
    if not isinstance(encoding, Encoding):
        got = type(encoding).__name__
        raise ContractError("variant", spec.variant, f"returned {got}, expected an Encoding")
    batch, time, _ = inputs.shape
    steps, final = tuple(encoding.steps.shape), tuple(encoding.final.shape)
    expected = (batch, time, encoder.width)
    if steps != expected:
        fault = f"steps have shape {steps}, expected (batch, time, width) = {expected}"
        raise ContractError("variant", spec.variant, f"returned a wrong shape: {fault}")
    if len(final) != 3 or final[1] != batch or final[0] * final[2] != encoder.width:
        fault = f"final has shape {final}, expected (directions, batch, width ÷ directions) for "
        fault += f"a batch of {batch} and a width of {encoder.width}"
        raise ContractError("variant", spec.variant, f"returned a wrong shape: {fault}")
    return encoding


class SequenceModel(nn.Module):
    """An encoder, a read-out and a linear head: sequences in, scores or values out.

    Tokens, Int (batch, time), become one-hot vectors of ``features`` numbers.
    """

    def __init__(self, encoder: Encoder, readout: Readout, features: int, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.readout = readout
        self.features = features
        self.head = nn.Linear(encoder.width, outputs)

    def forward(
        self, inputs: Float[Tensor, "batch time features"] | Int[Tensor, "batch time"]
    ) -> Tensor:
        outputs: Tensor = self.head(self.readout(self.encoder(self.as_real(inputs))))
        return outputs

    def as_real(
        self, inputs: Float[Tensor, "batch time features"] | Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time features"]:
        """Return real inputs as they are, and tokens as one-hot vectors."""
        if inputs.is_floating_point():
            return inputs
        return nn.functional.one_hot(inputs, self.features).to(self.head.weight.dtype)

    def products(self, batch: int, time: int) -> Iterator[Product]:
        """Yield those of the encoder, then the head's: for as many vectors as are read out."""
        yield from list_products(self.encoder, batch, time)
        steps = torch.empty(batch, time, self.encoder.width, device="meta")
        read = self.readout(Encoding(steps, steps[:, -1][None]))
        yield apply_weight(self.head.weight, read.numel() // self.encoder.width)


def build_model(spec: RunSpec, *, features: int, outputs: int, time: int = 1) -> SequenceModel:
    """Build the model that ``spec`` names, on the CPU, from torch's current random state.

    Parameters
    ----------
    spec
        Names the variant and the read-out, and gives hidden size, layers and dropout.
    features, outputs, time
        Input features of each time step, numbers to give, steps of a sequence: the task's sizes.

    Raises
    ------
    UnsupportedError
        If the variant does not offer the implementation.
    """
    variant = VARIANTS[spec.variant]
    if spec.implementation not in variant.implementations:
        offered = " or ".join(variant.implementations)
        fault = f"{spec.variant} has no implementation {spec.implementation}, only {offered}"
        raise UnsupportedError(fault)
    sizes = EncoderSizes(
        features=features,
        hidden=spec.hidden_size,
        layers=spec.num_layers,
        dropout=spec.dropout,
        time=time,
        implementation=spec.implementation,
    )
    encoder = variant(sizes)
    return SequenceModel(encoder, READOUTS[spec.readout], features, outputs)


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers training can change."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
