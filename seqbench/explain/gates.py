"""The gates of an LSTM or a GRU over one sequence, computed from the trained weights."""

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from torch import Tensor

from seqbench.errors import UsageError
from seqbench.harness.plan import plan_runs
from seqbench.harness.problems import load_data
from seqbench.models.native import NativeEncoder
from seqbench.models.reference import Reading, read_layers
from seqbench.models.sequence_model import SequenceModel
from seqbench.report.theme import themed
from seqbench.spec import RunSpec
from seqbench.tasks.data_folder import locate_data
from seqbench.tasks.task import TaskData, make_task
from seqbench.training.checkpoint import load_run
from seqbench.training.loop import Training

UNITS = 32
_STEPS_SHOWN = 20
_GATED = ("LSTM", "GRU")
_LAYER = ["layer", "direction"]


def measure_gates(model: SequenceModel, sequence: Tensor) -> pd.DataFrame:
    """Return the gates of a trained LSTM or GRU at every step of one sequence.

    They are computed by the equations of the reference implementation, with the model's weights and
    without dropout.

    Parameters
    ----------
    model
        From `load_model`, built on torch.nn's LSTM or GRU.
    sequence
        One example as its task gives it: (time, features), or tokens (time,).

    Returns
    -------
    DataFrame
        ``layer`` from 1, ``direction`` (forward or backward), ``gate`` (of an LSTM forget, input
        and output; of a GRU update and reset), ``step`` from 1 in the order of the sequence,
        ``unit`` from 1, ``value`` between 0 (closed) and 1 (open).

    Raises
    ------
    UsageError
        If the model has no such gates, or ``sequence`` is no input of it.
    """
    encoder = model.encoder
    if not isinstance(encoder, NativeEncoder) or encoder.recurrence.mode not in _GATED:
        raise UsageError(
            "no gates to show: they are those of torch.nn's LSTM and GRU, in variants such as "
            "lstm, lstm-forget-bias, gru and their bidirectional forms"
        )
    training = encoder.training
    encoder.eval()
    with torch.inference_mode():
        layers = list(read_layers(encoder, _as_batch(model, sequence)))
    encoder.train(training)
    return pd.concat(
        [
            _list_gates(reading).assign(layer=layer, direction=direction)
            for layer, readings in enumerate(layers, start=1)
            for direction, reading in zip(("forward", "backward"), readings, strict=False)
        ],
        ignore_index=True,
    )[[*_LAYER, "gate", "step", "unit", "value"]]


def _as_batch(model: SequenceModel, sequence: Tensor) -> Tensor:
    """Return a sequence as a batch of real inputs, (1, time, features), where the model is."""
    try:
        inputs = model.as_real(sequence[None].to(model.head.weight.device))
    except RuntimeError as error:  # tokens out of range
        raise UsageError(f"the sequence is no input of this model: {error}") from error
    if inputs.ndim != 3 or inputs.shape[2] != model.features or not inputs.shape[1]:
        raise UsageError(
            f"the sequence has shape {tuple(sequence.shape)}, expected (time, {model.features}), "
            f"or (time,) of tokens"
        )
    return inputs


def _list_gates(reading: Reading) -> pd.DataFrame:
    """Return the gates of one direction of one layer, the one that keeps the state first."""
    assert reading.gates is not None
    frames = []
    for gate, values in reading.gates._asdict().items():
        if gate == "candidate":
            continue
        grid = pd.DataFrame(values[0].cpu().numpy())
        grid.index = pd.RangeIndex(1, len(grid) + 1, name="step")
        grid.columns = pd.RangeIndex(1, grid.shape[1] + 1, name="unit")
        long = grid.stack().rename("value").reset_index()  # noqa: PD013 (a plain long table)
        frames.append(long.assign(gate=gate))
    return pd.concat(frames)


