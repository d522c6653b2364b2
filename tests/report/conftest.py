"""What tests of a report need: figures that cost nothing, and some of them only."""

from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from seqbench.analysis.analysis import analyse
from seqbench.report import curves, figures, page, plots, speed_plots
from seqbench.report.theme import WIDTH
from seqbench.results.reader import Results

Draw = Callable[..., dict[str, Figure]]


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


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Return what draws some figures of a result, by their names, as a report would."""

    def draw_some(results: Results, *names: str) -> dict[str, Figure]:
        with monkeypatch.context() as patch:
            choose_figures(patch, names)
            drawn = figures.draw_figures(analyse(results))
        return {name: figure for name, (figure, _) in drawn.items()}

    return draw_some


@pytest.fixture
def final_scores_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have reports with no other figure than that of the final scores."""
    choose_figures(monkeypatch, ["final_score"])


def choose_figures(patch: pytest.MonkeyPatch, names: Collection[str]) -> None:
    for kind in ("SCORE_FIGURES", "SPEED_FIGURES", "PROFILE_FIGURES"):
        chosen = {name: each for name, each in getattr(figures, kind).items() if name in names}
        patch.setattr(figures, kind, chosen)
