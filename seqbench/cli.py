"""The command line: arguments to calls, errors to exit codes, tables on the screen.

Torch is imported by the commands that train or look at models, so that a report is made, and help
is given, without it.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import seqbench
from seqbench.columns import columns
from seqbench.errors import ExitCode, SeqbenchError, SettingError, UnknownNameError, UsageError
from seqbench.formatting import format_count, format_score
from seqbench.registry import NAME
from seqbench.spec import RunSpec, expand
from seqbench.suites import SUITES, Suite

app = typer.Typer(
    name="seqbench",
    help="Train recurrent networks side by side; record accuracy, epoch time and throughput.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)

CUSTOM_SUITE = "custom"

ResultsRoot = Annotated[Path, typer.Option("--results", help="Folder that holds result folders.")]
ReportsRoot = Annotated[Path, typer.Option("--reports", help="Folder that holds reports.")]


def _axis(text: str) -> Any:
    return typer.Option(
        help=f"{text} Several, separated by commas, make a grid.", metavar="VALUE,…"
    )


@app.command("list")
def list_() -> None:
    """List the registered variants, tasks, read-outs and suites."""
    for kind, members in _registries().items():
        table = Table(kind, "", title_justify="left", box=None, padding=(0, 2, 0, 0))
        for name, text in members.items():
            table.add_row(escape(name), escape(text.splitlines()[0]))
        console.print(table)
        console.print()


@app.command()
def show(name: Annotated[str, typer.Argument(help="A variant, task, read-out or suite.")]) -> None:
    """Explain one variant, task, read-out or suite."""
    registries = _registries()
    found = {kind: members[name] for kind, members in registries.items() if name in members}
    if not found:
        raise UnknownNameError(
            "member", name, [each for part in registries.values() for each in part]
        )
    for kind, text in found.items():
        console.print(f"{name} ({kind})\n\n{text}", markup=False, highlight=False, soft_wrap=True)
        facts = _variant_facts(name) if kind == "variant" else []
        for fact in facts:
            console.print(fact, markup=False, highlight=False, soft_wrap=True)


@app.command()
def run(
    suite: Annotated[
        str | None,
        typer.Option(help="A suite, see `seqbench list`. Default: quick, or none with --task."),
    ] = None,
    task: Annotated[list[str] | None, _axis("Tasks.")] = None,
    variant: Annotated[list[str] | None, _axis("Variants.")] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="How many seeds (5: seeds 0 to 4), or which ones (3,7).", metavar="N"),
    ] = None,
    epochs: Annotated[list[str] | None, _axis("Passes over the training set.")] = None,
    batch_size: Annotated[list[str] | None, _axis("Examples in a batch.")] = None,
    learning_rate: Annotated[list[str] | None, _axis("Adam's step size.")] = None,
    hidden_size: Annotated[list[str] | None, _axis("Units in a layer, each direction.")] = None,
    num_layers: Annotated[list[str] | None, _axis("Layers.")] = None,
    dropout: Annotated[list[str] | None, _axis("Share dropped between layers.")] = None,
    readout: Annotated[list[str] | None, _axis("Read-outs: last, final, mean, max.")] = None,
    implementation: Annotated[
        list[str] | None, _axis("native or fused. Default: the fastest of each variant.")
    ] = None,
    device: Annotated[list[str] | None, _axis("auto, cpu or cuda. Default: auto.")] = None,
    threads: Annotated[list[str] | None, _axis("CPU threads. Default: torch's own.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Data folder. Default: $SEQBENCH_DATA, else the user's cache folder."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the result folder. Default: the suite's.")
    ] = None,
    results: ResultsRoot = Path("results"),
    reports: ReportsRoot = Path("reports"),
    report: Annotated[bool, typer.Option(help="Also write the report.")] = False,
    save_checkpoints: Annotated[
        bool, typer.Option("--save-checkpoints", help="Keep each trained model's weights.")
    ] = False,
) -> None:
    """Train a suite, or a grid of your own, and record it in results/NAME."""
    from seqbench.harness.device import default_threads, resolve_device
    from seqbench.harness.environment import describe_environment
    from seqbench.harness.runner import check_names, load_tasks, run_specs
    from seqbench.models.model import VARIANTS
    from seqbench.progress import show_progress
    from seqbench.store import ResultWriter
    from seqbench.tasks.data_folder import locate_data

    chosen = _parse_axes(
        {
            "task": task,
            "variant": variant,
            "seed": _list_seeds(seeds),
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "dropout": dropout,
            "readout": readout,
            "implementation": implementation,
            "device": device and [resolve_device(each) for each in _split(device)],
            "threads": threads,
        }
    )
    suite = suite or (CUSTOM_SUITE if task else "quick")
    planned = SUITES[suite] if suite != CUSTOM_SUITE else Suite("", {"seed": (0,)})
    defaults = {
        "variant": tuple(VARIANTS),
        "device": (resolve_device("auto"),),
        "threads": (default_threads(),),
    }
    if suite == CUSTOM_SUITE and "task" not in chosen:
        raise UsageError("a run without a suite needs --task")
    axes = {**defaults, **planned.axes, **chosen}
    specs = expand(axes)
    if "implementation" not in axes:
        specs = [_in_fastest_implementation(spec) for spec in specs]
    check_names(specs)
    folder = results / _check_folder_name(name or suite)
    tasks = load_tasks(specs, locate_data(data))
    environment = describe_environment() | {"command": _command(suite, chosen, name)}
    writer = ResultWriter(folder, environment)
    try:
        with writer, show_progress(console, specs) as progress:
            records = run_specs(
                specs,
                tasks,
                suite=suite,
                environment_id=environment["environment_id"],
                writer=writer,
                progress=progress,
                keep_weights=save_checkpoints,
            )
    except KeyboardInterrupt:
        errors.print(
            f"interrupted: {writer.runs_written} of {len(specs)} runs are finished"
            + (f" and kept in {escape(str(folder))}" if writer.runs_written else ""),
            soft_wrap=True,
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if writer.kept_aside:
        console.print(f"earlier result kept in {escape(str(writer.kept_aside))}", soft_wrap=True)
    console.print(f"results: {escape(str(folder))}", soft_wrap=True)
    if report:
        _write_report(folder, reports)
    failed = [record for record in records if record.status != "ok"]
    if failed:
        errors.print(f"{len(failed)} of {len(records)} runs did not end well; see runs.csv")
        raise typer.Exit(ExitCode.RUNS_FAILED)


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
    folders = [Path(each) if Path(each).is_dir() else results / each for each in names or ()]
    if not names:
        folders = sorted(path.parent for path in results.glob("*/runs.csv"))
    if not folders:
        raise UsageError(f"there are no results in {results}; `seqbench run` makes some")
    for folder in folders:
        _write_report(folder, reports)


@app.command()
def env() -> None:
    """Print what a result of this machine would record as its environment, as JSON."""
    from seqbench.harness.environment import describe_environment

    console.print_json(json.dumps(describe_environment()))


def _in_fastest_implementation(spec: RunSpec) -> RunSpec:
    from seqbench.models.model import fastest_implementation

    return replace(spec, implementation=fastest_implementation(spec.variant, spec.device))


def _write_report(folder: Path, reports: Path) -> None:
    from seqbench.report import write_report
    from seqbench.store import load_results

    page = write_report(load_results(folder), reports / folder.resolve().name)
    console.print(f"report: {escape(str(page))}", soft_wrap=True)


def _registries() -> dict[str, dict[str, str]]:
    """Return the explanation of every member, by kind and name."""
    from seqbench.models.model import VARIANTS
    from seqbench.models.readout import READOUTS
    from seqbench.tasks.task import TASKS

    documented: dict[str, Mapping[str, object]] = {
        registry.kind: {name: registry[name] for name in registry}
        for registry in (VARIANTS, TASKS, READOUTS)
    }
    explained = {
        kind: {name: cleandoc(member.__doc__ or "—") for name, member in members.items()}
        for kind, members in documented.items()
    }
    return explained | {"suite": {name: _explain_suite(SUITES[name]) for name in SUITES}}


def _explain_suite(suite: Suite) -> str:
    lines = [f"{name}: {', '.join(map(str, values))}" for name, values in suite.axes.items()]
    if "variant" not in suite.axes:
        lines.append("variant: every registered one")
    return "\n".join([suite.summary, "", *lines])


def _variant_facts(name: str) -> list[str]:
    """Return lines on the size of a variant on each task, and on what was published of it."""
    from seqbench.harness.device import default_threads
    from seqbench.models.model import build_model, count_parameters
    from seqbench.published import load_published
    from seqbench.tasks.task import TASKS

    lines = ["", "Parameters with the default settings:"]
    for task in TASKS:
        spec = RunSpec(task=task, variant=name, seed=0, device="cpu", threads=default_threads())
        model = build_model(spec, features=TASKS[task].features, outputs=TASKS[task].outputs)
        lines.append(f"  {task}: {format_count(count_parameters(model))}")
    published = load_published()
    for row in published[published["variant"] == name].itertuples():
        score = format_score(row.score, row.metric)
        lines += ["", f"Published on {row.task}: {row.metric} {score} after {row.epochs} epochs,"]
        lines += [f"  {row.source}: {row.convention}"]
    return lines


def _split(values: Iterable[str]) -> list[str]:
    return [part.strip() for value in values for part in value.split(",")]


def _list_seeds(seeds: str | None) -> list[str] | None:
    if seeds is None or "," in seeds:
        return None if seeds is None else _split([seeds.removesuffix(",")])
    if not seeds.isdecimal() or not 1 <= int(seeds) <= 1000:
        raise SettingError("seeds", seeds, "a number of seeds from 1 to 1000, or seeds like 3,7")
    return [str(seed) for seed in range(int(seeds))]


def _parse_axes(options: Mapping[str, Iterable[str] | None]) -> dict[str, tuple[Any, ...]]:
    """Return the values of the options that were given, parsed and checked by their columns."""
    declared = {each.name: each for each in columns(RunSpec)}
    axes = {}
    for setting, values in options.items():
        if values is None:
            continue
        parsed = []
        for value in _split(values):
            try:
                parsed.append(declared[setting].parse(value))
            except ValueError as error:
                raise SettingError(setting, value, str(error)) from None
        axes[setting] = tuple(parsed)
    return axes


def _check_folder_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise SettingError("name", name, "lower-case letters and digits, words joined by hyphens")
    return name


def _command(suite: str, chosen: Mapping[str, tuple[Any, ...]], name: str | None) -> str:
    """Return the command that makes the result again, the folders of this machine left out."""
    words = ["seqbench run"] + ([f"--suite {suite}"] if suite != CUSTOM_SUITE else [])
    for setting in (field.name for field in fields(RunSpec)):
        if setting in chosen:
            text = ",".join(map(str, chosen[setting]))
            alone = "," if setting == "seed" and "," not in text else ""  # a list, not a number
            words.append(f"{_option(setting)} {text}{alone}")
    return " ".join(words + ([f"--name {name}"] if name else []))


def _option(setting: str) -> str:
    """Return the option that sets a field of `RunSpec`."""
    return "--seeds" if setting == "seed" else f"--{setting.replace('_', '-')}"


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"seqbench {seqbench.__version__}", highlight=False)
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
    try:
        app()
    except SettingError as error:
        errors.print(
            f"error: {_option(error.setting)} must be {error.expected}, not {error.value!r}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        sys.exit(error.exit_code)
    except SeqbenchError as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
