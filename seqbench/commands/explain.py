"""`seqbench explain`: the ideas behind the variants, run and measured."""

from pathlib import Path
from typing import Annotated

import typer

from seqbench.options import split_list

app = typer.Typer(
    help="Run and measure the ideas behind the variants.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option(help="Folder for the figure and its numbers.")]


@app.command()
def shapes() -> None:
    """Walk through the shapes of a recurrent layer, with numbers."""
    from seqbench.explain.shapes import explain_shapes

    typer.echo(explain_shapes())


@app.command()
def gradients(
    variant: Annotated[
        list[str] | None, typer.Option(help="Variants, separated by commas.", metavar="VALUE,…")
    ] = None,
    length: Annotated[int, typer.Option(help="Steps of a sequence.", min=2)] = 50,
    epochs: Annotated[int, typer.Option(help="Epochs of training between.", min=0)] = 15,
    out: Out = Path("reports/explain"),
) -> None:
    """Measure what of a loss reaches each step, before and after training on `adding`."""
    from seqbench.explain.gradients import format_gradients, measure_gradients, plot_gradients
    from seqbench.plots import save_figure

    chosen = split_list(variant or ["rnn,rnn-orthogonal,irnn,gru,lstm"])
    measured = measure_gradients(chosen, length=length, epochs=epochs)
    out.mkdir(parents=True, exist_ok=True)
    measured.to_csv(out / "gradients.csv", index=False)
    save_figure(plot_gradients(measured), out / "gradients.png")
    typer.echo(format_gradients(measured))
    typer.echo(f"figure: {out / 'gradients.png'}")


@app.command()
def gates(
    task: Annotated[str, typer.Option(help="A task with one answer a sequence.")] = "row-digits",
    epochs: Annotated[int, typer.Option(help="Epochs of training before.", min=0)] = 20,
    data: Annotated[
        Path | None,
        typer.Option(help="Data folder. Default: $SEQBENCH_DATA, else the user's cache folder."),
    ] = None,
    out: Out = Path("reports/explain"),
) -> None:
    """Show an LSTM's forget, input and output gates over a sequence of a task's test set."""
    from seqbench.explain.gates import measure_gates, plot_gates
    from seqbench.plots import save_figure

    measured = measure_gates(task, epochs=epochs, data=data)
    out.mkdir(parents=True, exist_ok=True)
    measured.to_csv(out / "gates.csv", index=False)
    save_figure(plot_gates(measured), out / "gates.png")
    means = measured.groupby(["gate", "step"], sort=False)["value"].mean().unstack("step")
    typer.echo("mean over units, step by step:")
    typer.echo(means.round(3).to_string())
    typer.echo(f"figure: {out / 'gates.png'}")
