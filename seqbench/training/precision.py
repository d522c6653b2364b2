"""Precision of matrix products: requested, and then verified.

Without it cuDNN takes TF32 for float32, and autocast leaves in float32 what it does not know.
"""

from contextlib import AbstractContextManager, nullcontext

import torch

from seqbench.training.accelerator import accelerator_of

DTYPES = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Type of a layer's output in each precision."""


def check_precision(precision: str, device: str) -> None:
    """Raise `UnsupportedError` if a device has no products in ``precision``."""
    accelerator_of(device).check_precision(precision)


def autocast(precision: str, device: str, *, shared: bool) -> AbstractContextManager[object]:
    """Return the context of one forward pass: autocast for the short types, nothing otherwise.

    It holds for the thread that enters it. Its cache of cast weights is the process's, not the
    thread's: where threads share a batch (``shared``), one would take, or clear, what belongs to
    the graph of another, so each casts its own.
    """
    if DTYPES[precision] is torch.float32:
        return nullcontext()
    kind = accelerator_of(device).torch_device
    return torch.autocast(kind, dtype=DTYPES[precision], cache_enabled=not shared)


def products_in(precision: str, device: str) -> AbstractContextManager[object]:
    """Let float32 products on CUDA, cuDNN's recurrences too, round to TF32 if that is requested.

    And only then; outside the block the settings are as they were. It holds for all threads.
    """
    return accelerator_of(device).products_in(precision)
