"""An LSTM's gates over a sequence: what is kept, what is taken in, what is shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure

from seqbench.harness.plan import plan_runs
from seqbench.models.reference import ReferenceEncoder
from seqbench.models.sequence_model import build_model
from seqbench.report.theme import themed
from seqbench.tasks.data_folder import locate_data
from seqbench.tasks.task import make_task
from seqbench.training.loop import Training

GATES = ("forget", "input", "output")
UNITS = 32
_STEPS_SHOWN = 20


def measure_gates(
    task: str, *, epochs: int, data: Path | None = None, seed: int = 0
) -> pd.DataFrame:
    """Train a small LSTM and return its gates over the first sequence of the test set.

    It has one layer of 32 units. The values come from the reference implementation, which computes
    the gates one by one, with the trained weights.

    Parameters
    ----------
    task
        Registered name.
    epochs
        Passes over the training examples before.
    data
        Data folder; None for the usual one.
    seed
        Start of every random stream.

    Returns
    -------
    DataFrame
        ``gate`` (forget, input, output), ``step`` from 1, ``unit`` from 1, ``value`` between 0
        (shut) and 1 (open).
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
    chosen = make_task(spec)
    training = Training(spec, chosen, chosen.load(locate_data(data)))
    for _ in range(epochs):
        training.train_epoch()
    model = build_model(
        replace(spec, implementation="reference"),
        features=chosen.features,
        outputs=chosen.outputs,
        time=chosen.time,
    )
    model.load_state_dict(training.model.state_dict())
    assert isinstance(model.encoder, ReferenceEncoder)
    with torch.inference_mode():
        ((reading,),) = model.encoder.read(model.as_real(training.data.test.inputs[:1]))
    assert reading.gates is not None
    frames = []
    for gate in GATES:
        values = pd.DataFrame(getattr(reading.gates, gate)[0].numpy())
        values.index = pd.RangeIndex(1, len(values) + 1, name="step")
        values.columns = pd.RangeIndex(1, UNITS + 1, name="unit")
        long = values.stack().rename("value").reset_index()  # noqa: PD013 (a plain long table)
        frames.append(long.assign(gate=gate))
    return pd.concat(frames, ignore_index=True)[["gate", "step", "unit", "value"]]


def plot_gates(measured: pd.DataFrame) -> Figure:
    """Plot each gate as a map of units over steps, the units in the order of their forget gate."""
    forget = measured[measured["gate"] == "forget"]
    order = forget.groupby("unit")["value"].mean().sort_values(ascending=False).index
    gates = list(dict.fromkeys(measured["gate"]))
    with themed():
        figure = Figure(figsize=(12, 5), layout="constrained")
        panels = figure.subplots(1, len(gates), sharey=True)
        for ax, gate in zip(panels, gates, strict=True):
            part = measured[measured["gate"] == gate]
            grid = part.pivot(index="unit", columns="step", values="value").loc[order]  # noqa: PD010
            last = gate == gates[-1]
            sns.heatmap(
                grid, vmin=0, vmax=1, cmap="viridis", ax=ax, cbar=last, yticklabels=False,
                xticklabels=max(1, grid.shape[1] // 8),
            )  # fmt: skip
            ax.set_title(f"{gate} gate, mean {part['value'].mean():.2f}", loc="left")
            ax.set_xlabel("step")
            ax.set_ylabel("unit, the most remembering on top" if gate == gates[0] else "")
    return figure


def format_gates(measured: pd.DataFrame) -> str:
    """Return each gate's mean over the units, a line a step; of many steps some, evenly spread."""
    means = measured.groupby(["step", "gate"])["value"].mean().unstack("gate")  # noqa: PD010
    shown = min(len(means), _STEPS_SHOWN)
    places = np.linspace(0, len(means) - 1, shown).round().astype(int)
    steps = f"{shown} of {len(means)} steps" if shown < len(means) else f"all {shown} steps"
    return f"mean over units, {steps}:\n{means.iloc[places][list(GATES)].round(3).to_string()}"
