"""The command line: arguments to calls, errors to exit codes, tables on the screen.

Torch is imported by the commands that train or look at models, so that a report is made, and help
is given, without it.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import seqbench
from seqbench.errors import ExitCode, SeqbenchError, SettingError, UnknownNameError, UsageError
from seqbench.explain.commands import app as explain
from seqbench.options import (
    check_folder_name,
    format_command,
    list_seeds,
    option_of,
    parse_axes,
    split_list,
)
from seqbench.suites import SUITES, Suite

if TYPE_CHECKING:
    from seqbench.harness.run import Job, Problem
    from seqbench.harness.runner import ProblemKey
    from seqbench.harness.worker import Worker
    from seqbench.store import ResultWriter

app = typer.Typer(
    name="seqbench",
    help="Train recurrent networks side by side; record accuracy, epoch time and throughput.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(explain, name="explain")
console = Console()
errors = Console(stderr=True)

CUSTOM = "custom"  # what a run is called that belongs to no suite

ResultsRoot = Annotated[Path, typer.Option("--results", help="Folder that holds result folders.")]
DataFolder = Annotated[
    Path | None,
    typer.Option(help="Data folder. Default: $SEQBENCH_DATA, else the user's cache folder."),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(help="A Python file with variants or tasks of your own.", metavar="FILE"),
]
ReportsRoot = Annotated[Path, typer.Option("--reports", help="Folder that holds reports.")]


def _axis(text: str) -> Any:
    return typer.Option(
        help=f"{text} Several, separated by commas, make a grid.", metavar="VALUE,…"
    )


@app.command("list")
def list_(plugin: Plugins = None) -> None:
    """List the registered variants, tasks, read-outs and suites."""
    from seqbench.catalog import explain_members
    from seqbench.plugins import load_plugins

    load_plugins(plugin or ())
    for kind, members in explain_members().items():
        table = Table(kind, "", title_justify="left", box=None, padding=(0, 2, 0, 0))
        for name, text in members.items():
            table.add_row(escape(name), escape(text.splitlines()[0]))
        console.print(table)
        console.print()


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A variant, task, read-out or suite.")],
    task: Annotated[
        str, typer.Option(help="Task for which a variant's shapes and size are shown.")
    ] = "row-mnist",
    plugin: Plugins = None,
) -> None:
    """Explain one variant, task, read-out or suite."""
    from seqbench.catalog import describe_task, describe_variant, explain_members
    from seqbench.plugins import load_plugins

    load_plugins(plugin or ())
    explained = explain_members()
    found = {kind: members[name] for kind, members in explained.items() if name in members}
    if not found:
        raise UnknownNameError(
            "member", name, [each for part in explained.values() for each in part]
        )
    for kind, text in found.items():
        _say(f"{name} ({kind})\n\n{text}")
        if kind == "variant":
            _say(f"\n{describe_variant(name, task)}")
        if kind == "task":
            _say(f"\n{describe_task(name)}")


@app.command()
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
        typer.Option(help="Choose each hidden size for so many parameters, within 2 %.", min=1),
    ] = None,
    num_layers: Annotated[list[str] | None, _axis("Layers.")] = None,
    dropout: Annotated[list[str] | None, _axis("Share dropped between layers.")] = None,
    readout: Annotated[list[str] | None, _axis("Read-outs. Default: the task's first one.")] = None,
    implementation: Annotated[
        list[str] | None,
        _axis("native, fused, compiled, scan or reference. Default: the variant's fastest."),
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
        int | None, typer.Option(help="Evaluate after every so many batches, off the clock.")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="Record the training time until the score reaches this.")
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
        typer.Option(help="End a run that takes longer than so many seconds.", metavar="SECONDS"),
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
    from seqbench.harness.worker import Worker

    if suite is None and not task:
        suite = "quick"
    planned = SUITES[suite] if suite else Suite("", {"seed": (0,)})
    folder = results / check_folder_name(name or suite or CUSTOM)
    if match_parameters and hidden_size:
        raise UsageError("--match-parameters chooses the hidden size; leave --hidden-size out")
    if timeout is not None and not timeout > 0:
        raise SettingError("timeout", timeout, "greater than 0")
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
        "eval_every": None if eval_every is None else [str(eval_every)],
        "target": None if target is None else [str(target)],
        "threads": threads,
    }
    chosen = parse_axes(texts)
    measured = planned.measure if measure is None else measure
    matched = match_parameters or (planned.match_parameters if not hidden_size else None)
    with _interruptible(), Worker(data, plugin or (), timeout) as worker:
        from seqbench.harness.device import resolve_device
        from seqbench.harness.environment import describe_environment
        from seqbench.harness.resuming import make_jobs
        from seqbench.harness.sampling import Sampling
        from seqbench.plan import plan_runs
        from seqbench.plugins import load_plugins
        from seqbench.store import ResultWriter

        if device:
            chosen["device"] = tuple(resolve_device(each) for each in split_list(device))
        load_plugins(plugin or ())
        specs = plan_runs([{**grid, **chosen} for grid in planned.grids], matched, measured)
        problems = worker.load(specs)
        command = format_command(suite, chosen, name, match_parameters, measure, plugin or ())
        environment = describe_environment() | {"command": command}
        sampling = Sampling() if measured else None
        jobs = make_jobs(
            specs, environment, suite or CUSTOM, sampling, keep_weights=save_checkpoints
        )
        with ResultWriter(folder, environment, wait=_say if wait else None) as writer:
            if not restart:
                jobs = _go_on(writer, jobs, problems, retry_failed)
            _do(jobs, worker, writer, len(specs))
    if writer.kept_aside:
        _say(f"earlier result kept in {writer.kept_aside}")
    _say(f"results: {folder}")
    if report:
        _write_report(folder, reports)
    _sum_up(writer.statuses, folder)


def _go_on(
    writer: "ResultWriter",
    jobs: "list[Job]",
    problems: "Mapping[ProblemKey, Problem]",
    retry_failed: bool,
) -> "list[Job]":
    """Return what is left to do in the writer's folder, and say what counts and what does not."""
    from seqbench.harness.resuming import find_remainder

    left = find_remainder(
        jobs, problems, writer.folder, writer.environment, retry_failed=retry_failed
    )
    for note in left.notes:
        _say(note)
    if left.earlier is not None:
        writer.resume(left.earlier, [job.spec.run_id for job in jobs], left.unfinished)
    return left.jobs


