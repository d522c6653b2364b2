"""The work in a model by formula: the matrix products of a forward pass, and what they add up to.

What counts, and how, is what ``torch.utils.flop_counter`` and the literature's "model FLOPs" count:
matrix products and convolutions, two operations for each multiplication with its addition.
Element-wise work (gates, activations, normalisation, scans, Fourier transforms) does not count. A
training step counts as `TRAINING_PASSES` forward passes. `torch_flops` is the other side: what
torch counts while a model runs.

A product counts whatever its values are: the recurrent one of the first step, with a
state of zeros, and the half of attention's that the mask throws away.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Protocol, runtime_checkable

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

TRAINING_PASSES = 3
"""Forward passes that a training step is worth: one forwards, and backwards one product for the
gradient of each of the two operands (Kaplan and others, 2020, section 2.1; PaLM, Chowdhery and
others, 2022, appendix B).

Really it is a little less, since the gradient is not needed of a sequence or of the first state: at
the notebook's sizes 3.0 % less for `rnn`, `lstm` and `gru` written out, and a third less for
`linear`, where the first layer is nearly all. `fused` spares some more, 4.5 % in all; oneDNN's LSTM
spares nothing."""


@dataclass(frozen=True)
class Product:
    """Matrix products (rows, inner) · (inner, columns) of one shape.

    Parameters
    ----------
    rows, inner, columns
        Sizes of the operands.
    times
        How many such products there are, each of operands of its own.
    overlap
        Number of places of each element of the left operand: the length of the kernel in a
        convolution, where ``inner`` is channels times kernel.
    parts
        Real numbers in a number: 1, or 2 where all are complex.
    """

    rows: int
    inner: int
    columns: int
    times: int = 1
    overlap: int = 1
    parts: int = 1

    @property
    def flops(self) -> int:
        """Floating-point operations: 2 for a multiplication and its addition, 8 if complex."""
        return 2 * self.times * self.rows * self.inner * self.columns * self.parts**2

    def bytes(self, itemsize: int) -> int:
        """Return bytes to move if each operand is read once and each result written once.

        ``itemsize`` is the bytes of a real number.
        """
        left = self.rows * self.inner // self.overlap
        numbers = left + self.inner * self.columns + self.rows * self.columns
        return self.times * self.parts * itemsize * numbers


@runtime_checkable
class TellsProducts(Protocol):
    """A module that declares its products, because the rule does not fit it."""

    def products(self, batch: int, time: int) -> Iterable[Product]:
        """Return the products of a forward pass of ``batch`` sequences of ``time`` steps."""


def list_products(module: nn.Module, batch: int, time: int) -> Iterator[Product]:
    """Yield the matrix products of a forward pass of ``batch`` sequences of ``time`` steps.

    They are those that the module declares, if it is a `TellsProducts`; else those of
    `apply_weights`. Only shapes are used, so the module may be on the meta device.
    """
    if isinstance(module, TellsProducts):
        yield from module.products(batch, time)
    else:
        yield from apply_weights(module, batch, time)


def apply_weights(module: nn.Module, batch: int, time: int) -> Iterator[Product]:
    """Yield the products by the rule: each weight is applied once to each step of each sequence.

    A weight is a parameter of two axes or more, (outputs, inputs) or, of a convolution that keeps
    the length, (outputs, inputs, kernel). Input weights and recurrent ones are alike in that. The
    modules in the module declare their own products. A weight that torch computes of others
    (``torch.nn.utils.parametrizations``) counts, those that it is computed from do not.
    """
    for weight in _own_weights(module):
        yield apply_weight(weight, batch * time)
    for name, child in module.named_children():
        if name != "parametrizations":
            yield from list_products(child, batch, time)


def apply_weight(weight: Tensor, rows: int) -> Product:
    """Return the product of ``rows`` vectors with ``weight``, see `apply_weights` for its axes."""
    outputs, *inputs = weight.shape
    return Product(rows, prod(inputs), outputs, overlap=prod(inputs[1:]))


def _own_weights(module: nn.Module) -> Iterator[Tensor]:
    tensors: list[Tensor] = list(module.parameters(recurse=False))
    if is_parametrized(module):
        names: Iterable[str] = module.parametrizations  # type: ignore[assignment]
        tensors += [getattr(module, name) for name in names]
    return (tensor for tensor in tensors if tensor.ndim > 1)


def count_flops(module: nn.Module, time: int) -> int:
    """Return the floating-point operations of a forward pass of one sequence of ``time`` steps.

    Parameters
    ----------
    module
        A `SequenceModel`, whose head counts too, or an encoder alone. All implementations of a
        variant have one number, so what `fused` spares at the first step, with a state of 0, is in.
    time
        Time steps of the sequence.
    """
    return sum(product.flops for product in list_products(module, 1, time))


def count_bytes(module: nn.Module, batch: int, time: int, itemsize: int = 4) -> int:
    """Return the bytes that the products of a forward pass of a batch read and write.

    Each weight is read once for all steps, and what it is applied to and what it gives are moved
    once. That is a convention, not a measurement: a cache that holds what one product hands to the
    next moves less; one too small for the recurrent weights reads them again at every step; and
    element-wise work comes on top.

    Parameters
    ----------
    module
        A `SequenceModel`, whose head counts too, or an encoder alone.
    batch, time
        Sequences of the batch, and their steps.
    itemsize
        Bytes of a number: 4 for ``float32``.
    """
    return sum(product.bytes(itemsize) for product in list_products(module, batch, time))
