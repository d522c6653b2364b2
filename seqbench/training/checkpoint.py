"""Trained weights as files: a ``state_dict`` and nothing else."""

import io
from pathlib import Path

import torch
from torch import nn

from seqbench.errors import UsageError


def dump_checkpoint(model: nn.Module) -> bytes:
    """Return the model's ``state_dict`` as the content of a checkpoint file."""
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.getvalue()


def load_checkpoint(model: nn.Module, path: Path) -> None:
    """Give ``model`` the weights in ``path``, reading tensors only and running no code of the file.

    Raises
    ------
    UsageError
        If the file is missing, is no checkpoint, or is of a model of other layers or sizes.
    """
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch.load raises whatever its unpickler meets
        raise UsageError(f"{path} does not hold this model's weights: {error}") from error
