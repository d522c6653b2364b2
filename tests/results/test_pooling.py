"""Pooling: what is alike becomes one result, what is unlike is refused by name."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seqbench.analysis.stats import learning_curves, summarise_groups
from seqbench.errors import ResultsError, UsageError
from seqbench.report.provenance import describe_provenance
from seqbench.results.accepting import accept_edits
from seqbench.results.environments import list_differences
from seqbench.results.pooling import pool_results
from seqbench.results.reader import Results, load_results
from seqbench.results.records import EpochRecord, RunRecord, TimingRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
HERE = {
    "environment_id": "abc",
    "machine": {"cpu": "A", "gpus": []},
    "software": {"torch": {"version": "2.13.0"}, "packages": {"numpy": "1", "pandas": "2"}},
    "threads": {},
    "code": {"commit": "1"},
}


@pytest.fixture
def save(tmp_path: Path, make_run: MakeRun) -> Callable[..., Results]:
    def make(name: str, environment: dict[str, Any] = HERE, **settings: Any) -> Results:
        with ResultWriter(tmp_path / name, {**environment, "command": name}) as writer:
            for seed in (0, 1):
                writer.add(*make_run(1 / 3, seed=seed, **settings))
        return load_results(tmp_path / name)

    return make


def test_like_results_become_one(save: Callable[..., Results], tmp_path: Path) -> None:
    parts = [save("a", variant="rnn"), save("b", variant="gru", clip_norm=0.5)]
    pool_results(parts, tmp_path / "both")
    both = load_results(tmp_path / "both")
    for name in ("runs", "epochs", "evaluations", "timings"):
        expected = pd.concat([getattr(each, name) for each in parts], ignore_index=True)
        found = getattr(both, name)
        pair = (each.drop(columns="runs_digest", errors="ignore") for each in (found, expected))
        pd.testing.assert_frame_equal(*pair, check_exact=True)
    assert both.environment == {**HERE, "command": "a && b && seqbench pool both a b"}


def test_unlike_machines_are_refused_with_what_differs(
    save: Callable[..., Results], tmp_path: Path
) -> None:
    elsewhere = {
        **HERE,
        "machine": {"cpu": "B", "gpus": []},
        "software": {"torch": {"version": "2.12.0"}, "packages": {"numpy": "2"}},
    }
    parts = [save("a"), save("b", elsewhere, variant="gru")]
    with pytest.raises(UsageError, match="different machines") as caught:
        pool_results(parts, tmp_path / "both")
    for difference in (
        "machine.cpu: A, B",
        "software.torch.version: 2.13.0, 2.12.0",
        "software.packages.numpy: 1, 2",
    ):
        assert difference in str(caught.value)
    assert not (tmp_path / "both").exists()


def test_what_decides_nothing_keeps_no_result_apart(
    save: Callable[..., Results], tmp_path: Path, make_run: MakeRun
) -> None:
    later = {
        **HERE,
        "environment_id": "xyz",  # by another rule
        "machine": {"cpu": "A", "gpus": [], "memory_bytes": 4096, "usable_cores": 2},
        "software": {"torch": {"version": "2.13.0"}, "packages": {"numpy": "1", "ipython": "9"}},
    }
    run, epochs = make_run(variant="gru")
    with ResultWriter(tmp_path / "b", later) as writer:
        writer.add(replace(run, environment_id="xyz"), epochs)
    pool_results([save("a"), load_results(tmp_path / "b")], tmp_path / "both")
    assert set(load_results(tmp_path / "both").runs["environment_id"]) == {"abc"}


def test_a_run_that_two_have_is_refused(save: Callable[..., Results], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"row-digits-rnn-s0-\w+ is in a and in b"):
        pool_results([save("a"), save("b")], tmp_path / "both")
    path = tmp_path / "b" / "runs.csv"
    run_id = load_results(tmp_path / "b").runs["run_id"][0]
    for file in (path, path.with_name("epochs.csv")):
        file.write_text(file.read_text().replace(run_id, "named-by-an-older-rule"))
    accept_edits(tmp_path / "b")
    with pytest.raises(UsageError, match="named-by-an-older-rule is in a and in b"):
        pool_results([load_results(tmp_path / each) for each in "ab"], tmp_path / "both")


def test_the_command_is_no_difference() -> None:
    assert not list(list_differences(HERE, {**HERE, "command": "x"}))


def test_rows_of_another_machine_do_not_hide_in_a_folder(
    save: Callable[..., Results], tmp_path: Path
) -> None:
    save("a")
    path = tmp_path / "a" / "runs.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace(",abc,", ",xyz,")
    path.write_text("".join(lines))
    with pytest.raises(ResultsError, match=r"runs.csv, line 3: a row of environment xyz"):
        load_results(tmp_path / "a")


ELSEWHERE = {
    **HERE,
    "environment_id": "xyz",
    "machine": {"cpu": "B", "gpus": []},
    "software": {
        "torch": {"version": "2.13.0", "cpu_capability": "AVX2"},
        "packages": {"numpy": "1"},
    },
}
Made = list[tuple[RunRecord, list[EpochRecord]]]


def write(folder: Path, environment: dict[str, Any], runs: Made) -> Results:
    """Write measured runs of an environment and read them."""
    with ResultWriter(folder, environment) as writer:
        for run, epochs in runs:
            timing = TimingRecord(
                run_id=run.run_id, phase="train_step", sample=0, calls=1, seconds=1.0, examples=16,
                time_steps=80,
            )  # fmt: skip
            named = replace(run, environment_id=environment["environment_id"])
            writer.add(named, epochs, [], [timing])
    return load_results(folder)


def test_seeds_of_two_machines_are_one_result_with_the_times_of_the_first(
    tmp_path: Path, make_run: MakeRun
) -> None:
    parts = []
    for name, environment, seeds, seconds in (
        ("a", HERE, (0, 1), 1.0),
        ("b", ELSEWHERE, (2, 3), 9.0),
        ("c", HERE, (7,), 1.0),
    ):
        made = [make_run(0.8 + 0.01 * seed, seconds, seed=seed) for seed in seeds]
        parts.append(write(tmp_path / name, environment, made))
    pool_results(parts[:2], tmp_path / "both")
    both = load_results(tmp_path / "both")
    assert both.runs["seed"].tolist() == [0, 1, 2, 3]
    assert both.runs["environment_id"].nunique() == 2
    (pooled,) = both.environment["pooled"].values()
    assert pooled["machine"]["cpu"] == "B"
    (row,) = summarise_groups(both.runs, both.epochs).to_dict("records")
    assert row["seeds"] == 4
    assert row["score"] == pytest.approx(0.815)
    assert (row["epoch_time_s"], row["epoch_time_max_s"]) == (1.0, 1.0)
    assert learning_curves(both.runs, both.epochs)["train_time_s"].tolist() == [1.0, 2.0]
    assert set(both.timings["run_id"]) == set(parts[0].runs["run_id"])
    (told,) = describe_provenance(both)
    assert "from 2 machines. Scores include all 4 runs, times the 2 runs from" in told
    pool_results([both, parts[2]], tmp_path / "all")
    assert load_results(tmp_path / "all").runs["seed"].tolist() == [0, 1, 2, 3, 7]


def test_seeds_are_pooled_whatever_commit_they_are_of_if_their_code_is_the_same(
    tmp_path: Path, make_run: MakeRun
) -> None:
    parts = []
    for seed, (name, code) in enumerate((("a", "abc+1"), ("b", "abc"), ("c", "abd"))):
        run, epochs = make_run(seed=seed)
        made = [(replace(run, code_version=code), epochs)]
        parts.append(write(tmp_path / name, {**HERE, "code": {"commit": name}}, made))
    pool_results(parts[:2], tmp_path / "same")
    assert load_results(tmp_path / "same").runs["seed"].tolist() == [0, 1]
    with pytest.raises(
        UsageError, match="different machines or code and cannot be mixed: the code of"
    ):
        pool_results([parts[0], parts[2]], tmp_path / "all")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"variant": "gru"}, "1 of its runs are not further seeds of its runs"),
        ({"target": 0.5}, "runs with a target are not further seeds"),
    ],
)
def test_runs_of_another_machine_that_would_have_no_times_are_refused(
    tmp_path: Path, make_run: MakeRun, settings: dict[str, Any], told: str
) -> None:
    target = {name: value for name, value in settings.items() if name == "target"}
    here = write(tmp_path / "a", HERE, [make_run(seed=0, **target)])
    there = write(tmp_path / "b", ELSEWHERE, [make_run(seed=5, **settings)])
    with pytest.raises(UsageError, match=re.escape(told)):
        pool_results([here, there], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_other_data_and_another_metric_are_not_pooled(tmp_path: Path, make_run: MakeRun) -> None:
    here = write(tmp_path / "a", HERE, [make_run(seed=0)])
    run, epochs = make_run(seed=1)
    other = write(tmp_path / "b", HERE, [(replace(run, data_fingerprint="x"), epochs)])
    with pytest.raises(UsageError, match="the data of row-digits-rnn-s0"):
        pool_results([here, other], tmp_path / "both")
    run, epochs = make_run(seed=2, variant="gru")
    mine = [(replace(run, metric="my_own"), [replace(each, metric="my_own") for each in epochs])]
    with pytest.raises(UsageError, match="cannot be merged: metric: my_own is not accuracy"):
        pool_results([here, write(tmp_path / "c", HERE, mine)], tmp_path / "both")
