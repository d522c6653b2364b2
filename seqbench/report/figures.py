"""Which figures a report has, each with its caption, by file name; of many groups, which are drawn.

A figure of hundreds of groups shows nothing, so the most telling ones of each task and device are
drawn, and the caption says which these are. All of them stand in the tables.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seqbench.analysis.analysis import Analysis
from seqbench.analysis.stats import GROUP
from seqbench.report import plots, speed_plots

MOST_BEST, MOST_QUICK = 30, 10
"""Of each task and device so many groups of the best scores are drawn, and so many quick ones."""

MOST_TASKS = 12

Captioned = tuple[Figure, str]
Draw = Callable[[Analysis, plots.Palette], Captioned | None]

_BAND = "Line: mean over seeds; band: lowest to highest seed; dotted: the baseline."


def _score_by_epoch(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    if analysis.curves["epoch"].max() == 1:
        return None
    return (
        plots.plot_learning_curves(analysis.curves, palette, "epoch"),
        f"Learning curves by epoch: what a pass over the data buys. {_BAND}",
    )


def _score_by_time(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    if analysis.curves["epoch"].max() == 1:
        return None
    return (
        plots.plot_learning_curves(analysis.curves, palette, "train_time_s"),
        f"Learning curves by training time: what a second buys. {_BAND}",
    )


def _final_score(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    return (
        plots.plot_final_scores(analysis.finished, analysis.summary, palette),
        "Scores after the last epoch, seed by seed.",
    )


def _epoch_time(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    return (
        plots.plot_epoch_time(analysis.epochs, analysis.summary, palette),
        "Training time of an epoch; evaluation, logging and saving are not in it.",
    )


def _train_throughput(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    return (
        plots.plot_throughput(analysis.finished, analysis.summary, palette, "train"),
        "Training throughput: forward, backward and optimiser step.",
    )


def _eval_throughput(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    return (
        plots.plot_throughput(analysis.finished, analysis.summary, palette, "eval"),
        "Inference throughput: forward passes over the test set in batches of the same size.",
    )


def _score_against_throughput(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    better = ": up and to the right is better" if analysis.summary["higher_is_better"].all() else ""
    return (
        plots.plot_score_against_throughput(analysis.summary, palette),
        f"Score against training throughput{better}. Bars: 95 % intervals of the mean score.",
    )


def _speed(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    return (
        speed_plots.plot_speed(analysis.speed, palette),
        "Speed of training steps and of inference. Dot: median; bar: interval over samples and "
        "runs, where it is known; hollow: unstable.",
    )


def _latency(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    return (
        speed_plots.plot_latency(analysis.speed, palette),
        "Latency: a forward pass of a single example; percentiles that have samples enough.",
    )


def _roofline(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    counted = analysis.speed[analysis.speed["intensity"].notna()]
    if counted.empty:
        return None
    return (
        speed_plots.plot_roofline(counted, analysis.limits, palette),
        "Training steps under the machine's roof, which was measured in the same run.",
    )


def _profile(analysis: Analysis, palette: plots.Palette) -> Captioned | None:
    return (
        speed_plots.plot_profiles(analysis.profiles),
        "Where a training step's time goes, by profile; the share of the machine's peak beside it.",
    )


SCORE_FIGURES: dict[str, Draw] = {
    "score_by_epoch": _score_by_epoch,
    "score_by_time": _score_by_time,
    "final_score": _final_score,
    "epoch_time": _epoch_time,
    "train_throughput": _train_throughput,
    "eval_throughput": _eval_throughput,
    "score_against_throughput": _score_against_throughput,
}
"""Of trained runs, by file name: what draws a figure, or gives None where it shows nothing."""

SPEED_FIGURES: dict[str, Draw] = {"speed": _speed, "latency": _latency, "roofline": _roofline}
"""Of measured runs."""

PROFILE_FIGURES: dict[str, Draw] = {"profile": _profile}
"""Of profiled runs."""

FIGURES = SCORE_FIGURES | SPEED_FIGURES | PROFILE_FIGURES


_TRAINED = ("finished", "epochs", "curves", "summary")
_MEASURED = ("speed", "profiles")
_CHOSEN_TRAINED = (
    f"{MOST_BEST} groups of the best mean scores and the {MOST_QUICK} quickest of the others"
)
_CHOSEN_MEASURED = f"{MOST_BEST + MOST_QUICK} groups of the quickest training steps"


def draw_figures(analysis: Analysis) -> dict[str, Captioned]:
    """Return the figures that a result has something to show in; none if no run ended well."""
    trained, measured = choose_trained(analysis.summary), choose_measured(analysis.phases)
    frames = {name: _keep(getattr(analysis, name), trained) for name in _TRAINED}
    frames |= {name: _keep(getattr(analysis, name), measured) for name in _MEASURED}
    shown = replace(analysis, **frames)
    chosen = {label for groups in (trained, measured) if len(groups) for label in groups["label"]}
    palette = plots.color_labels([each for each in analysis.runs["label"] if each in chosen])
    of_trained = _describe_choice(len(analysis.summary) - len(trained), _CHOSEN_TRAINED)
    of_measured = _describe_choice(len(analysis.phases) - len(measured), _CHOSEN_MEASURED)
    drawn: dict[str, Captioned] = {}
    for figures, frame, choice in (
        (SCORE_FIGURES, shown.summary, of_trained),
        (SPEED_FIGURES, shown.speed, of_measured),
        (PROFILE_FIGURES, shown.profiles, of_measured),
    ):
        for name, draw in figures.items() if len(frame) else ():
            if captioned := draw(shown, palette):
                figure, caption = captioned
                drawn[name] = (figure, f"{caption}{choice}")
    return drawn


def choose_trained(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the groups whose scores and epoch times are drawn.

    Parameters
    ----------
    summary
        From `stats.summarise_groups`.
    """
    if summary.empty:
        return summary
    sign = np.where(summary["higher_is_better"].astype(bool), -1.0, 1.0)
    keys = [summary["task"], summary["device"]]
    by_score = (sign * summary["score"]).groupby(keys).rank(method="first")
    others = summary["epoch_time_s"].where(by_score > MOST_BEST)
    quick = others.groupby(keys).rank(method="first") <= MOST_QUICK
    return _of_first_tasks(summary[(by_score <= MOST_BEST) | quick])


def choose_measured(phases: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the groups whose speed is drawn.

    Parameters
    ----------
    phases
        From `speed.tabulate_phases`, the quickest first.
    """
    if phases.empty:
        return phases
    place = phases.groupby(["task", "device"]).cumcount()
    return _of_first_tasks(phases[place < MOST_BEST + MOST_QUICK])


def _of_first_tasks(groups: pd.DataFrame) -> pd.DataFrame:
    return groups[pd.factorize(groups["task"])[0] < MOST_TASKS]


def _keep(frame: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a frame that belong to some groups, in their order."""
    return frame.merge(groups[GROUP], on=GROUP) if len(frame) and len(groups) else frame


def _describe_choice(left_out: int, chosen: str) -> str:
    if not left_out:
        return ""
    return (
        f" Drawn: of each task and device the {chosen}, of the first {MOST_TASKS} tasks; "
        f"{left_out:,} groups more stand in the table."
    )
