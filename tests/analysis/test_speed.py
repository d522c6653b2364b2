"""Statistics of speed: by hand, from samples written down here."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from seqbench.analysis.analysis import analyse
from seqbench.analysis.speed import (
    measure_limits,
    race_implementations,
    summarise_speed,
    tabulate_phases,
)
from seqbench.analysis.targets import summarise_targets
from seqbench.report.speed_findings import describe_speed
from seqbench.report.speed_plots import plot_latency
from seqbench.report.tables import LATENCIES, SPEED, STEPS, TARGETS, format_table
from seqbench.report.variant_styles import style_labels
from seqbench.results.reader import Results, load_results
from seqbench.results.records import EpochRecord, EvaluationRecord, Load, RunRecord, TimingRecord
from seqbench.results.writer import ResultWriter

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
                run, epochs = make_run(**settings)
                timings = [
                    TimingRecord(
                        run_id=run.run_id, phase=phase, sample=place, calls=2, seconds=2 * seconds,
                        examples=10, time_steps=80, flops=1000, bytes=50,
                        load=Load(contended=contended),
                    )
                    for phase, each in taken.items()
                    for place, (seconds, contended) in enumerate(each)
                ]  # fmt: skip
                writer.add(run, epochs, [], timings)
        return load_results(tmp_path / "a")

    return make


def one_row(frame: pd.DataFrame, **wanted: object) -> Any:
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    (row,) = frame.itertuples()
    return row


def test_figures_are_those_of_the_calm_samples(gather: Callable[..., Results]) -> None:
    steps = samples("train_step", 1.0, 1.1, 1.2, 9.0, contended=(3,))
    limits = samples("matmul", 0.5, 0.25, 0.4)
    limits |= samples("copy", 0.1, 0.4, 0.5, contended=(1, 2))
    results = gather(({"seed": 0}, steps | limits))
    row = one_row(summarise_speed(results.runs, results.timings), phase="train_step")
    assert row.seconds == pytest.approx(1.1)
    assert all(map(pd.isna, (row.low_s, row.high_s))), "too few for an interval"
    assert (row.samples, row.contended, row.runs) == (4, 0.25, 1)
    assert row.samples_per_s == pytest.approx(10 / 1.1)
    assert row.steps_per_s == pytest.approx(80 / 1.1)
    assert row.flops_per_s == pytest.approx(1000 / 1.1)
    assert row.peak_fraction == pytest.approx((1000 / 1.1) / (1000 / 0.25))
    assert row.intensity == pytest.approx(20)
    assert row.unstable is None, "one run, and no interval"
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
        ({"seed": 1}, samples("train_step", *[1.5] * 10)),
        ({"seed": 2}, samples("train_step", *[1.02, 1.04] * 8)),
    )
    row = one_row(summarise_speed(results.runs, results.timings))
    assert row.seconds == pytest.approx(1.03)
    assert (row.low_s, row.high_s, row.unstable) == (1.0, 1.5, True)


@pytest.mark.parametrize(
    ("number", "step", "unstable"),
    [(10, 0.02, False), (9, 0.02, None), (10, 0.06, True), (9, 0.06, True), (1, 0.06, True)],
)
def test_runs_that_differ_are_unstable_and_too_few_samples_leave_it_unknown(
    gather: Callable[..., Results], number: int, step: float, unstable: bool | None
) -> None:
    times = ([1.0 + s * step] * number for s in range(3))
    results = gather(*(({"seed": s}, samples("train_step", *each)) for s, each in enumerate(times)))
    assert one_row(summarise_speed(results.runs, results.timings)).unstable is unstable


def test_a_runs_interval_allows_for_the_order_of_its_samples(
    gather: Callable[..., Results],
) -> None:
    """A drift of 4 % each way: where independent samples would be known well, these are not."""
    drift = [1.0 + 0.003 * place for place in range(40)]
    mixed = drift[::3] + drift[1::3] + drift[2::3]
    widths = []
    for seed, values in enumerate((drift, mixed[::2] + mixed[1::2])):
        results = gather(({"seed": seed}, samples("train_step", *values)))
        row = one_row(summarise_speed(results.runs, results.timings))
        widths.append(row.high_s - row.low_s)
    assert widths[0] == pytest.approx(39 * 0.003)
    assert widths[1] < 0.75 * widths[0]


@pytest.mark.parametrize(
    ("number", "known"), [(19, 0), (20, 1), (199, 1), (200, 2), (999, 2), (1000, 3)]
)
def test_a_percentile_takes_ten_samples_expected_beyond_it(
    gather: Callable[..., Results], number: int, known: int
) -> None:
    values = [1.0 + place / number for place in range(number)]
    results = gather(({}, samples("latency", *values)))
    speed = summarise_speed(results.runs, results.timings)
    row = one_row(speed)
    expected = [np.percentile(values, share) for share in (50, 95, 99)]
    shown = [row.p50_s, row.p95_s, row.p99_s]
    assert shown[:known] == pytest.approx(expected[:known])
    assert all(map(pd.isna, shown[known:]))
    assert row.run_samples == number


def test_percentiles_are_medians_over_runs_and_need_their_samples_in_each(
    gather: Callable[..., Results],
) -> None:
    """Three quiet runs of few samples and one noisy run of many: the noisy one is no majority."""
    quiet = [({"seed": s}, samples("latency", *[1.0 + s / 10] * 20)) for s in range(3)]
    noisy = ({"seed": 3}, samples("latency", *[5.0] * 400, contended=tuple(range(400))))
    results = gather(*quiet, noisy)
    row = one_row(summarise_speed(results.runs, results.timings))
    assert row.p50_s == pytest.approx(1.15), "contended ones count: a user meets them too"
    assert pd.isna(row.p95_s), "no run but one has samples enough"
    assert (row.run_samples, row.samples) == (20, 460)


def test_what_is_not_known_is_a_dash_in_the_table(gather: Callable[..., Results]) -> None:
    phases = ("train_step", "forward", "backward", "inference", "latency", "first_step")
    taken: Samples = {}
    for phase in phases:
        taken |= samples(phase, *[0.5] * 5)
    results = gather(({}, taken), ({"seed": 1}, taken))
    speed = summarise_speed(results.runs, results.timings)
    shown: dict[str, str] = {}
    for table in (SPEED, STEPS, LATENCIES):
        row = format_table(tabulate_phases(speed), table).split("\n")[2].split("|")[1:-1]
        shown |= dict(zip(table, [cell.strip() for cell in row], strict=True))
    assert [shown[each] for each in ("p50", "p95", "p99", "samples per run", "notes")] == [
        "—", "—", "—", "5", "—",
    ]  # fmt: skip
    assert shown["step"] == "500 ms"
    plot_latency(speed, style_labels(["rnn"]))


def test_limits_alone_are_no_speed(gather: Callable[..., Results]) -> None:
    results = gather(({}, samples("matmul", 1.0)))
    assert summarise_speed(results.runs, results.timings).empty
    assert tabulate_phases(summarise_speed(results.runs, results.timings)).empty


def test_phases_stand_side_by_side_fastest_first(gather: Callable[..., Results]) -> None:
    results = gather(
        ({"variant": "lstm"}, samples("train_step", 3.0) | samples("latency", *[0.1, 0.2] * 10)),
        ({"variant": "rnn"}, samples("train_step", 1.0) | samples("latency", *[0.3] * 20)),
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


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_cuda_graph_races_against_single_steps_of_its_device(
    order: tuple[int, ...], gather: Callable[..., Results]
) -> None:
    runs = [
        ({"device": "cpu"}, samples("train_step", 8.0) | samples("inference", 4.0)),
        ({"device": "cuda"}, samples("train_step", *[1.0] * 40) | samples("inference", 0.5)),
        ({"device": "cuda", "cuda_graph": True}, samples("train_step", *[0.25] * 40)),
    ]
    results = gather(*(runs[place] for place in order))
    race = race_implementations(summarise_speed(results.runs, results.timings))
    assert set(race["device"]) == {"cuda"}
    assert set(race["phase"]) == {"train_step"}
    assert race.set_index("cuda_graph")["speedup"].to_dict() == {False: 1.0, True: 4.0}
    assert race.set_index("cuda_graph")["best"].to_dict() == {False: False, True: True}
    said = [each for each in describe_speed(analyse(results)) if "Fastest" in each]
    assert len(said) == 1
    assert "(cuda, 1 thread)" in said[0]
    assert "`native` in float32 as a CUDA graph for rnn (4.00× speed-up over `native`)" in said[0]


def test_only_equal_settings_race(gather: Callable[..., Results]) -> None:
    times = {(4, "native"): 1.0, (4, "fused"): 0.5, (8, "native"): 9.0, (8, "fused"): 8.0}
    results = gather(
        *(
            ({"hidden_size": size, "implementation": code}, samples("train_step", seconds))
            for (size, code), seconds in times.items()
        )
    )
    race = race_implementations(summarise_speed(results.runs, results.timings))
    fused = race[race["implementation"] == "fused"].set_index("variant")["speedup"]
    assert fused.to_dict() == {"rnn hidden_size=4": 2.0, "rnn hidden_size=8": 1.125}


def test_targets_are_a_ladder_of_recipes(tmp_path: Path, make_run: MakeRun) -> None:
    recipes: list[dict[str, Any]] = [
        {"times": [8.0, 12.0]},
        {"times": [4.0, 6.0], "schedule": "one-cycle", "learning_rate": 5e-3},
        {"times": [1.0, None], "schedule": "one-cycle", "learning_rate": 5e-3, "batch_size": 8},
        {"times": [1.0, 1.0], "train_examples": 9},
    ]
    targets = summarise_recipes(tmp_path / "a", make_run, recipes, spacing=0.5)
    rows = list(targets.itertuples())
    assert [(row.seeds, row.reached) for row in rows] == [(2, 2), (2, 2), (2, 1), (2, 2)]
    assert rows[0].target_time_s == 10.0
    assert (rows[1].target_time_s, rows[1].least_s, rows[1].most_s) == (5.0, 4.0, 6.0)
    assert (rows[1].gain, rows[1].total) == (2.0, 2.0)
    assert rows[1].changed == "learning_rate 0.001 → 0.005, schedule constant → one-cycle"
    assert rows[2].changed == "batch_size 16 → 8"
    assert pd.isna(rows[2].target_time_s), "a mean over the seeds that got there would flatter"
    assert "train_examples none → 9" in rows[3].changed
    assert rows[3].total == 10.0, "the same goal, with a part of the training set"
    assert targets["spacing_s"].tolist() == pytest.approx([0.5] * 4)


def summarise_recipes(
    folder: Path, make_run: MakeRun, recipes: list[dict[str, Any]], spacing: float
) -> pd.DataFrame:
    """Return the targets of recipes, each reached at the second of two evaluations."""
    with ResultWriter(folder, {}) as writer:
        for recipe in recipes:
            for seed, time in enumerate(recipe["times"]):
                settings = {name: value for name, value in recipe.items() if name != "times"}
                run, epochs = make_run(seed=seed, target=0.95, **settings)
                evaluations = [
                    EvaluationRecord(
                        run_id=run.run_id, epoch=1, batches=1 + place, train_time_s=moment,
                        test_loss=0.1, score=0.9,
                    )
                    for place, moment in enumerate([time - spacing, time, time + 9] if time else [])
                ]  # fmt: skip
                writer.add(replace(run, target_time_s=time), epochs, evaluations)
        writer.add(*make_run(seed=9))
    results = load_results(folder)
    return summarise_targets(results.runs, results.evaluations)


def test_a_recipe_is_held_against_the_one_before_it_by_welchs_test(
    tmp_path: Path, make_run: MakeRun
) -> None:
    times = [[8.0, 8.2, 8.4], [4.0, 4.1, 4.3], [3.9, 4.2, 4.0]]
    recipes = [{"times": each, "batch_size": 8 + place} for place, each in enumerate(times)]
    rows = summarise_recipes(tmp_path / "a", make_run, recipes, spacing=0.01)
    for place in (1, 2):
        test = scipy_stats.ttest_ind(
            np.log(times[place - 1]), np.log(times[place]), equal_var=False
        )
        assert rows["p"][place] == pytest.approx(1 - (1 - test.pvalue) ** 2, abs=1e-4)
    text = format_table(rows, TARGETS)
    assert "| 1.98× " in text
    assert "(n.s.)" in text


def test_equal_numbers_of_batches_prove_nothing_on_a_coarse_grid(
    tmp_path: Path, make_run: MakeRun
) -> None:
    recipes: list[dict[str, Any]]
    recipes = [{"times": [1.45, 1.45, 1.45]}, {"times": [1.2, 1.2, 1.2], "batch_size": 8}]
    fine = summarise_recipes(tmp_path / "fine", make_run, recipes, spacing=0.01)
    coarse = summarise_recipes(tmp_path / "coarse", make_run, recipes, spacing=0.4)
    assert fine["p"][1] < 0.05 < coarse["p"][1]
