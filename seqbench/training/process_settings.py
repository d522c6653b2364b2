"""What code of the user's sets for a whole process ends with the code that set it.

A run must not depend on the tasks that were loaded, or the variants that were trained, before it in
the same process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from seqbench.errors import UsageError
from seqbench.training.accelerator import is_cuda_available


@contextmanager
def settings_kept() -> Iterator[None]:
    """Put torch's settings and the working folder back as they were when the block began.

    Those are the default dtype and device, whether gradients are recorded, the precision of
    products in float32, and the number of threads. Random streams are `GlobalStream`'s, the
    deterministic mode is `Determinism`'s.
    """
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    precision, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    folder = Path.cwd()
    with torch.set_grad_enabled(torch.is_grad_enabled()):
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            torch.set_float32_matmul_precision(precision)
            torch.set_num_threads(threads)
            if torch.get_default_device() != device:  # a default that is set costs time
                torch.set_default_device(None if device.type == "cpu" else device)
            os.chdir(folder)


@contextmanager
def fresh_settings() -> Iterator[None]:
    """Let a block begin with torch's own settings, whatever the user has set; put theirs back.

    Besides those of `settings_kept` these are autocast, inference mode and the global random state.

    Raises
    ------
    UsageError
        In a block with another default device, which nothing inside it can undo.
    """
    with (
        settings_kept(),
        torch.random.fork_rng(devices=[]),
        torch.inference_mode(mode=False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False) if is_cuda_available() else nullcontext(),
    ):
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")
        if torch.get_default_device().type != "cpu":
            torch.set_default_device(None)
        if (device := torch.get_default_device()).type != "cpu":
            raise UsageError(f"the default device is {device}: call it outside that block")
        yield
