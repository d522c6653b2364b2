"""Arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

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


def find_folder(name: str, results: Path) -> Path:
    """Return a result folder for its path or its name."""
    from seqbench.store import heal_folder

    heal_folder(Path(name))
    return Path(name) if Path(name).is_dir() else results / name
