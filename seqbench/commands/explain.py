"""`seqbench explain`: the ideas behind the variants, run and measured."""

from pathlib import Path
from typing import Annotated

import typer

from seqbench.columns import at_least
from seqbench.commands.arguments import DataFolder, Plugins, parse_number
from seqbench.commands.console import say
from seqbench.commands.options import split_list
from seqbench.errors import UsageError
from seqbench.results.local import LOCAL, REPORTS

app = typer.Typer(
    help="Run and measure the ideas behind the variants.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

COUNT_FROM_0, COUNT_FROM_2 = (parse_number(int, at_least(least)) for least in (0, 2))
Out = Annotated[Path, typer.Option(help="Folder for the figure and its numbers.")]


@app.command()
def shapes() -> None:
    """Walk through the shapes of a recurrent layer, with numbers."""
    from seqbench.explain.shapes import explain_shapes

    say(explain_shapes())


@app.command()
def gradients(
    variant: Annotated[
        list[str] | None, typer.Option(help="Variants, separated by commas.", metavar="VALUE,…")
    ] = None,
    length: Annotated[
        int, typer.Option(help="Steps of a sequence.", parser=COUNT_FROM_2, metavar="N")
    ] = 50,
    epochs: Annotated[
        int,
        typer.Option(
            help="Epochs of training between the two measurements.",
            parser=COUNT_FROM_0,
            metavar="N",
        ),
    ] = 15,
    out: Out = REPORTS / LOCAL / "explain",
) -> None:
    """Measure what of a loss reaches each step, before and after training on `adding`."""
    from seqbench.explain.gradients import format_gradients, measure_gradients, plot_gradients
    from seqbench.report.theme import save_figure
    from seqbench.tasks.data_folder import new_folder

    chosen = split_list(variant or ["rnn,rnn-orthogonal,irnn,gru,lstm"])
    with new_folder(out):
        measured = measure_gradients(chosen, length=length, epochs=epochs)
        measured.to_csv(out / "gradients.csv", index=False)
        save_figure(plot_gradients(measured), out / "gradients.png")
    say(format_gradients(measured))
    say(f"figure: {out / 'gradients.png'}")


@app.command()
def gates(
    task: Annotated[
        str | None,
        typer.Option(help="A task with one output per sequence. Default: row-digits."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Epochs of training. Default: 20.", parser=COUNT_FROM_0, metavar="N"),
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Trained weights from `run --save-checkpoints`, in place of a training."),
    ] = None,
    data: DataFolder = None,
    plugin: Plugins = None,
    out: Out = REPORTS / LOCAL / "explain",
) -> None:
    """Show the gates of an LSTM or a GRU over the first sequence of a task's test set.

    Without --checkpoint a small LSTM is trained.
    """
    from seqbench.explain.gates import (
        format_gates,
        load_trained,
        measure_gates,
        plot_gates,
        train_lstm,
    )
    from seqbench.harness.plugins import load_plugins
    from seqbench.report.theme import save_figure
    from seqbench.tasks.data_folder import new_folder

    if checkpoint and (task is not None or epochs is not None):
        raise UsageError("--checkpoint has a task and is trained: leave out --task and --epochs")
    load_plugins(plugin or ())
    with new_folder(out):
        if checkpoint:
            model, examples = load_trained(checkpoint, data)
        else:
            epochs = 20 if epochs is None else epochs
            model, examples = train_lstm(task or "row-digits", epochs=epochs, data=data)
        try:
            measured = measure_gates(model, examples.test.inputs[0])
        except UsageError as error:
            raise UsageError(f"{checkpoint}: {error}") from error
        measured.to_csv(out / "gates.csv", index=False)
        save_figure(plot_gates(measured), out / "gates.png")
    say(format_gates(measured))
    say(f"figure: {out / 'gates.png'}; every unit's gates: {out / 'gates.csv'}")
