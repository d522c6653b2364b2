"""Which figures a report has, each with its caption, by file name; of many groups, which are drawn.

A figure of hundreds of groups shows nothing, so the most telling ones of each task and device are
drawn, and the caption says which these are. All of them are in the tables.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seqbench.analysis.analysis import Analysis
from seqbench.analysis.stats import GROUP
from seqbench.report import curves, plots, speed_plots
from seqbench.report.variant_styles import Palette, style_labels

MOST_BEST, MOST_QUICK = 15, 5
"""Groups drawn of each task and device: those with the best scores, and the fastest others."""

MOST_MEASURED = 40
"""Groups drawn of measured speed: those with the fastest training steps."""

MOST_TASKS = 12

Captioned = tuple[Figure, str]
Draw = Callable[[Analysis, Palette], Captioned | None]

_BAND = (
    "Line: mean over seeds; band: range over seeds; dotted: baseline; grey, where a group has a "
    "panel of its own: the other groups."
)


def _score_by_epoch(analysis: Analysis, palette: Palette) -> Captioned | None:
    return _draw_curves(analysis, palette, "epoch", "epoch")


def _score_by_time(analysis: Analysis, palette: Palette) -> Captioned | None:
    return _draw_curves(analysis, palette, "train_time_s", "training time")


def _draw_curves(analysis: Analysis, palette: Palette, x: str, name: str) -> Captioned | None:
    frame = analysis.curves
    several = frame[frame.groupby(["task", "device"])["epoch"].transform("max") > 1]
    if several.empty:
        return None
    figure = curves.plot_learning_curves(several, palette, x)
    return figure, f"Learning curves by {name}. {_BAND}"


def _final_score(analysis: Analysis, palette: Palette) -> Captioned | None:
    return (
        plots.plot_final_scores(analysis.finished, analysis.summary, palette),
        "Final scores: mean over seeds (line) and single runs (markers).",
    )


def _epoch_time(analysis: Analysis, palette: Palette) -> Captioned | None:
    return (
        plots.plot_epoch_time(analysis.epochs, analysis.summary, palette),
        "Epoch time: training only, without evaluation, logging and saving.",
    )


def _train_throughput(analysis: Analysis, palette: Palette) -> Captioned | None:
    return (
        plots.plot_throughput(analysis.finished, analysis.summary, palette, "train"),
        "Training throughput: forward, backward and optimiser step.",
    )


def _eval_throughput(analysis: Analysis, palette: Palette) -> Captioned | None:
    return (
        plots.plot_throughput(analysis.finished, analysis.summary, palette, "eval"),
        "Inference throughput: forward passes over the test set, same batch size.",
    )


def _score_against_throughput(analysis: Analysis, palette: Palette) -> Captioned | None:
    better = ": up and to the right is better" if analysis.summary["higher_is_better"].all() else ""
    return (
        plots.plot_score_against_throughput(analysis.summary, palette),
        f"Score against training throughput{better}. Bars: 95 % CIs of the mean score.",
    )


def _speed(analysis: Analysis, palette: Palette) -> Captioned | None:
    return (
        speed_plots.plot_speed(analysis.speed, palette),
        "Throughput of training and of inference. Dot: median; bar: 95 % CI over samples and runs, "
        "where it is known; hollow: unstable.",
    )


def _latency(analysis: Analysis, palette: Palette) -> Captioned | None:
    return (
        speed_plots.plot_latency(analysis.speed, palette),
        "Latency: forward pass of one example; percentiles with enough samples.",
    )


def _roofline(analysis: Analysis, palette: Palette) -> Captioned | None:
    counted = analysis.speed[analysis.speed["intensity"].notna()]
    if counted.empty:
        return None
    return (
        speed_plots.plot_roofline(counted, analysis.limits, palette),
        "Roofline: training steps against the measured hardware peak of the same runs.",
    )


def _profile(analysis: Analysis, palette: Palette) -> Captioned | None:
    return (
        speed_plots.plot_profiles(analysis.profiles),
        "Time of a training step by kind of work, from the profiler; right: % of peak throughput.",
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
    f"{MOST_BEST} groups with the best mean scores and the {MOST_QUICK} fastest of the others"
)
_CHOSEN_MEASURED = f"{MOST_MEASURED} groups with the fastest training steps"


def draw_figures(analysis: Analysis, palette: Palette | None = None) -> dict[str, Captioned]:
    """Return the figures that a result has something to show in; none if no run finished.

    Parameters
    ----------
    analysis
        Of the result.
    palette
        From `labels.relabel`, if its groups have labels of one's own.
    """
    trained, measured = choose_trained(analysis.summary), choose_measured(analysis.phases)
    frames = {name: _keep(getattr(analysis, name), trained) for name in _TRAINED}
    frames |= {name: _keep(getattr(analysis, name), measured) for name in _MEASURED}
    shown = replace(analysis, **frames)
    palette = palette or style_labels(analysis.runs["label"])
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
    return _of_first_tasks(phases[place < MOST_MEASURED])


def _of_first_tasks(groups: pd.DataFrame) -> pd.DataFrame:
    return groups[pd.factorize(groups["task"])[0] < MOST_TASKS]


def _keep(frame: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a frame that belong to some groups, in their order."""
    return frame.merge(groups[GROUP], on=GROUP) if len(frame) and len(groups) else frame


def _describe_choice(left_out: int, chosen: str) -> str:
    if not left_out:
        return ""
    return (
        f" Drawn: for each task and device the {chosen}, for the first {MOST_TASKS} tasks; "
        f"{left_out:,} more groups are in the tables."
    )
