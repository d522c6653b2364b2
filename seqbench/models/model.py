"""The model contract: a variant is a function from sizes to an `Encoder`.

The encoder is all that a variant brings. The read-out and the linear head on top of it are the
same for all of them, so that what differs between two variants is the recurrence alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from seqbench.errors import SettingError
from seqbench.models.readout import READOUTS, Encoding, Readout
from seqbench.registry import Registry
from seqbench.spec import RunSpec


@dataclass(frozen=True)
class EncoderSizes:
    """What an encoder is built from: input features, hidden units, layers, dropout between them.

    ``implementation`` is ``native`` but for variants that offer more, see `implementations`.
    """

    features: int
    hidden: int
    layers: int
    dropout: float = 0.0
    implementation: str = "native"


class Encoder(nn.Module, ABC):
    """Reads a batch of sequences; ``width`` is the size of what it says at each step."""

    width: int

    @abstractmethod
    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        """Encode ``inputs``, starting from a hidden state of zeros."""


Variant = Callable[[EncoderSizes], Encoder]

VARIANTS: Registry[Variant] = Registry("variant")


def offers_fused(variant: Variant) -> Variant:
    """Mark a variant that builds a fused encoder where the sizes ask for one."""
    variant.implementations = ("native", "fused")  # type: ignore[attr-defined]
    return variant


def implementations(name: str) -> tuple[str, ...]:
    """Return the implementations that the variant called ``name`` offers."""
    offered: tuple[str, ...] = getattr(VARIANTS[name], "implementations", ("native",))
    return offered


def fastest_implementation(name: str, device: str) -> str:
    """Return what a variant runs in if nobody says otherwise: fused on the CPU where it can.

    On CUDA torch's own is cuDNN's, one kernel for a whole sequence.
    """
    return "fused" if device == "cpu" and "fused" in implementations(name) else "native"


def check_implementation(spec: RunSpec) -> None:
    """Raise `SettingError` if the variant of ``spec`` does not offer its implementation."""
    offered = implementations(spec.variant)
    if spec.implementation not in offered:
        expected = f"{' or '.join(offered)} for {spec.variant}"
        raise SettingError("implementation", spec.implementation, expected)


class SequenceModel(nn.Module):
    """An encoder, a read-out and a linear head: sequences in, scores for each class out."""

    def __init__(self, encoder: Encoder, readout: Readout, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.readout = readout
        self.head = nn.Linear(encoder.width, outputs)

    def forward(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch outputs"]:
        outputs: Tensor = self.head(self.readout(self.encoder(inputs)))
        return outputs


def build_model(spec: RunSpec, *, features: int, outputs: int) -> SequenceModel:
    """Build the model that ``spec`` names, on the CPU, from torch's current random state.

    Parameters
    ----------
    spec
        Names the variant and the read-out, and gives hidden size, layers and dropout.
    features, outputs
        Input features of each time step, and scores to give: the task's sizes.

    Raises
    ------
    UnknownNameError
        If the variant or the read-out is not registered.
    SettingError
        If the variant does not offer the implementation.
    """
    check_implementation(spec)
    sizes = EncoderSizes(
        features, spec.hidden_size, spec.num_layers, spec.dropout, spec.implementation
    )
    return SequenceModel(VARIANTS[spec.variant](sizes), READOUTS[spec.readout], outputs)


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers training can change."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