def train_lstm(
    task: str, *, epochs: int, data: Path | None = None, seed: int = 0
) -> tuple[SequenceModel, TaskData]:
    """Train an LSTM of one layer of 32 units, and return it with the task's data.

    Parameters
    ----------
    task
        Registered name.
    epochs
        Passes over the training examples; 0 for initial weights.
    data
        Data folder; None for the usual one.
    seed
        Start of every random stream.
    """
    axes = {
        "task": (task,),
        "variant": ("lstm",),
        "seed": (seed,),
        "device": ("cpu",),
        "epochs": (max(epochs, 1),),
        "num_layers": (1,),
        "hidden_size": (UNITS,),
    }
    (spec,) = plan_runs([axes])
    training = Training(spec, make_task(spec), examples := _load_examples(spec, data))
    for _ in range(epochs):
        training.train_epoch()
    return training.model.eval(), examples


def load_trained(path: Path, data: Path | None = None) -> tuple[SequenceModel, TaskData]:
    """Return the model in a checkpoint file, and the data of its task.

    Parameters
    ----------
    path
        Of the checkpoint.
    data
        Data folder; None for the usual one.

    Raises
    ------
    UsageError
        If the file is no checkpoint that says what it is, or its variant or task is not
        registered.
    """
    spec, model = load_run(path)
    return model, _load_examples(spec, data)


def _load_examples(spec: RunSpec, data: Path | None) -> TaskData:
    return load_data(spec.task, make_task(spec), locate_data(data))


def plot_gates(measured: pd.DataFrame) -> Figure:
    """Plot each gate as a map of units over steps, a row for each layer and direction.

    The units of a row are in the order of the mean of its first gate, the one that keeps the state.
    """
    rows = list(measured.groupby(_LAYER, sort=False))
    gates = list(dict.fromkeys(measured["gate"]))
    with themed():
        figure = Figure(figsize=(4 * len(gates), 1 + 4 * len(rows)), layout="constrained")
        panels = figure.subplots(len(rows), len(gates), squeeze=False)
        for (place, part), axes in zip(rows, panels, strict=True):
            keeps = part[part["gate"] == gates[0]].groupby("unit")["value"].mean()
            order = keeps.sort_values(ascending=False).index
            for ax, gate in zip(axes, gates, strict=True):
                values = part[part["gate"] == gate]
                grid = values.pivot(index="unit", columns="step", values="value").loc[order]  # noqa: PD010
                sns.heatmap(
                    grid, vmin=0, vmax=1, cmap="viridis", ax=ax, cbar=ax is axes[-1],
                    yticklabels=False, xticklabels=max(1, grid.shape[1] // 8),
                )  # fmt: skip
                ax.set_title(f"{gate} gate, mean {values['value'].mean():.2f}", loc="left")
                ax.set_xlabel("step")
                ax.set_ylabel("")
            where = "" if len(rows) == 1 else f"{_name_layer(place)}: "
            axes[0].set_ylabel(f"{where}unit, highest mean {gates[0]} gate on top")
    return figure


def _name_layer(place: tuple[int, str]) -> str:
    layer, direction = place
    return f"layer {layer}, {direction}"


def format_gates(measured: pd.DataFrame) -> str:
    """Return each gate's mean over the units, a line a step; of many steps some, evenly spread."""
    parts = list(measured.groupby(_LAYER, sort=False))
    if len(parts) == 1:
        return _format_layer(measured)
    return "\n\n".join(f"{_name_layer(place)}, {_format_layer(part)}" for place, part in parts)


def _format_layer(measured: pd.DataFrame) -> str:
    gates = list(dict.fromkeys(measured["gate"]))
    means = measured.groupby(["step", "gate"])["value"].mean().unstack("gate")  # noqa: PD010
    shown = min(len(means), _STEPS_SHOWN)
    places = np.linspace(0, len(means) - 1, shown).round().astype(int)
    steps = f"{shown} of {len(means)} steps" if shown < len(means) else f"all {shown} steps"
    return f"mean over units, {steps}:\n{means.iloc[places][gates].round(3).to_string()}"
