"""What a row leaves empty takes its group out of no table, and the report is made all the same."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seqbench.analysis.differences import compare_settings
from seqbench.analysis.profiles import summarise_profiles
from seqbench.analysis.speed import (
    measure_limits,
    race_implementations,
    summarise_speed,
    tabulate_phases,
)
from seqbench.analysis.stats import summarise_groups
from seqbench.analysis.targets import summarise_targets
from seqbench.columns import columns
from seqbench.report import tables
from seqbench.report.page import write_report
from seqbench.results.reader import Results, load_results
from seqbench.results.records import EpochRecord, ProfileRecord, RunRecord, TimingRecord
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]

SETTINGS = {field.name for field in fields(RunSpec)}
OPTIONAL = [
    each.name
    for each in columns(RunRecord)
    if each.optional and each.name not in (*SETTINGS, "error", "final_score")
]
"""What a run may leave empty; one without a final score was not trained."""

PHASES = ("first_step", "train_step", "forward", "backward", "inference", "latency")
LABELS = [
    f"{name} implementation={code}"
    for name, code in (("rnn", "native"), ("rnn", "fused"), ("lstm", "native"))
]
ALL = (0, 1, 2, 3)
LSTM = (3,)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, make_run: MakeRun) -> Results:
    """Return a measured result of four runs, with a value in every column."""
    settings: list[dict[str, Any]] = [
        {"seed": 0, "implementation": "native"},
        {"seed": 1, "implementation": "native"},
        {"seed": 0, "implementation": "fused"},
        {"seed": 0, "variant": "lstm"},
    ]
    folder = tmp_path_factory.mktemp("known") / "a"
    with ResultWriter(folder, {}) as writer:
        for place, each in enumerate(settings):
            run, epochs = make_run(target=0.5, **each)
            timings = [
                TimingRecord(
                    run_id=run.run_id, phase=phase, sample=sample, calls=1, examples=16,
                    seconds=1.0 + place, time_steps=80, flops=1000, bytes=50,
                )
                for phase in (*PHASES, "matmul", "copy")
                for sample in range(12)
            ]  # fmt: skip
            profile = ProfileRecord(
                run_id=run.run_id, operator="aten::mm", calls=3, seconds=0.5, steps=2,
                steps_s=2.0, threads=1,
            )  # fmt: skip
            writer.add(run, epochs, [], timings, [profile])
    return load_results(folder)


def leave_out(
    known: Results, unknown: Sequence[str], places: Sequence[int], *, formulas: bool = True
) -> Results:
    """Return the result with nothing in some columns of some of its runs."""
    runs, timings = known.runs.copy(), known.timings.copy()
    runs.loc[list(places), list(unknown)] = pd.NA
    if not formulas:
        of_runs = timings["run_id"].isin(runs["run_id"].iloc[list(places)])
        timings.loc[of_runs & timings["phase"].isin(PHASES), ["flops", "bytes"]] = pd.NA
    assert runs.dtypes.equals(known.runs.dtypes)
    assert timings.dtypes.equals(known.timings.dtypes)
    return replace(known, runs=runs, timings=timings)


def in_every_table(results: Results) -> None:
    runs = results.runs
    summary = summarise_groups(runs, results.epochs)
    measured = summarise_speed(runs, results.timings)
    phases = tabulate_phases(measured)
    profiles = summarise_profiles(runs, results.profile, phases)
    targets = summarise_targets(runs, results.evaluations)
    for frame, cells in (
        (summary, tables.SCORES),
        (phases, tables.SPEED),
        (profiles, tables.PROFILES),
        (targets, tables.TARGETS),
    ):
        assert sorted(frame["label"]) == sorted(LABELS)
        assert len(tables.format_table(frame, cells).splitlines()) == 2 + len(LABELS)
    assert set(measured["label"]) == set(LABELS)
    race = race_implementations(measured)
    assert set(race["implementation"]) == {"native", "fused"}
    assert len(measure_limits(runs, results.timings)) == 1


@pytest.mark.parametrize(
    ("unknown", "places"),
    [(OPTIONAL, LSTM), (OPTIONAL, ALL), *zip([[each] for each in OPTIONAL], cycle([LSTM, ALL]))],
    ids=["all, one run", "all, all runs", *OPTIONAL],
)
def test_every_group_is_in_every_table(
    known: Results, unknown: list[str], places: tuple[int, ...]
) -> None:
    in_every_table(leave_out(known, unknown, places))


@pytest.mark.parametrize("places", [LSTM, ALL], ids=["one run", "all runs"])
def test_a_report_is_made_of_it(known: Results, tmp_path: Path, places: tuple[int, ...]) -> None:
    results = leave_out(known, OPTIONAL, places, formulas=False)
    in_every_table(results)
    text = write_report(results, tmp_path / "report").read_text()
    for title in ("## Speed", "## Scores", "## Profile of a training step"):
        table = text.split(title)[1].split("\n## ")[0]
        assert all(f"| {label} " in table for label in LABELS)
    assert "nan" not in text


def test_a_setting_that_some_runs_do_not_have_is_compared(
    tmp_path: Path, make_run: MakeRun
) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for seed in range(3):
            for clip_norm, gain in ((None, 0.0), (1.0, 0.02)):
                score = 0.8 + 0.01 * seed + gain
                writer.add(*make_run(score, seed=seed, clip_norm=clip_norm))
    results = load_results(tmp_path / "a")
    summary = summarise_groups(results.runs, results.epochs)
    assert summary["label"].tolist() == ["rnn clip_norm=none", "rnn clip_norm=1.0"]
    (row,) = compare_settings(results.runs, "clip_norm").itertuples()
    assert row.label == "rnn"
    assert pd.isna(row.reference)
    assert (row.value, row.seeds) == (1.0, 3)
    assert row.gain == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("known", "cell"),
    [
        ((None, None, None), "—"),
        ((1_234_567, None, 1_234_567), "1.2 MiB"),
        ((2**20, 2**20, 2**20 + 3), "1.0 MiB"),
        ((10 * 2**20, 123 * 2**20, 11 * 2**20), "11 MiB (10–120)"),
    ],
)
def test_memory_has_two_digits_and_its_range_where_it_has_one(
    tmp_path: Path, make_run: MakeRun, known: tuple[int | None, ...], cell: str
) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for seed, memory in enumerate(known):
            run, epochs = make_run(seed=seed)
            timing = TimingRecord(
                run_id=run.run_id, phase="train_step", sample=0, calls=1, examples=16,
                seconds=1.0, time_steps=80,
            )  # fmt: skip
            writer.add(replace(run, peak_memory_bytes=memory), epochs, [], [timing])
    results = load_results(tmp_path / "a")
    phases = tabulate_phases(summarise_speed(results.runs, results.timings))
    for frame, cells in (
        (summarise_groups(results.runs, results.epochs), tables.COSTS),
        (phases, tables.SPEED),
    ):
        (row,) = frame.itertuples()
        assert cells["peak memory"](row) == cell
