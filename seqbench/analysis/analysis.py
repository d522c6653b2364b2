"""`Analysis`: every frame that is made of a result, once, for the page and for the figures."""

from dataclasses import dataclass

import pandas as pd

from seqbench.analysis import differences, speed, stats
from seqbench.analysis.profiles import summarise_profiles
from seqbench.analysis.published import join_published, load_published
from seqbench.analysis.targets import summarise_targets
from seqbench.results.reader import Results


@dataclass(frozen=True)
class Analysis:
    """What a report is made of; each frame is empty where a result has nothing for it.

    Parameters
    ----------
    runs
        All runs, from `stats.name_groups`.
    finished
        Those that were trained to the end, from `stats.time_runs`.
    epochs
        Their epochs, with `stats.GROUP`.
    curves
        From `stats.learning_curves`.
    summary
        From `stats.summarise_finished`.
    published
        From `published.join_published`.
    uneven
        From `stats.list_uneven_settings`.
    scores, times, steps
        From `differences`: final scores, epoch times and training steps, each group's against the
        best one's.
    effects
        From `differences.compare_settings`, of all settings whose effect is a separate finding.
    speed, phases, race, limits
        From `speed`, of timed samples.
    profiles
        From `profiles.summarise_profiles`.
    targets
        From `targets.summarise_targets`.
    """

    runs: pd.DataFrame
    finished: pd.DataFrame
    epochs: pd.DataFrame
    curves: pd.DataFrame
    summary: pd.DataFrame
    published: pd.DataFrame
    uneven: pd.DataFrame
    scores: pd.DataFrame
    times: pd.DataFrame
    steps: pd.DataFrame
    effects: pd.DataFrame
    speed: pd.DataFrame
    phases: pd.DataFrame
    race: pd.DataFrame
    limits: pd.DataFrame
    profiles: pd.DataFrame
    targets: pd.DataFrame


def analyse(results: Results) -> Analysis:
    """Return every frame of a result."""
    runs, timings = stats.name_groups(results.runs), results.timings
    finished = stats.time_runs(stats.select_finished(runs), results.epochs)
    summary = stats.summarise_finished(finished, results.epochs)
    measured = speed.summarise_speed(runs, timings)
    phases = speed.tabulate_phases(measured)
    return Analysis(
        runs=runs,
        finished=finished,
        epochs=stats.name_epochs(finished, results.epochs),
        curves=stats.learning_curves(runs, results.epochs),
        summary=summary,
        published=join_published(summary, load_published()),
        uneven=stats.list_uneven_settings(runs),
        scores=differences.compare_with_best(runs),
        times=differences.compare_times(finished, "epoch_time_s"),
        steps=differences.compare_times(speed.time_steps(runs, timings), "seconds"),
        effects=differences.compare_all_settings(runs),
        speed=measured,
        phases=phases,
        race=speed.race_implementations(measured),
        limits=speed.measure_limits(runs, timings),
        profiles=summarise_profiles(runs, results.profile, phases),
        targets=summarise_targets(runs, results.evaluations),
    )
