"""Precision of matrix products: requested, and then verified.

Without it cuDNN takes TF32 for float32, and autocast leaves in float32 what it does not know.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from seqbench.errors import UnsupportedError

DTYPES = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Type of a layer's output in each precision."""

_TF32_FROM = (8, 0)  # compute capability: Ampere


def check_precision(precision: str, device: str) -> None:
    """Raise `UnsupportedError` if a device has no products in ``precision``."""
    if device == "cuda":
        if precision == "tf32" and torch.cuda.get_device_capability() < _TF32_FROM:
            raise UnsupportedError("tf32 needs a GPU of compute capability 8.0 or more")
        if precision == "bfloat16" and not torch.cuda.is_bf16_supported():
            raise UnsupportedError("this GPU does not support bfloat16")
    elif precision == "tf32":
        raise UnsupportedError("tf32 is not supported on a CPU")
    elif precision == "float16":
        raise UnsupportedError("float16 training is supported on GPUs only: use bfloat16 on a CPU")


def autocast(precision: str, device: str, *, shared: bool) -> AbstractContextManager[object]:
    """Return the context of one forward pass: autocast for the short types, nothing otherwise.

    It holds for the thread that enters it. Its cache of cast weights is the process's, not the
    thread's: where threads share a batch (``shared``), one would take, or clear, what belongs to
    the graph of another, so each casts its own.
    """
    if DTYPES[precision] is torch.float32:
        return nullcontext()
    return torch.autocast(device, dtype=DTYPES[precision], cache_enabled=not shared)


@contextmanager
def products_in(precision: str, device: str) -> Iterator[None]:
    """Let float32 products on CUDA, cuDNN's recurrences too, round to TF32 if that is requested.

    And only then; outside the block the settings are as they were. It holds for all threads.
    """
    if device != "cuda":
        yield
        return
    cudnn: Any = torch.backends.cudnn
    places: list[Any] = [torch.backends.cuda.matmul, cudnn.rnn, cudnn.conv]
    before = [place.fp32_precision for place in places]
    for place in places:
        place.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.fp32_precision = value
