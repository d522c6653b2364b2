"""How a result went over its revisions, or over a folder of results."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from seqbench.commands.arguments import ReportsRoot, ResultsRoot, find_folder
from seqbench.commands.console import say
from seqbench.commands.outputs import check_folder, writing
from seqbench.errors import UsageError
from seqbench.results.local import LOCAL, is_local


def history(
    name: Annotated[
        str | None,
        typer.Argument(help="A result folder, or its name below --results: all its git revisions."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Instead of revisions: every result in this folder.", metavar="DIR"),
    ] = None,
    results: ResultsRoot = Path("results"),
    reports: ReportsRoot = Path("reports"),
) -> None:
    """Show scores and times over git revisions or folders, and where they changed."""
    from seqbench.history.findings import describe_history
    from seqbench.history.report import write_history
    from seqbench.history.revisions import read_folders, read_revisions
    from seqbench.history.tables import CHANGES
    from seqbench.history.trends import trace_history
    from seqbench.report.tables import format_table

    check_folder("--reports", reports)
    if folder is not None and name is None:
        line, kind, place = read_folders(folder), "--folder ", folder / "each"
    elif name is not None and folder is None:
        place = find_folder(name, results, deleted=True)
        line, kind = read_revisions(place), ""
    else:
        raise UsageError(
            "`seqbench history NAME` reads the git revisions of a result, `seqbench history "
            "--folder DIR` the results in a folder: give one of them"
        )
    found = trace_history(line)
    command = f"seqbench history {kind}{shlex.quote(line.name)}"
    reports = reports / LOCAL if is_local(place) else reports
    with writing("--reports", reports):
        page = write_history(found, reports / "history" / line.name, command)
    for sentence in describe_history(found):
        say(sentence)
    if not found.changes.empty:
        say(f"\n{format_table(found.changes, CHANGES)}\n")
    say(f"history: {page}")
