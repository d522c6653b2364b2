"""The model contract: a variant is a function from sizes to an `Encoder`.

The encoder is all that a variant brings. The read-out and the linear head on top of it are the
same for all of them, so that what differs between two variants is the recurrence alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from inspect import cleandoc
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from seqbench.errors import UnknownNameError
from seqbench.models.readout import Encoding
from seqbench.registry import Registry
from seqbench.spec import IMPLEMENTATIONS


@dataclass(frozen=True)
class EncoderSizes:
    """What an encoder is built from.

    Parameters
    ----------
    features, hidden, layers
        Input features of a time step, units of a layer for each direction, layers.
    dropout
        Dropout probability between layers.
    time
        Time steps of the sequences to come, for variants whose initial weights or sizes go by it.
    bidirectional
        Whether a second recurrence reads from the end; only for variants that support it.
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
    """Reads a batch of sequences; ``width`` is the size of its output at each step.

    ``reentrant`` states whether several threads may run it at the same time, each on a share of a
    batch.

    Its floating-point operations are counted by a rule, each weight once for each step. A module in
    it, or it itself, with other operations declares them in a method ``products``, see
    `products`.

    A module in it, or it itself, that keeps weights within bounds has a method ``project``, which
    is called after each step of the optimiser, see `list_projections`. Its weights start within
    them.
    """

    width: int
    reentrant: bool = True

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
            What users type, and what the CSV has.
        implementations
            Those that ``sizes.implementation`` may name, the default one first. All of them have
            the same weights under the same names, and equal outputs and gradients to rounding.
        both_directions
            Whether the function heeds ``sizes.bidirectional``: then a second variant, ``bi`` before
            the name, is the same in two directions.
        on_request
            Whether suites that run every variant leave it out; it is still there by name.

        Raises
        ------
        ValueError
            If the name or the implementations are invalid, or what is decorated is
            neither a function nor a class.
        """
        _check_implementations(name, implementations)

        def file(build: Build) -> Build:
            if not callable(build):
                raise ValueError(f"variant {name!r} must be a function or a class, not {build!r}")
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


def _check_implementations(name: str, offered: object) -> None:
    """Raise `ValueError` if a variant offers unknown implementations."""
    known = isinstance(offered, tuple | list) and set(offered) <= set(IMPLEMENTATIONS)
    if not known or not offered:
        raise ValueError(
            f"variant {name!r} offers the implementations {offered!r}, expected a tuple from "
            f"{', '.join(IMPLEMENTATIONS)}"
        )


def _in_both_directions(name: str, explanation: str) -> str:
    return (
        f"Bidirectional `{name}`: one direction forward, one backward with its own weights.\n\n"
        f"At each step the outputs of both are concatenated, so steps are\n"
        f"(batch, time, 2·hidden), final is (2, batch, hidden), and every layer after the first\n"
        f"reads twice the width (Schuster and Paliwal, 1997). For sequences that are there as a\n"
        f"whole before an answer is due. Each direction is `{name}`:\n\n{explanation}"
    )


VARIANTS = VariantRegistry("variant")


def select_variants(patterns: Iterable[str] | None) -> tuple[str, ...]:
    """Return the names that any of ``patterns`` fits, in which ``*`` matches anything.

    None selects every default variant.

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
    """Return the implementation in which a variant trains fastest, in float32.

    On the CPU that is the fused one where there is one, else the default one. Measured in the suite
    ``implementations`` (row-mnist, 2 layers of 128 units, batch 128), where medians of training
    steps were compared: a fused one had a speed-up of 1.24 to 1.57 over a native one, compiled and
    reference are slower; a scan and its loop are within 10 % of each other. On CUDA it was not
    raced: torch's own is cuDNN's there, one kernel for a whole sequence.
    """
    offered = VARIANTS[name].implementations
    return "fused" if device == "cpu" and "fused" in offered else offered[0]


def list_projections(model: nn.Module) -> list[Callable[[], None]]:
    """Return the methods ``project`` of a model's modules, to be called after each optimiser step.

    A module that keeps its weights within bounds has one: it takes nothing, and puts the weights
    back in place, without a gradient.
    """
    bounded: list[Any] = [
        module
        for module in model.modules()
        if hasattr(type(module), "project")  # of the class: a layer may have that name as well
    ]
    return [module.project for module in bounded]
