"""The vanishing gradient, measured: how much of a loss reaches each step of the input."""

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure

from seqbench.harness.plan import plan_runs
from seqbench.report.theme import themed
from seqbench.report.variant_styles import style_labels
from seqbench.spec import RunSpec
from seqbench.tasks.data_folder import locate_data
from seqbench.tasks.task import cut_training, make_task
from seqbench.training.loop import Training

EXAMPLES = 256
BEFORE, AFTER = "at initialisation", "after training"


def measure_gradients(
    variants: Sequence[str], *, length: int, epochs: int, seed: int = 0
) -> pd.DataFrame:
    """Return the norm of ∂loss/∂x_t at each step t, before and after training on ``adding``.

    The loss depends on the last step's output; what reaches step t has come back through all steps
    between (back-propagation through time). Two layers would blur that, so there is one.

    Parameters
    ----------
    variants
        Registered names.
    length
        Steps of a sequence.
    epochs
        Passes over the training examples between the two measurements.
    seed
        Start of every random stream.

    Returns
    -------
    DataFrame
        ``variant``, ``moment`` (`BEFORE` or `AFTER`), ``step`` from 1, ``norm`` (mean over examples
        of the Euclidean norm over features), ``test_loss`` at that moment.
    """
    axes = {
        "task": ("adding",),
        "variant": tuple(variants),
        "seed": (seed,),
        "device": ("cpu",),
        "length": (length,),
        "epochs": (max(epochs, 1),),
        "num_layers": (1,),
        "hidden_size": (64,),
        "learning_rate": (2e-3,),
        "clip_norm": (1.0,),
    }
    frames = []
    for spec in plan_runs([axes]):
        training = _start(spec)
        frames.append(_measure(training, BEFORE))
        for _ in range(epochs):
            training.train_epoch()
        if epochs:
            frames.append(_measure(training, AFTER))
    return pd.concat(frames, ignore_index=True)


def _start(spec: RunSpec) -> Training:
    task = make_task(spec)
    data = cut_training(spec.task, task.load(locate_data()), spec.train_examples)
    return Training(spec, task, data)


def _measure(training: Training, moment: str) -> pd.DataFrame:
    few = training.data.test.first(EXAMPLES)
    inputs = few.inputs.clone().requires_grad_()
    loss = training.task.loss(training.model(inputs), few.targets)
    (gradient,) = torch.autograd.grad(loss * len(few), inputs)  # each example's own loss
    norms = gradient.norm(dim=2).mean(0)
    return pd.DataFrame(
        {
            "variant": training.spec.variant,
            "moment": moment,
            "step": range(1, len(norms) + 1),
            "norm": norms.tolist(),
            "test_loss": training.evaluate(training.data.test).loss,
        }
    )


def plot_gradients(measured: pd.DataFrame) -> Figure:
    """Plot the norms over the steps, a panel for each moment, on a logarithmic scale."""
    styles = style_labels(measured["variant"])
    palette = {name: style.color for name, style in styles.items()}
    moments = list(dict.fromkeys(measured["moment"]))
    with themed():
        figure = Figure(figsize=(11, 4.5), layout="constrained")
        panels = figure.subplots(1, len(moments), squeeze=False, sharey=True)[0]
        for ax, moment in zip(panels, moments, strict=True):
            part = measured[measured["moment"] == moment]
            sns.lineplot(part, x="step", y="norm", hue="variant", palette=palette, ax=ax)
            ax.set_yscale("log")
            ax.set_title(moment, loc="left")
            ax.set_xlabel("step t of the input; the loss is at the last one")
            ax.set_ylabel("‖∂loss/∂x_t‖")
            ax.legend(frameon=False)
    return figure


def format_gradients(measured: pd.DataFrame) -> str:
    """Return for each variant and moment what share of the last step's gradient the first has."""
    lines = ["gradient at the first step, relative to the last:"]
    for (variant, moment), part in measured.groupby(["variant", "moment"], sort=False):
        norms = part.sort_values("step")["norm"]
        loss = part["test_loss"].iloc[0]
        share = norms.iloc[0] / norms.iloc[-1]
        lines.append(f"  {variant:16} {moment:18} {share:9.2e}   test loss {loss:.4f}")
    return "\n".join(lines)
