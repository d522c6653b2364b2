"""Self-describing files of trained weights.

A file holds the ``state_dict`` and a text in JSON: the run's settings, the task's sizes and the
versions that made it. So it is read without running code of the file.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

import seqbench
from seqbench.errors import SeqbenchError, UsageError, read_message
from seqbench.models.sequence_model import SequenceModel, build_model
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task


def dump_checkpoint(model: nn.Module, spec: RunSpec, task: Task) -> bytes:
    """Return the content of a checkpoint file.

    Parameters
    ----------
    model
        Whose weights are kept.
    spec, task
        What it was trained with and on.
    """
    sizes = {"features": task.features, "outputs": task.outputs, "time": task.time}
    versions = {"seqbench": seqbench.__version__, "torch": str(torch.__version__)}
    about = {"settings": asdict(spec), "sizes": sizes, "versions": versions}
    buffer = io.BytesIO()
    torch.save({"about": json.dumps(about), "weights": model.state_dict()}, buffer)
    return buffer.getvalue()


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the parts of a checkpoint file: ``settings``, ``sizes``, ``versions``, ``weights``.

    An earlier file has weights alone.

    Raises
    ------
    UsageError
        If the file is missing or is no checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler meets
        why = "torch.save did not write it"
        if isinstance(error, OSError | UnpicklingError):
            why = read_message(error).partition(". ")[0]  # what follows is advice to load it anyway
        raise UsageError(f"{path} is not a checkpoint: {why}") from error
    if isinstance(content, dict) and set(content) == {"about", "weights"}:
        try:
            about = dict(json.loads(content["about"]))
            return {**about, "weights": content["weights"]}
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path} does not identify its model: {error}") from error
    if isinstance(content, Mapping) and all(isinstance(each, Tensor) for each in content.values()):
        return {"weights": content}
    raise UsageError(f"{path} is not a checkpoint: it has other keys")


def load_checkpoint(model: nn.Module, path: Path) -> None:
    """Give ``model`` the weights in ``path``, reading tensors only and running no code of the file.

    Raises
    ------
    UsageError
        If the file is missing, is no checkpoint, or is of a model of other layers or sizes.
    """
    weights = read_checkpoint(path)["weights"]
    try:
        model.load_state_dict(weights)
    except Exception as error:  # invalid weights raise various errors
        raise UsageError(f"{path} does not contain this model's weights: {error}") from error


def load_run(path: Path) -> tuple[RunSpec, SequenceModel]:
    """Return the settings and the trained model in a checkpoint file.

    The model is on the CPU, in evaluation mode. It takes inputs as its task gives them,
    (batch, time, features), or tokens (batch, time), and returns what the task scores, such as
    logits (batch, classes).

    Raises
    ------
    UsageError
        If the file is missing, is no checkpoint, or has weights alone, as earlier ones; or
        if its variant is not registered here.
    """
    parts = read_checkpoint(path)
    if "settings" not in parts:
        raise UsageError(
            f"{path} contains only weights, as earlier versions wrote: build its model and use "
            f"load_state_dict"
        )
    try:
        spec = RunSpec(**parts["settings"])
        model = build_model(spec, **parts["sizes"])
    except SeqbenchError:
        raise
    except Exception as error:  # settings of tomorrow, or sizes that are none
        raise UsageError(f"{path} contains no model of this version: {error}") from error
    load_checkpoint(model, path)
    return spec, model.eval()


def load_model(path: Path) -> SequenceModel:
    """Return the trained model in a checkpoint file, see `load_run`."""
    return load_run(path)[1]
