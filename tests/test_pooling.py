"""Pooling: what is alike becomes one result, what is unlike is refused by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seqbench.environments import list_differences
from seqbench.errors import ResultsError, UsageError
from seqbench.pooling import pool_results
from seqbench.records import EpochRecord, RunRecord
from seqbench.store import Results, ResultWriter, load_results

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
HERE = {
    "environment_id": "abc",
    "machine": {"cpu": "A", "gpus": []},
    "software": {"torch": "2.13.0", "packages": {"numpy": "1", "pandas": "2"}},
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
        pd.testing.assert_frame_equal(getattr(both, name), expected, check_exact=True)
    assert both.environment == {**HERE, "command": "a && b"}


def test_unlike_machines_are_refused_with_what_differs(
    save: Callable[..., Results], tmp_path: Path
) -> None:
    elsewhere = {
        **HERE,
        "machine": {"cpu": "B", "gpus": []},
        "software": {"torch": "2.12.0", "packages": {"numpy": "2"}},
    }
    parts = [save("a"), save("b", elsewhere, variant="gru")]
    with pytest.raises(UsageError, match="unlike machines") as caught:
        pool_results(parts, tmp_path / "both")
    for difference in (
        "machine.cpu: A, B",
        "software.torch: 2.13.0, 2.12.0",
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
        "software": {"torch": "2.13.0", "packages": {"numpy": "1", "ipython": "9"}},
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
