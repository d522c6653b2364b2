"""`Result`: a result folder as a person in a notebook uses it."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqbench.analysis.analysis import Analysis, analyse
from seqbench.analysis.comparison import compare_results
from seqbench.errors import UsageError
from seqbench.report import plots
from seqbench.report.page import write_report
from seqbench.results.reader import load_results

if TYPE_CHECKING:
    from seqbench.models.sequence_model import SequenceModel

_Plot = Callable[[pd.DataFrame, pd.DataFrame, plots.Palette], Figure]
_SHOWN = {
    "task": "task",
    "label": "variant",
    "device": "device",
    "seeds": "seeds",
    "score": "score",
    "score_low": "lower",
    "score_high": "upper",
    "epoch_time_s": "epoch_time_s",
    "parameters": "parameters",
}


class Result:
    """One result: its tables as data frames, its figures, its trained models.

    Frames are those of the CSV files: their columns and units are in docs/results.md.

    Parameters
    ----------
    folder
        A result folder, such as ``results/mnist``.

    Raises
    ------
    ResultsError
        If it cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._read = load_results(self.folder)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self._read.name

    @property
    def runs(self) -> pd.DataFrame:
        """One row per run: settings, status, final score, times."""
        return self._read.runs

    @property
    def epochs(self) -> pd.DataFrame:
        """One row per epoch: losses, score, seconds."""
        return self._read.epochs

    @property
    def evaluations(self) -> pd.DataFrame:
        """One row per evaluation within an epoch, if there were any."""
        return self._read.evaluations

    @property
    def timings(self) -> pd.DataFrame:
        """A row a timed sample, if speed was measured."""
        return self._read.timings

    @property
    def environment(self) -> dict[str, Any]:
        """What the result depended on besides: machine, software, code."""
        return self._read.environment

    @cached_property
    def analysis(self) -> Analysis:
        """Every frame that a report is made of."""
        return analyse(self._read)

    def summary(self) -> pd.DataFrame:
        """Return one row per group of runs that differ in the seed only.

        Returns
        -------
        DataFrame
            ``task``, ``variant`` (its label, with its distinguishing settings),
            ``device``, ``seeds``, ``score`` (mean over seeds of the final score, in the metric's
            unit), ``lower`` and ``upper`` (95 % interval of that mean, within what
            the metric can be; empty for one seed),
            ``epoch_time_s`` (median seconds of an epoch), ``parameters``.
        """
        frame = self.analysis.summary
        known = {old: new for old, new in _SHOWN.items() if old in frame}
        return frame[list(known)].rename(columns=known).reset_index(drop=True)

    def differences(self) -> pd.DataFrame:
        """Return each group's final score against the best one's, see `differences`."""
        return self.analysis.scores

    def compare(self, other: "Result | str | Path") -> pd.DataFrame:
        """Return the groups in common with another result, or one in a folder, paired by seed.

        Raises
        ------
        UsageError
            If they have nothing in common.
        """
        return compare_results(
            self._read, (other if isinstance(other, Result) else Result(other))._read
        ).table

    def plot_learning_curves(self, x: str = "epoch", ax: Axes | None = None) -> Figure:
        """Plot scores over ``epoch`` or ``train_time_s``: mean over seeds, and their range.

        Parameters
        ----------
        x
            ``epoch`` or ``train_time_s``.
        ax
            Where to draw, if the result is of one task; None for a new figure, with a row for each
            task and a close-up of the last scores.
        """
        if x not in plots.CURVE_AXES:
            raise UsageError(f"x must be {' or '.join(plots.CURVE_AXES)}, not {x!r}")
        curves = self.analysis.curves
        self._expect(curves)
        palette = self._palette(curves)
        if ax is None:
            return plots.plot_learning_curves(curves, palette, x)
        if (tasks := curves["task"].nunique()) > 1:
            raise UsageError(f"one pair of axes can show the curves of one task, not of {tasks}")
        plots.draw_learning_curves(ax, curves, palette, x)
        ax.legend(frameon=False)
        figure = ax.get_figure(root=True)
        assert figure is not None
        return figure

    def plot_final_scores(self) -> Figure:
        """Plot the final score of every seed, and each group's mean."""
        return self._plot(plots.plot_final_scores, self.analysis.finished)

    def plot_epoch_time(self) -> Figure:
        """Plot the training time of an epoch, seconds."""
        return self._plot(plots.plot_epoch_time, self.analysis.epochs)

    def plot_throughput(self, phase: str = "train") -> Figure:
        """Plot examples a second of training (``train``) or of evaluation (``eval``)."""
        if phase not in ("train", "eval"):
            raise UsageError(f"phase must be train or eval, not {phase!r}")
        summary = self._expect(self.analysis.summary)
        finished = self.analysis.finished
        return plots.plot_throughput(finished, summary, self._palette(summary), phase)

    def plot_score_against_throughput(self) -> Figure:
        """Plot mean scores against examples a second."""
        summary = self._expect(self.analysis.summary)
        return plots.plot_score_against_throughput(summary, self._palette(summary))

    def write_report(self, folder: str | Path | None = None) -> Path:
        """Write the report, Markdown and figures, and return its page; default: reports/NAME."""
        return write_report(self._read, Path(folder or Path("reports", self.name)))

    def load_model(self, run_id: str) -> "SequenceModel":
        """Return the trained model of a run whose checkpoint was kept, in evaluation mode.

        Raises
        ------
        UsageError
            If there is no such run, or its weights were not saved.
        """
        from seqbench.harness.plugins import load_plugins
        from seqbench.results.reader import CHECKPOINTS
        from seqbench.training.checkpoint import load_model

        if run_id not in set(self.runs["run_id"]):
            raise UsageError(f"{self.folder} has no run {run_id!r}; Result.runs has their ids")
        path = self.folder / CHECKPOINTS / f"{run_id}.ckpt"
        if not path.is_file():
            raise UsageError(f"the weights of {run_id} were not saved; use save_checkpoints=True")
        load_plugins(())
        return load_model(path)

    def _plot(
        self,
        plot: Callable[[pd.DataFrame, pd.DataFrame, plots.Palette], Figure],
        frame: pd.DataFrame,
    ) -> Figure:
        summary = self._expect(self.analysis.summary)
        return plot(frame, summary, self._palette(summary))

    def _expect(self, frame: pd.DataFrame) -> pd.DataFrame:
        if frame.empty:
            raise UsageError(f"no run of {self.folder} completed: nothing to plot")
        return frame

    def _palette(self, frame: pd.DataFrame) -> plots.Palette:
        return plots.color_labels(list(frame["label"]))

    def __repr__(self) -> str:
        """Return the folder and how many runs there are."""
        return f"<seqbench.Result {self.folder}: {len(self.runs)} runs>"

    def _repr_html_(self) -> str:
        """Return the summary as a table, for notebooks."""
        table: str = self.summary().to_html(index=False, float_format="{:.4g}".format)
        return table
