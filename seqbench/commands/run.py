"""`seqbench run`: the main job, and how it tells of itself."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqbench.commands.arguments import COUNT, NUMBER, DataFolder, Plugins, ReportsRoot, ResultsRoot
from seqbench.commands.console import complain, console, interruptible, say
from seqbench.commands.options import (
    check_folder_name,
    check_timeout,
    format_command,
    list_seeds,
    parse_axes,
    split_list,
)
from seqbench.commands.outputs import check_folder
from seqbench.commands.results import update_index, write_page
from seqbench.errors import ExitCode
from seqbench.harness.execution import InterruptedRunsError, Request, execute

if TYPE_CHECKING:
    from seqbench.harness.runner import Progress
    from seqbench.spec import RunSpec


def _axis(text: str) -> Any:
    return typer.Option(
        help=f"{text} Several, separated by commas, make a grid.", metavar="VALUE,…"
    )


def run(
    suite: Annotated[
        str | None,
        typer.Option(help="A suite, see `seqbench list`. Default: quick, or none with --task."),
    ] = None,
    task: Annotated[list[str] | None, _axis("Tasks.")] = None,
    variant: Annotated[
        list[str] | None, _axis("Variants; in a name * stands for anything.")
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="How many seeds (5: seeds 0 to 4), or which ones (3,7).", metavar="N"),
    ] = None,
    length: Annotated[list[str] | None, _axis("Time steps of generated sequences.")] = None,
    train_examples: Annotated[
        list[str] | None, _axis("Use only the first so many training examples.")
    ] = None,
    epochs: Annotated[list[str] | None, _axis("Passes over the training set.")] = None,
    batch_size: Annotated[list[str] | None, _axis("Examples in a batch.")] = None,
    learning_rate: Annotated[list[str] | None, _axis("Adam's step size.")] = None,
    schedule: Annotated[list[str] | None, _axis("constant or one-cycle.")] = None,
    clip_norm: Annotated[list[str] | None, _axis("Greatest norm of a gradient.")] = None,
    hidden_size: Annotated[list[str] | None, _axis("Units in a layer, each direction.")] = None,
    match_parameters: Annotated[
        int | None,
        typer.Option(
            help="Choose each hidden size for so many parameters.", parser=COUNT, metavar="N"
        ),
    ] = None,
    match_tolerance: Annotated[
        float | None,
        typer.Option(
            help="How far from them a model may be, as a share. Default: 0.02.",
            parser=NUMBER,
            metavar="SHARE",
        ),
    ] = None,
    num_layers: Annotated[list[str] | None, _axis("Layers.")] = None,
    dropout: Annotated[list[str] | None, _axis("Share dropped between layers.")] = None,
    readout: Annotated[list[str] | None, _axis("Read-outs. Default: the task's first one.")] = None,
    implementation: Annotated[
        list[str] | None,
        _axis(
            "native, fused, compiled, scan or reference; or fastest, the fastest on this device. "
            "Default: the variant's ordinary one."
        ),
    ] = None,
    precision: Annotated[
        list[str] | None, _axis("float32, tf32, bfloat16 or float16. Default: float32.")
    ] = None,
    cuda_graph: Annotated[
        list[str] | None, _axis("true: capture the whole training step as a CUDA graph.")
    ] = None,
    device: Annotated[list[str] | None, _axis("auto, cpu or cuda. Default: auto.")] = None,
    threads: Annotated[list[str] | None, _axis("CPU threads. Default: torch's own.")] = None,
    eval_every: Annotated[
        list[str] | None, _axis("Evaluate after every so many batches, off the clock.")
    ] = None,
    target: Annotated[
        list[str] | None, _axis("Record the training time until the score reaches this.")
    ] = None,
    measure: Annotated[
        bool | None,
        typer.Option(
            "--measure/--no-measure",
            help="Measure speed apart from training: steps, latency, share of the machine's peak. "
            "With --epochs 0 nothing else is done. Default: as the suite says.",
        ),
    ] = None,
    plugin: Plugins = None,
    data: DataFolder = None,
    allow_changed_data: Annotated[
        bool,
        typer.Option(
            "--allow-changed-data",
            help="Also take data that is not the published one; rows and report name it.",
        ),
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="Name of the result folder. Default: the suite's.")
    ] = None,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Begin afresh; the earlier result is kept aside."),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run those again that did not end well.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="End a run, or loading the data, that takes longer than so many seconds.",
            parser=NUMBER,
            metavar="SECONDS",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for another run that writes to the same folder.")
    ] = False,
    results: ResultsRoot = Path("results"),
    reports: ReportsRoot = Path("reports"),
    report: Annotated[bool, typer.Option(help="Also write the report.")] = False,
    save_checkpoints: Annotated[
        bool, typer.Option("--save-checkpoints", help="Keep each trained model's weights.")
    ] = False,
) -> None:
    """Train a suite, or a grid of your own, and record it in results/NAME.

    Started again it goes on where it was interrupted; runs that are finished are kept.
    """
    if suite is None and not task:
        suite = "quick"
    if name is not None:
        check_folder_name(name)
    check_timeout(timeout)
    if report:
        check_folder("--reports", reports)
    texts = {
        "task": task,
        "variant": variant,
        "seed": seeds and list_seeds(seeds),
        "length": length,
        "train_examples": train_examples,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "clip_norm": clip_norm,
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "dropout": dropout,
        "readout": readout,
        "implementation": implementation,
        "precision": precision,
        "cuda_graph": cuda_graph,
        "eval_every": eval_every,
        "target": target,
        "threads": threads,
    }
    chosen = parse_axes(texts)
    if device:
        chosen["device"] = tuple(split_list(device))
    request = Request(
        results=results,
        name=name,
        suite=suite,
        axes=chosen,
        match_parameters=match_parameters,
        match_tolerance=match_tolerance,
        measure=measure,
        plugins=plugin or (),
        data=data,
        allow_changed_data=allow_changed_data,
        restart=restart,
        retry_failed=retry_failed,
        timeout_s=timeout,
        wait=wait,
        keep_weights=save_checkpoints,
    )
    with interruptible("nothing was begun"):
        try:
            done = execute(request, RunScreen(), format_command(request))
        except InterruptedRunsError as interruption:
            complain(f"interrupted: {interruption}")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    if done.kept_aside:
        say(f"earlier result kept in {done.kept_aside}")
    say(f"results: {done.folder}")
    if report:
        write_page(done.folder, reports)
        update_index(reports)
    _sum_up(done.statuses, done.folder)


class RunScreen:
    """Shows on the screen how a request goes."""

    def say(self, text: str) -> None:
        """Print it."""
        say(text)

    def warn(self, text: str) -> None:
        """Print it where errors go."""
        complain(text)

    def watch(self, specs: "Sequence[RunSpec]") -> "AbstractContextManager[Progress]":
        """Return a bar, or lines in a log."""
        from seqbench.commands.progress import show_progress

        return show_progress(console, specs)


def _sum_up(statuses: list[str], folder: Path) -> None:
    """Say how many runs did not end well, and end with the exit code for that."""
    unsupported = statuses.count("unsupported")
    if unsupported:
        complain(
            f"{unsupported} of {len(statuses)} runs cannot be done here; see {folder}/runs.csv"
        )
    if failed := len(statuses) - statuses.count("ok") - unsupported:
        complain(f"{failed} of {len(statuses)} runs did not end well; see {folder}/runs.csv")
    if failed or unsupported == len(statuses):
        raise typer.Exit(ExitCode.RUNS_FAILED)
