"""Which figures a report has, each with its caption, by file name."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from seqbench import plots, speed_plots, stats
from seqbench.profiles import summarise_profiles
from seqbench.speed import measure_limits, summarise_speed, tabulate_phases
from seqbench.store import Results


@dataclass(frozen=True)
class Frames:
    """What figures are drawn from: a result's finished runs and what is made of them."""

    finished: pd.DataFrame
    epochs: pd.DataFrame
    curves: pd.DataFrame
    summary: pd.DataFrame
    speed: pd.DataFrame
    limits: pd.DataFrame
    profiles: pd.DataFrame
    palette: plots.Palette


Captioned = tuple[Figure, str]

_BAND = "Line: mean over seeds; band: lowest to highest seed; dotted: the trivial answer."


def _score_by_epoch(frames: Frames) -> Captioned | None:
    if frames.curves["epoch"].max() == 1:
        return None
    return (
        plots.plot_learning_curves(frames.curves, frames.palette, "epoch"),
        f"Learning curves by epoch: what a pass over the data buys. {_BAND}",
    )


def _score_by_time(frames: Frames) -> Captioned | None:
    if frames.curves["epoch"].max() == 1:
        return None
    return (
        plots.plot_learning_curves(frames.curves, frames.palette, "train_time_s"),
        f"Learning curves by training time: what a second buys. {_BAND}",
    )


def _final_score(frames: Frames) -> Captioned | None:
    return (
        plots.plot_final_scores(frames.finished, frames.summary, frames.palette),
        "Scores after the last epoch, seed by seed.",
    )


def _epoch_time(frames: Frames) -> Captioned | None:
    return (
        plots.plot_epoch_time(frames.epochs, frames.summary, frames.palette),
        "Training time of an epoch; evaluation, logging and saving are not in it.",
    )


def _train_throughput(frames: Frames) -> Captioned | None:
    return (
        plots.plot_throughput(frames.finished, frames.summary, frames.palette, "train"),
        "Training throughput: forward, backward and optimiser step.",
    )


def _eval_throughput(frames: Frames) -> Captioned | None:
    return (
        plots.plot_throughput(frames.finished, frames.summary, frames.palette, "eval"),
        "Inference throughput: forward passes over the test set in batches of the same size.",
    )


def _score_against_throughput(frames: Frames) -> Captioned | None:
    better = ": up and to the right is better" if frames.summary["higher_is_better"].all() else ""
    return (
        plots.plot_score_against_throughput(frames.summary, frames.palette),
        f"Score against training throughput{better}.",
    )


def _speed(frames: Frames) -> Captioned | None:
    return (
        speed_plots.plot_speed(frames.speed, frames.palette),
        "Speed of training steps and of inference. Dot: median; bar: interval over samples and "
        "runs, where it is known; hollow: unstable.",
    )


def _latency(frames: Frames) -> Captioned | None:
    return (
        speed_plots.plot_latency(frames.speed, frames.palette),
        "Latency: a forward pass of a single example; percentiles that have samples enough.",
    )


def _roofline(frames: Frames) -> Captioned | None:
    counted = frames.speed[frames.speed["intensity"].notna()]
    if counted.empty:
        return None
    return (
        speed_plots.plot_roofline(counted, frames.limits, frames.palette),
        "Training steps under the machine's roof, which was measured in the same run.",
    )


def _profile(frames: Frames) -> Captioned | None:
    return (
        speed_plots.plot_profiles(frames.profiles),
        "Where a training step's time goes, by profile; the share of the machine's peak beside it.",
    )


SCORE_FIGURES: dict[str, Callable[[Frames], Captioned | None]] = {
    "score_by_epoch": _score_by_epoch,
    "score_by_time": _score_by_time,
    "final_score": _final_score,
    "epoch_time": _epoch_time,
    "train_throughput": _train_throughput,
    "eval_throughput": _eval_throughput,
    "score_against_throughput": _score_against_throughput,
}
"""Of trained runs, by file name: what draws a figure, or gives None where it shows nothing."""

SPEED_FIGURES: dict[str, Callable[[Frames], Captioned | None]] = {
    "speed": _speed,
    "latency": _latency,
    "roofline": _roofline,
}
"""Of measured runs."""

PROFILE_FIGURES: dict[str, Callable[[Frames], Captioned | None]] = {"profile": _profile}
"""Of profiled runs."""

FIGURES = SCORE_FIGURES | SPEED_FIGURES | PROFILE_FIGURES


def draw_figures(results: Results, summary: pd.DataFrame) -> dict[str, Captioned]:
    """Return the figures that a result has something to show in; none if no run ended well.

    Parameters
    ----------
    results
        The result.
    summary
        Its `stats.summarise_groups`.
    """
    labelled = stats.name_groups(results.runs)
    finished = stats.time_runs(labelled[labelled["status"] == "ok"], results.epochs)
    epochs = finished[["run_id", "label", "task"]].merge(
        results.epochs.drop(columns="task"), on="run_id"
    )
    speed = summarise_speed(results.runs, results.timings)
    frames = Frames(
        finished=finished,
        epochs=epochs,
        curves=stats.learning_curves(results.runs, results.epochs),
        summary=summary,
        speed=speed,
        limits=measure_limits(results.runs, results.timings),
        profiles=summarise_profiles(results.runs, results.profile, tabulate_phases(speed)),
        palette=plots.color_labels(list(finished["label"])),
    )
    wanted = {} if summary.empty else SCORE_FIGURES
    wanted = wanted if frames.speed.empty else wanted | SPEED_FIGURES
    wanted = wanted if frames.profiles.empty else wanted | PROFILE_FIGURES
    drawn = {name: draw(frames) for name, draw in wanted.items()}
    return {name: captioned for name, captioned in drawn.items() if captioned}
