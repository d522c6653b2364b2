"""What is done with stored results: reports and comparisons."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from seqbench.commands.arguments import (
    Publish,
    ReportsRoot,
    ResultsRoot,
    RootOfNew,
    choose_root,
    find_folder,
)
from seqbench.commands.console import complain, say
from seqbench.commands.options import check_folder_name
from seqbench.commands.outputs import check_folder, writing
from seqbench.errors import ExitCode, ResultsError, UsageError
from seqbench.results.local import LOCAL, PUBLISHED, choose_reports, find_published


def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Result folders, or their names below --results. Default: all there."),
    ] = None,
    results: ResultsRoot = Path("results"),
    reports: ReportsRoot = Path("reports"),
    format_: Annotated[
        list[str] | None,
        typer.Option("--format", help="Of figures: png (default), svg or pdf. Repeatable."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LABEL",
            help="What to call a variant, or a group of runs: gru=GRU. Repeatable.",
        ),
    ] = None,
    latex: Annotated[
        bool, typer.Option(help="Also write the headline table as LaTeX, table.tex.")
    ] = False,
) -> None:
    """Make reports/NAME/README.md and its figures from results/NAME, and reports/README.md.

    NAME may be local: the report of results/local/NAME goes to reports/local/NAME.

    A result that cannot be read does not stop the others. With --label, a name must be that of a
    variant or a group in every result that is named.
    """
    from seqbench.results.reader import list_results

    wanted = (format_ or ["png"], label or [], latex)

    check_folder("--reports", reports)
    found = [*list_results(results), *list_results(results / LOCAL)]
    folders = [find_folder(each, results) for each in names] if names else found
    if not folders:
        raise UsageError(f"there are no results in {results}; `seqbench run` makes some")
    unread = 0
    roots = set()
    for folder in folders:
        try:
            root = choose_reports(folder, reports)
            write_page(folder, root, *wanted)
            roots.add(root)
        except ResultsError as error:
            unread += 1
            complain(f"error: {error}")
    for root in sorted(roots):
        update_index(root)
    if unread:
        if len(folders) > 1:
            complain(f"{unread} of {len(folders)} results have no report of today")
        raise typer.Exit(ExitCode.RESULTS_UNREADABLE)


def accept(
    name: Annotated[str, typer.Argument(help="A result folder, or its name below --results.")],
    results: ResultsRoot = Path("results"),
) -> None:
    """Say that an edit of a result's CSV was meant: it is read again, and rows say that it was."""
    from seqbench.results.accepting import accept_edits

    folder = find_folder(name, results)
    edits = accept_edits(folder)
    for edit in edits:
        say(edit)
    say(f"accepted in {folder}" if edits else f"nothing was edited in {folder}")


def pool(
    name: Annotated[str, typer.Argument(help="Name of the result that they become.")],
    parts: Annotated[
        list[str], typer.Argument(help="Result folders, or their names below --results.")
    ],
    publish: Publish = False,
    results: RootOfNew = None,
) -> None:
    """Put several results together: scores of all of them, times of the first one's machine."""
    from seqbench.results.pooling import pool_results
    from seqbench.results.reader import load_results

    folders = [find_folder(each, results or PUBLISHED) for each in parts]
    target = choose_root(results, publish=publish) / check_folder_name(name)
    archived = pool_results([load_results(folder) for folder in folders], target)
    if archived:
        say(f"earlier result kept in {archived}")
    say(f"results: {target}")


def compare(
    first: Annotated[str, typer.Argument(help="A result folder, or its name below --results.")],
    second: Annotated[str, typer.Argument(help="The result that is compared with it.")],
    results: ResultsRoot = Path("results"),
) -> None:
    """Set two stored results side by side: scores paired by seed, times on machines alike.

    Where they have no settings in common but for one that differs, it is compared along that one.
    """
    from seqbench.analysis.comparison import compare_results, describe_comparison
    from seqbench.report.tables import COMPARISON, format_table
    from seqbench.results.reader import load_results

    one, other = (load_results(find_folder(each, results)) for each in (first, second))
    found = compare_results(one, other)
    for line in describe_comparison(first, second, found):
        say(line)
    say(f"\n{format_table(found.table, COMPARISON)}")


def write_page(
    folder: Path,
    reports: Path,
    formats: Sequence[str] = ("png",),
    labels: Sequence[str] = (),
    latex: bool = False,
) -> None:
    """Make the report of a result folder in ``reports``, and say where it is."""
    from seqbench.analysis.stats import name_groups
    from seqbench.report.labels import list_names, parse_labels
    from seqbench.report.page import Publication, write_report
    from seqbench.results.reader import load_results

    found = load_results(folder)
    named = parse_labels(labels, list_names(name_groups(found.runs))) if labels else {}
    asked = Publication(tuple(dict.fromkeys(formats)), named, latex)
    published = find_published(folder)
    beside = load_results(published) if published else None
    with writing("--reports", reports):
        page = write_report(found, reports / folder.resolve().name, asked, beside)
    say(f"report: {page}")


def update_index(reports: Path) -> None:
    """Write the index of all reports, unless a page of someone else is in its place."""
    from seqbench.report.index import PAGE, write_index

    with writing("--reports", reports):
        if reports.is_dir() and not write_index(reports):
            say(f"no index: {reports / PAGE} is not from seqbench and is kept")
