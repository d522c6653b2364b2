"""What tests of a report's text need: figures that cost nothing."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from seqbench.report import curves, page, plots, speed_plots
from seqbench.report.theme import WIDTH


@pytest.fixture
def nothing_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave figures empty, of the size that they would have, and their files too.

    Which figures there are, what their captions say and when they are written is as always.
    """

    def leave_empty(
        frame: pd.DataFrame, draw: object, height: Callable[[pd.DataFrame], float]
    ) -> Figure:
        parts = frame.groupby(["task", "device"], sort=False)
        return Figure(figsize=(WIDTH, sum(height(part) for _, part in parts)))

    def save_nothing(figure: Figure, path: Path) -> None:
        path.touch()

    for module in (curves, plots, speed_plots):
        monkeypatch.setattr(module, "draw_parts", leave_empty)
    monkeypatch.setattr(page, "save_figure", save_nothing)