def _do(jobs: "list[Job]", worker: "Worker", writer: "ResultWriter", runs: int) -> None:
    """Do the jobs, with their progress on the screen; of an interruption tell what is kept."""
    from seqbench.harness.runner import run_jobs
    from seqbench.progress import show_progress

    try:
        with show_progress(console, [job.spec for job in jobs]) as progress:
            run_jobs(jobs, worker, writer, progress)
    except KeyboardInterrupt:
        _complain(
            f"interrupted: {len(writer.statuses)} of {runs} runs are finished and kept in "
            f"{writer.folder}; the same command goes on after the last epoch"
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _sum_up(statuses: list[str], folder: Path) -> None:
    """Say how many runs did not end well, and end with the exit code for that."""
    unsupported = statuses.count("unsupported")
    if unsupported:
        _complain(
            f"{unsupported} of {len(statuses)} runs cannot be done here; see {folder}/runs.csv"
        )
    if failed := len(statuses) - statuses.count("ok") - unsupported:
        _complain(f"{failed} of {len(statuses)} runs did not end well; see {folder}/runs.csv")
    if failed or unsupported == len(statuses):
        raise typer.Exit(ExitCode.RUNS_FAILED)


@contextmanager
def _interruptible() -> Iterator[None]:
    """End with the exit code of an interruption, also when the system asks the process to end."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        _complain("interrupted before anything was begun")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@app.command()
def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Result folders, or their names below --results. Default: all there."),
    ] = None,
    results: ResultsRoot = Path("results"),
    reports: ReportsRoot = Path("reports"),
) -> None:
    """Make reports/NAME/README.md and its figures from results/NAME."""
    folders = [_find_folder(each, results) for each in names or ()]
    if not names:
        folders = sorted(path.parent for path in results.glob("*/runs.csv"))
    if not folders:
        raise UsageError(f"there are no results in {results}; `seqbench run` makes some")
    for folder in folders:
        _write_report(folder, reports)


@app.command()
def pool(
    name: Annotated[str, typer.Argument(help="Name of the result that they become.")],
    parts: Annotated[
        list[str], typer.Argument(help="Result folders, or their names below --results.")
    ],
    results: ResultsRoot = Path("results"),
) -> None:
    """Put several results of one machine together; refused if they are of unlike ones."""
    from seqbench.pooling import pool_results
    from seqbench.store import load_results

    folders = [_find_folder(each, results) for each in parts]
    target = results / check_folder_name(name)
    pool_results([load_results(folder) for folder in folders], target)
    _say(f"results: {target}")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A result folder, or its name below --results.")],
    second: Annotated[str, typer.Argument(help="The one that is held against it.")],
    results: ResultsRoot = Path("results"),
) -> None:
    """Set two stored results side by side: scores paired by seed, times on machines alike."""
    from seqbench.comparing import compare_results, describe_comparison
    from seqbench.store import load_results
    from seqbench.tables import COMPARISON, format_table

    one, other = (load_results(_find_folder(each, results)) for each in (first, second))
    found = compare_results(one, other)
    for line in describe_comparison(first, second, found):
        _say(line)
    _say(f"\n{format_table(found.table, COMPARISON)}")


def _find_folder(name: str, results: Path) -> Path:
    """Return a result folder for its path or its name."""
    return Path(name) if Path(name).is_dir() else results / name


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="A result folder, or its name below --results.")],
    sample: Annotated[
        int | None, typer.Option(help="Run only so many of its rows again.", min=1, metavar="N")
    ] = None,
    plugin: Plugins = None,
    data: DataFolder = None,
    results: ResultsRoot = Path("results"),
) -> None:
    """Run published rows again, from nothing but their folder, and compare every epoch."""
    from seqbench.harness.worker import Worker

    with _interruptible(), Worker(data, plugin or ()) as worker:
        from seqbench.harness.device import resolve_device
        from seqbench.harness.environment import describe_environment
        from seqbench.harness.verifying import Again, choose_rows, verify_runs
        from seqbench.plugins import load_plugins
        from seqbench.store import load_results

        load_plugins(plugin or ())
        folder = _find_folder(name, results)
        published = load_results(folder)
        specs = choose_rows(published, sample)
        if not specs:
            raise UsageError(f"{folder} has no trained run that ended well: nothing to verify")
        for device in {spec.device for spec in specs}:
            resolve_device(device)
        problems = worker.load(specs)
        environment = describe_environment()
        done = 0

        def tell(again: Again) -> None:
            nonlocal done
            done += 1
            spec = again.spec
            line = f"[{done}/{len(specs)}] {spec.task} {spec.variant} seed {spec.seed}: "
            change = f" (its {again.change} changed since)" if again.change else ""
            _say(f"{line}{again.fault or 'equal'}{change}")

        found = verify_runs(published, specs, problems, worker, environment, tell)
    equal = sum(each.fault is None for each in found.runs)
    _say(f"{equal} of {len(specs)} runs are equal to the last digit")
    for difference in found.differences:
        _say(f"the environment differs in {difference}")
    if found.likenesses:
        _say("so scores were compared over seeds instead:")
    for each in found.likenesses:
        _say(f"  {each.name}: {'alike' if each.holds else 'NOT ALIKE'}; {each.text}")
    if not found.holds:
        raise typer.Exit(ExitCode.VERIFICATION_DIFFERS)


@app.command()
def env() -> None:
    """Print what a result of this machine would record as its environment, as JSON."""
    from seqbench.harness.environment import describe_environment

    console.print_json(json.dumps(describe_environment()))


def _write_report(folder: Path, reports: Path) -> None:
    from seqbench.report import write_report
    from seqbench.store import load_results

    page = write_report(load_results(folder), reports / folder.resolve().name)
    _say(f"report: {page}")


def _version(wanted: bool) -> None:
    if wanted:
        _say(f"seqbench {seqbench.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an error of ours is one message and its exit code."""
    # read when a process first uses CUDA: cuBLAS then repeats itself
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        app()
    except SettingError as error:
        expected = f"{option_of(error.setting)} must be {error.expected}"
        _complain(f"error: {expected}, not {error.value!r}")
        sys.exit(error.exit_code)
    except SeqbenchError as error:
        _complain(f"error: {error}")
        sys.exit(error.exit_code)


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _complain(text: str) -> None:
    errors.print(text, markup=False, highlight=False, soft_wrap=True)
