"""Statistics of speed: by hand, from samples written down here."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seqbench.records import EpochRecord, Load, RunRecord, TimingRecord
from seqbench.speed import (
    measure_limits,
    race_implementations,
    summarise_speed,
    tabulate_phases,
)
from seqbench.store import Results, ResultWriter, load_results
from seqbench.targets import summarise_targets

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
Samples = dict[str, list[tuple[float, bool]]]


def samples(phase: str, *seconds: float, contended: tuple[int, ...] = ()) -> dict[str, Any]:
    return {phase: [(each, place in contended) for place, each in enumerate(seconds)]}


@pytest.fixture
def gather(tmp_path: Path, make_run: MakeRun) -> Callable[..., Results]:
    """Return a maker of results from settings and samples of each run."""

    def make(*runs: tuple[dict[str, Any], Samples]) -> Results:
        with ResultWriter(tmp_path / "a", {}) as writer:
            for settings, taken in runs:
                run, _ = make_run(**settings)
                timings = [
                    TimingRecord(
                        run_id=run.run_id, phase=phase, sample=place, calls=2, seconds=2 * seconds,
                        examples=10, time_steps=80, flops=1000, bytes=50,
                        load=Load(contended=contended),
                    )
                    for phase, each in taken.items()
                    for place, (seconds, contended) in enumerate(each)
                ]  # fmt: skip
                writer.add(run, [], [], timings)
        return load_results(tmp_path / "a")

    return make


def one_row(frame: pd.DataFrame, **wanted: object) -> Any:
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    (row,) = frame.itertuples()
    return row


def test_figures_are_those_of_the_calm_samples(gather: Callable[..., Results]) -> None:
    steps = samples("train_step", 1.0, 1.1, 1.2, 9.0, contended=(3,))
    limits = samples("matmul", 0.5, 0.25, 0.4) | samples("copy", 0.1)
    results = gather(({"seed": 0}, steps | limits))
    row = one_row(summarise_speed(results.runs, results.timings), phase="train_step")
    assert row.seconds == pytest.approx(1.1)
    assert (row.low_s, row.high_s) == pytest.approx((1.0, 1.2)), "too few: all of them"
    assert (row.samples, row.contended, row.runs) == (4, 0.25, 1)
    assert row.samples_per_s == pytest.approx(10 / 1.1)
    assert row.steps_per_s == pytest.approx(80 / 1.1)
    assert row.flops_per_s == pytest.approx(1000 / 1.1)
    assert row.peak_fraction == pytest.approx((1000 / 1.1) / (1000 / 0.25))
    assert row.intensity == pytest.approx(20)
    assert row.p99_s > 8.0, "percentiles count every sample"
    assert row.unstable
    limit = one_row(measure_limits(results.runs, results.timings))
    assert limit.peak_flops_per_s == pytest.approx(1000 / 0.25)
    assert limit.peak_bytes_per_s == pytest.approx(500)


def test_all_samples_count_if_all_were_contended(gather: Callable[..., Results]) -> None:
    results = gather(({}, samples("inference", 1.0, 3.0, contended=(0, 1))))
    row = one_row(summarise_speed(results.runs, results.timings))
    assert (row.seconds, row.contended) == (2.0, 1.0)


def test_runs_weigh_the_same_and_the_interval_reaches_over_them(
    gather: Callable[..., Results],
) -> None:
    results = gather(
        ({"seed": 0}, samples("train_step", *[1.0] * 50)),
        ({"seed": 1}, samples("train_step", 1.5, 1.5)),
        ({"seed": 2}, samples("train_step", 1.02, 1.04)),
    )
    row = one_row(summarise_speed(results.runs, results.timings))
    assert row.seconds == pytest.approx(1.03)
    assert (row.low_s, row.high_s, row.unstable) == (1.0, 1.5, True)


def test_a_figure_known_well_is_stable(gather: Callable[..., Results]) -> None:
    results = gather(*(({"seed": s}, samples("train_step", *[1.0 + s / 50] * 9)) for s in range(3)))
    assert not one_row(summarise_speed(results.runs, results.timings)).unstable


def test_limits_alone_are_no_speed(gather: Callable[..., Results]) -> None:
    results = gather(({}, samples("matmul", 1.0)))
    assert summarise_speed(results.runs, results.timings).empty
    assert tabulate_phases(summarise_speed(results.runs, results.timings)).empty


def test_phases_stand_side_by_side_fastest_first(gather: Callable[..., Results]) -> None:
    results = gather(
        ({"variant": "lstm"}, samples("train_step", 3.0) | samples("latency", 0.1, 0.2)),
        ({"variant": "rnn"}, samples("train_step", 1.0) | samples("latency", 0.3)),
    )
    table = tabulate_phases(summarise_speed(results.runs, results.timings))
    assert table["label"].tolist() == ["rnn", "lstm"]
    assert table["train_step_seconds"].tolist() == [1.0, 3.0]
    assert table["latency_p50_s"].tolist() == pytest.approx([0.3, 0.15])


def test_a_race_is_run_against_the_ordinary_implementation(gather: Callable[..., Results]) -> None:
    results = gather(
        ({"implementation": "native"}, samples("train_step", *[2.0] * 9)),
        ({"implementation": "fused"}, samples("train_step", *[1.0] * 8, 1.25)),
        ({"implementation": "native", "precision": "bfloat16"}, samples("train_step", 4.0)),
        ({"implementation": "native", "variant": "lstm"}, samples("train_step", 1.0)),
    )
    race = race_implementations(summarise_speed(results.runs, results.timings))
    assert set(race["variant"]) == {"rnn"}, "one alone is no race"
    fused = one_row(race, implementation="fused")
    assert (fused.speedup, fused.best) == (2.0, True)
    halved = one_row(race, precision="bfloat16")
    assert (halved.speedup, halved.best) == (0.5, False)


def test_targets_are_a_ladder_of_recipes(tmp_path: Path, make_run: MakeRun) -> None:
    recipes: list[dict[str, Any]] = [
        {"times": [8.0, 12.0]},
        {"times": [4.0, 6.0], "schedule": "one-cycle", "learning_rate": 5e-3},
        {"times": [1.0, None], "schedule": "one-cycle", "learning_rate": 5e-3, "batch_size": 8},
        {"times": [1.0, 1.0], "train_examples": 9},
    ]
    with ResultWriter(tmp_path / "a", {}) as writer:
        for recipe in recipes:
            for seed, time in enumerate(recipe["times"]):
                settings = {name: value for name, value in recipe.items() if name != "times"}
                run, epochs = make_run(seed=seed, target=0.95, **settings)
                writer.add(replace(run, target_time_s=time), epochs)
        writer.add(*make_run(seed=9))
    rows = list(summarise_targets(load_results(tmp_path / "a").runs).itertuples())
    assert [(row.seeds, row.reached) for row in rows] == [(2, 2), (2, 2), (2, 1), (2, 2)]
    assert rows[0].target_time_s == 10.0
    assert (rows[1].target_time_s, rows[1].least_s, rows[1].most_s) == (5.0, 4.0, 6.0)
    assert (rows[1].gain, rows[1].total) == (2.0, 2.0)
    assert rows[1].changed == "learning_rate 0.001 → 0.005, schedule constant → one-cycle"
    assert rows[2].changed == "batch_size 16 → 8"
    assert pd.isna(rows[2].target_time_s), "a mean over the seeds that got there would flatter"
    assert "train_examples none → 9" in rows[3].changed
    assert rows[3].total == 10.0, "the same goal, with a part of the training set"
