"""What is done with stored results: reports, comparisons, verification."""

from pathlib import Path
from typing import Annotated

import typer

from seqbench.commands.arguments import (
    DataFolder,
    Plugins,
    ReportsRoot,
    ResultsRoot,
    find_folder,
)
from seqbench.commands.console import interruptible, say
from seqbench.errors import ExitCode, UsageError
from seqbench.options import check_folder_name


def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Result folders, or their names below --results. Default: all there."),
    ] = None,
    results: ResultsRoot = Path("results"),
    reports: ReportsRoot = Path("reports"),
) -> None:
    """Make reports/NAME/README.md and its figures from results/NAME."""
    from seqbench.store import list_results

    folders = [find_folder(each, results) for each in names] if names else list_results(results)
    if not folders:
        raise UsageError(f"there are no results in {results}; `seqbench run` makes some")
    for folder in folders:
        write_page(folder, reports)


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

    folders = [find_folder(each, results) for each in parts]
    target = results / check_folder_name(name)
    pool_results([load_results(folder) for folder in folders], target)
    say(f"results: {target}")


def compare(
    first: Annotated[str, typer.Argument(help="A result folder, or its name below --results.")],
    second: Annotated[str, typer.Argument(help="The one that is held against it.")],
    results: ResultsRoot = Path("results"),
) -> None:
    """Set two stored results side by side: scores paired by seed, times on machines alike."""
    from seqbench.comparing import compare_results, describe_comparison
    from seqbench.store import load_results
    from seqbench.tables import COMPARISON, format_table

    one, other = (load_results(find_folder(each, results)) for each in (first, second))
    found = compare_results(one, other)
    for line in describe_comparison(first, second, found):
        say(line)
    say(f"\n{format_table(found.table, COMPARISON)}")


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

    with interruptible("nothing was compared"), Worker(data, plugin or ()) as worker:
        from seqbench.harness.device import resolve_device
        from seqbench.harness.environment import describe_environment
        from seqbench.harness.verifying import Again, choose_rows, verify_runs
        from seqbench.plugins import load_plugins
        from seqbench.store import load_results

        load_plugins(plugin or ())
        folder = find_folder(name, results)
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
            say(f"{line}{again.fault or 'equal'}{change}")

        found = verify_runs(published, specs, problems, worker, environment, tell)
    equal = sum(each.fault is None for each in found.runs)
    say(f"{equal} of {len(specs)} runs are equal to the last digit")
    for difference in found.differences:
        say(f"the environment differs in {difference}")
    if found.likenesses:
        say("so scores were compared over seeds instead:")
    for each in found.likenesses:
        say(f"  {each.name}: {'alike' if each.holds else 'NOT ALIKE'}; {each.text}")
    if not found.holds:
        raise typer.Exit(ExitCode.VERIFICATION_DIFFERS)


def write_page(folder: Path, reports: Path) -> None:
    """Make the report of a result folder, and say where it is."""
    from seqbench.report import write_report
    from seqbench.store import load_results

    page = write_report(load_results(folder), reports / folder.resolve().name)
    say(f"report: {page}")
