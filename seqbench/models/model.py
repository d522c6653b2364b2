"""The model contract: a variant is a function from sizes to an `Encoder`.

The encoder is all that a variant brings. The read-out and the linear head on top of it are the
same for all of them, so that what differs between two variants is the recurrence alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from inspect import cleandoc

from jaxtyping import Float, Int
from torch import Tensor, nn

from seqbench.errors import ContractError, SettingError, UnknownNameError
from seqbench.models.readout import READOUTS, Encoding, Readout
from seqbench.registry import Registry
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task


@dataclass(frozen=True)
class EncoderSizes:
    """What an encoder is built from.

    Parameters
    ----------
    features, hidden, layers
        Input features of a time step, units of a layer for each direction, layers.
    dropout
        Share dropped between layers.
    time
        Time steps of the sequences to come, for variants whose initial weights or sizes go by it.
    bidirectional
        Whether a second recurrence reads from the end; only for variants that say they can.
    implementation
        One of those that the variant offers.
    """

    features: int
    hidden: int
    layers: int
    dropout: float = 0.0
    time: int = 1
    bidirectional: bool = False
    implementation: str = "native"

    @property
    def directions(self) -> int:
        """How many recurrences read the sequence: 1 or 2."""
        return 2 if self.bidirectional else 1


class Encoder(nn.Module, ABC):
    """Reads a batch of sequences; ``width`` is the size of what it says at each step."""

    width: int

    @abstractmethod
    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        """Encode ``inputs``, starting from a hidden state of zeros."""


Build = Callable[[EncoderSizes], Encoder]


@dataclass(frozen=True)
class Variant:
    """A registered variant: what builds its encoder, and what it offers.

    Calling it builds an encoder. ``explanation`` is its docstring.
    """

    build: Build
    explanation: str
    implementations: tuple[str, ...] = ("native",)
    bidirectional: bool = False
    on_request: bool = False

    def __call__(self, sizes: EncoderSizes) -> Encoder:
        return self.build(replace(sizes, bidirectional=self.bidirectional))


class VariantRegistry(Registry[Variant]):
    """The variants: functions from sizes to an encoder, and what is known of each."""

    def variant(
        self,
        name: str,
        *,
        implementations: tuple[str, ...] = ("native",),
        both_directions: bool = False,
        on_request: bool = False,
    ) -> Callable[[Build], Build]:
        """Return a decorator that files a function from `EncoderSizes` to `Encoder`.

        Parameters
        ----------
        name
            What people type, and what stands in the CSV.
        implementations
            Those that ``sizes.implementation`` may name, the ordinary one first. All of them have
            the same weights under the same names, and equal outputs and gradients to rounding.
        both_directions
            Whether the function heeds ``sizes.bidirectional``: then a second variant, ``bi`` before
            the name, is the same in two directions.
        on_request
            Whether suites that run every variant leave it out; it is still there by name.
        """

        def file(build: Build) -> Build:
            explanation = cleandoc(build.__doc__ or "")
            made = Variant(build, explanation, implementations, False, on_request)
            self.register(name)(made)
            if both_directions:
                twin = replace(
                    made, bidirectional=True, explanation=_in_both_directions(name, explanation)
                )
                self.register(f"bi{name}")(twin)
            return build

        return file


def _in_both_directions(name: str, explanation: str) -> str:
    return (
        f"Bidirectional `{name}`: one reads forwards, one with its own weights backwards.\n\n"
        f"At each step the outputs of both stand side by side, so steps are\n"
        f"(batch, time, 2·hidden), final is (2, batch, hidden), and every layer after the first\n"
        f"reads twice the width (Schuster and Paliwal, 1997). For sequences that are there as a\n"
        f"whole before an answer is due. Each direction is `{name}`:\n\n{explanation}"
    )


VARIANTS = VariantRegistry("variant")


def select_variants(patterns: Iterable[str] | None) -> tuple[str, ...]:
    """Return the names that any of ``patterns`` fits, in which ``*`` stands for anything.

    None selects every variant that does not wait to be asked for.

    Raises
    ------
    UnknownNameError
        If nothing fits a pattern.
    """
    if patterns is None:
        return tuple(name for name in VARIANTS if not VARIANTS[name].on_request)
    selected: list[str] = []
    for pattern in patterns:
        fitting = [name for name in VARIANTS if fnmatchcase(name, pattern)]
        if not fitting:
            raise UnknownNameError(VARIANTS.kind, pattern, VARIANTS)
        selected += [name for name in fitting if "*" not in pattern or name not in selected]
    return tuple(selected)


def fastest_implementation(name: str, device: str) -> str:
    """Return what a variant runs in if nobody says otherwise.

    That is its ordinary one, but on the CPU the fused one where there is one: on CUDA torch's own
    is cuDNN's, one kernel for a whole sequence.
    """
    offered = VARIANTS[name].implementations
    return "fused" if device == "cpu" and "fused" in offered else offered[0]


def fits_task(variant: Variant, task: Task) -> bool:
    """Tell whether a variant reads no more of a sequence than the task allows."""
    return task.looks_ahead or not variant.bidirectional


def check_model(spec: RunSpec, task: Task) -> None:
    """Raise `UsageError` if the model that ``spec`` names does not exist or does not fit ``task``.

    An `UnknownNameError` for a variant or a read-out that is not registered, a `SettingError` for
    an implementation that the variant does not offer, a read-out that does not give what the task
    takes, and a bidirectional variant where it would read the answer.
    """
    variant = VARIANTS[spec.variant]
    _ = READOUTS[spec.readout]
    if spec.implementation not in variant.implementations:
        expected = f"{' or '.join(variant.implementations)} for {spec.variant}"
        raise SettingError("implementation", spec.implementation, expected)
    if spec.readout not in task.readouts:
        raise SettingError("readout", spec.readout, f"{' or '.join(task.readouts)} for {spec.task}")
    if not fits_task(variant, task):
        expected = f"one that reads forwards for {spec.task}: what comes next is the answer there"
        raise SettingError("variant", spec.variant, expected)


def check_encoding(spec: RunSpec, encoder: Encoder, inputs: Tensor) -> None:
    """Encode ``inputs`` and raise `ContractError` if what comes back has not the right shape.

    ``inputs`` are real, (batch, time, features).
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


def build_model(spec: RunSpec, *, features: int, outputs: int, time: int = 1) -> SequenceModel:
    """Build the model that ``spec`` names, on the CPU, from torch's current random state.

    Parameters
    ----------
    spec
        Names the variant and the read-out, and gives hidden size, layers and dropout.
    features, outputs, time
        Input features of each time step, numbers to give, steps of a sequence: the task's sizes.
    """
    sizes = EncoderSizes(
        features=features,
        hidden=spec.hidden_size,
        layers=spec.num_layers,
        dropout=spec.dropout,
        time=time,
        implementation=spec.implementation,
    )
    encoder = VARIANTS[spec.variant](sizes)
    return SequenceModel(encoder, READOUTS[spec.readout], features, outputs)


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers training can change."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
