"""`Result`: a result folder as a person in a notebook uses it."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seqbench.analysis.analysis import Analysis, analyse
from seqbench.analysis.comparison import compare_results
from seqbench.errors import UsageError
from seqbench.report import curves, plots
from seqbench.report.labels import Labels, check_labels, list_names, relabel
from seqbench.report.page import Publication, write_report
from seqbench.report.variant_styles import Palette
from seqbench.results.local import choose_reports
from seqbench.results.reader import load_results

if TYPE_CHECKING:
    from seqbench.models.sequence_model import SequenceModel

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

    def plot_learning_curves(
        self, x: str = "epoch", ax: Axes | None = None, labels: Labels | None = None
    ) -> Figure:
        """Plot scores over ``epoch`` or ``train_time_s``: mean over seeds, and their range.

        Parameters
        ----------
        x
            ``epoch`` or ``train_time_s``.
        ax
            Where to draw, if the result is of one task and device; None for a figure of its own,
            with a row for each task and device.
        labels
            What to call variants, or groups of runs: ``{"gru": "GRU"}``.
        """
        if x not in curves.CURVE_AXES:
            raise UsageError(f"x must be {' or '.join(curves.CURVE_AXES)}, not {x!r}")
        analysis, palette = self._label(labels)
        frame = analysis.curves
        if ax is None:
            return curves.plot_learning_curves(frame, palette, x)
        if (tasks := len(frame[["task", "device"]].drop_duplicates())) > 1:
            raise UsageError(f"one pair of axes can show the curves of one task, not of {tasks}")
        curves.draw_learning_curves(ax, frame, palette, x)
        ax.legend(frameon=False)
        figure = ax.get_figure(root=True)
        assert figure is not None
        return figure

    def plot_final_scores(self, labels: Labels | None = None) -> Figure:
        """Plot the final score of every seed, and each group's mean."""
        analysis, palette = self._label(labels)
        return plots.plot_final_scores(analysis.finished, analysis.summary, palette)

    def plot_epoch_time(self, labels: Labels | None = None) -> Figure:
        """Plot the training time of an epoch, seconds."""
        analysis, palette = self._label(labels)
        return plots.plot_epoch_time(analysis.epochs, analysis.summary, palette)

    def plot_throughput(self, phase: str = "train", labels: Labels | None = None) -> Figure:
        """Plot examples per second of training (``train``) or of evaluation (``eval``)."""
        if phase not in ("train", "eval"):
            raise UsageError(f"phase must be train or eval, not {phase!r}")
        analysis, palette = self._label(labels)
        return plots.plot_throughput(analysis.finished, analysis.summary, palette, phase)

    def plot_score_against_throughput(self, labels: Labels | None = None) -> Figure:
        """Plot mean scores against examples per second."""
        analysis, palette = self._label(labels)
        return plots.plot_score_against_throughput(analysis.summary, palette)

    def write_report(
        self,
        folder: str | Path | None = None,
        *,
        formats: Sequence[str] = ("png",),
        labels: Labels | None = None,
        latex: bool = False,
    ) -> Path:
        """Write the report, Markdown and figures, and return its page.

        Parameters
        ----------
        folder
            Where; default: reports/NAME of a published result, else reports/local/NAME.
        formats
            Of the figures: ``png``, ``svg``, ``pdf``.
        labels
            What to call variants, or groups of runs.
        latex
            Whether to write the headline table as ``table.tex`` too.
        """
        asked = Publication(tuple(formats), labels or {}, latex)
        return write_report(
            self._read, Path(folder or choose_reports(self.folder) / self.name), asked
        )

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

    def _label(self, labels: Labels | None) -> tuple[Analysis, Palette]:
        """Return what is drawn, with labels of one's own, and the style of each."""
        if self.analysis.summary.empty:
            raise UsageError(f"no run of {self.folder} completed: nothing to plot")
        check_labels(labels or {}, list_names(self.analysis.runs))
        return relabel(self.analysis, labels or {})

    def __repr__(self) -> str:
        """Return the folder and how many runs there are."""
        return f"<seqbench.Result {self.folder}: {len(self.runs)} runs>"

    def _repr_html_(self) -> str:
        """Return the summary as a table, for notebooks."""
        table: str = self.summary().to_html(index=False, float_format="{:.4g}".format)
        return table
