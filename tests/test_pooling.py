"""Pooling: what is alike becomes one result, what is unlike is refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from seqbench.errors import ResultsError, UsageError
from seqbench.pooling import list_differences, pool_results
from seqbench.records import EpochRecord, RunRecord
from seqbench.store import Results, ResultWriter, load_results

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
HERE = {
    "environment_id": "abc",
    "machine": {"cpu": "A", "gpus": []},
    "software": {"packages": {"torch": "2.13.0"}},
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
        "software": {"packages": {"torch": "2.12.0", "numpy": "2"}},
    }
    parts = [save("a"), save("b", elsewhere, variant="gru")]
    with pytest.raises(UsageError, match="unlike machines") as caught:
        pool_results(parts, tmp_path / "both")
    for difference in (
        "machine.cpu: A, B",
        "software.packages.torch: 2.13.0, 2.12.0",
        "software.packages.numpy: None, 2",
    ):
        assert difference in str(caught.value)
    assert not (tmp_path / "both").exists()


def test_a_run_that_two_have_is_refused(save: Callable[..., Results], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"row-digits-rnn-s0-\w+ is in a and in b"):
        pool_results([save("a"), save("b")], tmp_path / "both")


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
