"""Hardware peaks: matrix-multiply throughput (GEMM) and memory bandwidth.

Measured in the same run as what is compared with it, on the same device, with the same threads and
in the same precision; a data sheet's figure is reached by nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from seqbench.training.precision import DTYPES

MATRIX_SIZES = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
"""Sides of the squares; the faster one counts: which it is depends on caches."""

COPIED_BYTES = {"cpu": 1 << 27, "cuda": 1 << 30}
"""More than caches hold."""


@dataclass(frozen=True)
class Limit:
    """Work that reaches a hardware peak, and the operations and bytes of one call."""

    phase: str
    work: Callable[[], object]
    flops: int | None
    bytes: int


def list_limits(device: str, precision: str) -> list[Limit]:
    """Return the works that show what ``device`` can do in ``precision``."""
    dtype = DTYPES[precision]
    return [_matmul(size, device, dtype) for size in MATRIX_SIZES[device]] + [_copy(device)]


def _matmul(size: int, device: str, dtype: torch.dtype) -> Limit:
    left = torch.rand(size, size, device=device).to(dtype)
    right = torch.rand(size, size, device=device).to(dtype)
    out = torch.empty_like(left)
    moved = 3 * size * size * dtype.itemsize
    return Limit("matmul", lambda: torch.mm(left, right, out=out), 2 * size**3, moved)


def _copy(device: str) -> Limit:
    numbers = COPIED_BYTES[device] // 4
    source, target = torch.ones(numbers, device=device), torch.empty(numbers, device=device)
    return Limit("copy", lambda: target.copy_(source), None, 2 * COPIED_BYTES[device])
