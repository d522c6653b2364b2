"""Hardware peaks: matrix-multiply throughput (GEMM) and memory bandwidth.

Measured in the same run as what is compared with it, on the same device, with the same threads and
in the same precision; a data sheet's figure is reached by nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from seqbench.training.accelerator import accelerator_of
from seqbench.training.precision import DTYPES

MATRIX_SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
"""Sides of the squares, ascending: the larger one where the smaller is over too soon."""

SATURATED_S = 5e-3
"""A product that takes as long is at the peak.

In nine results from before this rule, which have both, the larger product was 0.97 to 1.02 times
as fast, by the median of a result's runs; the smaller took 6 to 12 ms.
"""

BUDGET_S = 0.1
"""Time for the samples of one of them: little, since every run measures them."""

COPIED_BYTES = {"cpu": 1 << 27, "cuda": 1 << 30}
"""More than caches hold."""


@dataclass(frozen=True)
class Limit:
    """Work that reaches a hardware peak, and the operations and bytes of one call."""

    phase: str
    work: Callable[[], object]
    flops: int | None
    bytes: int


def multiply(size: int, device: str, precision: str) -> Limit:
    """Return a product of two square matrices on ``device``, in ``precision``."""
    dtype = DTYPES[precision]
    place = accelerator_of(device).torch_device
    # as weights are: with fewer signs and exponents a card at its power limit is faster
    left, right = (torch.randn(size, size, device=place).to(dtype) for _ in range(2))
    out = torch.empty_like(left)
    moved = 3 * size * size * dtype.itemsize
    return Limit("matmul", lambda: torch.mm(left, right, out=out), 2 * size**3, moved)


def copy(device: str) -> Limit:
    """Return a copy within the memory of ``device``."""
    numbers = COPIED_BYTES[device] // 4
    place = accelerator_of(device).torch_device
    source, target = torch.ones(numbers, device=place), torch.empty(numbers, device=place)
    return Limit("copy", lambda: target.copy_(source), None, 2 * COPIED_BYTES[device])
