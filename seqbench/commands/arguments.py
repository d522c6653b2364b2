"""Arguments that several commands have."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from seqbench.columns import Check, Column, at_least
from seqbench.commands.console import complain
from seqbench.errors import ResultsError, UsageError
from seqbench.results.local import LOCAL, PUBLISHED
from seqbench.spec import WHAT


def parse_number(kind: type, check: Check | None = None) -> Callable[[Any], Any]:
    """Return what reads an option's number as a cell of a result is read, and refuses the rest.

    Python's own ``int`` and ``float`` also take digits of other scripts and underscores.
    """

    def number(text: Any) -> Any:
        if not isinstance(text, str):  # the default
            return text
        try:
            return Column("", kind, "", check=check).parse(text.strip())
        except ValueError as error:
            raise typer.BadParameter(f"must be {error}, not {text[:_SHOWN]!r}") from None

    return number


_SHOWN = 40
NUMBER = parse_number(float)
COUNT = parse_number(int, at_least(1))

WHERE = "Output"
"""Group of options."""

ResultsRoot = Annotated[
    Path,
    typer.Option("--results", help="Folder of result folders.", rich_help_panel=WHERE),
]
Publish = Annotated[
    bool,
    typer.Option(
        "--publish",
        help="Write to results/ and reports/, which git tracks, instead of results/local/ and "
        "reports/local/.",
        rich_help_panel=WHERE,
    ),
]
RootOfNew = Annotated[
    Path | None,
    typer.Option(
        "--results",
        help="Folder of result folders. Default: results/local, with --publish results.",
        metavar="FOLDER",
        rich_help_panel=WHERE,
    ),
]
ReportsRoot = Annotated[
    Path, typer.Option("--reports", help="Folder of reports.", rich_help_panel=WHERE)
]
RootOfNewReports = Annotated[
    Path | None,
    typer.Option(
        "--reports",
        help="Folder of reports. Default: reports/local, with --publish reports.",
        metavar="FOLDER",
        rich_help_panel=WHERE,
    ),
]
DataFolder = Annotated[
    Path | None,
    typer.Option(
        help="Data folder. Default: $SEQBENCH_DATA, else the user's cache folder.",
        metavar="FOLDER",
        rich_help_panel=WHAT,
    ),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        help="A Python file with variants or tasks of your own.",
        metavar="FILE",
        rich_help_panel=WHAT,
    ),
]


def find_folder(name: str, results: Path, *, deleted: bool = False) -> Path:
    """Return a result folder for its path or its name.

    A name is that of a published result, or of a local one: if both exist ``local/NAME`` is local.

    Parameters
    ----------
    name, results
        Arguments of the command.
    deleted
        Whether it need not be there any more.

    Raises
    ------
    ResultsError
        If there is none.
    """
    from seqbench.results.folder_lock import heal_folder

    published, local = results / name, results / LOCAL / name
    with suppress(OSError):  # such as a name that is too long for one
        for place in (Path(name), published, local):
            heal_folder(place)
        if Path(name).is_dir():
            return Path(name)
        if local.is_dir() and not published.is_dir():
            return local
        if local.is_dir():
            complain(f"{name} is {published}; {LOCAL}/{name} is {local}")
        if deleted or published.exists():
            return published
    raise ResultsError(f"there is no result {name}: no folder {name}, {published} or {local}")


def choose_root(results: Path | None, *, publish: bool) -> Path:
    """Return the folder in which a new result folder goes.

    Raises
    ------
    UsageError
        If it is named, and a published one is requested too.
    """
    if results is not None and publish:
        raise UsageError("--publish stands for --results results; give one of the two")
    return results or (PUBLISHED if publish else PUBLISHED / LOCAL)
