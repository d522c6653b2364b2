"""The page of a history: sentences, tables, a figure and the points as CSV."""

from pathlib import Path

import pandas as pd

from seqbench.history.findings import describe_history
from seqbench.history.plots import plot_history
from seqbench.history.tables import CHANGES, MACHINES, TRENDS
from seqbench.history.trends import History
from seqbench.report.page import PAGE
from seqbench.report.tables import format_table
from seqbench.report.templating import render_page
from seqbench.report.theme import save_figure

FIGURE = "history.png"
POINTS = "points.csv"


def write_history(history: History, folder: Path, command: str) -> Path:
    """Write page, figure and points into ``folder`` and return the page, which is written last.

    The same results give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    history.points.to_csv(folder / POINTS, index=False, lineterminator="\n")
    save_figure(plot_history(history), folder / FIGURE)
    page = folder / PAGE
    text = render_page(
        "history.md.j2",
        name=history.timeline.name,
        command=command,
        findings=list(describe_history(history)),
        changes=format_table(history.changes, CHANGES),
        trends=format_table(history.trends[history.trends["points"] > 1], TRENDS),
        machines=format_table(_count_machines(history.machines), MACHINES),
        figure=FIGURE,
        points=POINTS,
    )
    page.write_text(text, encoding="utf-8")
    return page


def _count_machines(machines: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each machine: how many results it made, the first and the last of them."""
    by_machine = machines.groupby("machine", as_index=False)
    return by_machine.agg(
        cpu=("cpu", "first"),
        results=("point", "size"),
        first=("point", "first"),
        last=("point", "last"),
    )
