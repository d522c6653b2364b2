"""Columns: any value that a column accepts comes back from its cell unchanged."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqbench.columns import Column, at_least, columns
from seqbench.records import EpochRecord, RunRecord
from seqbench.spec import RunSpec


@given(st.floats())
def test_floats_round_trip_to_the_last_bit(value: float) -> None:
    column = Column("x", float, "")
    back = column.parse(column.format(value))
    assert isinstance(back, float)
    assert back == value or (math.isnan(back) and math.isnan(value))


@given(st.integers())
def test_integers_round_trip(value: int) -> None:
    column = Column("x", int, "")
    assert column.parse(column.format(value)) == value


@pytest.mark.parametrize("value", [True, False, None])
def test_optional_booleans_round_trip(value: bool | None) -> None:
    column = Column("x", bool, "", optional=True)
    assert column.parse(column.format(value)) is value


@pytest.mark.parametrize(
    ("kind", "cell"),
    [(int, "1.0"), (int, " 1"), (int, "1_0"), (int, ""), (float, "1_0"), (float, "x"),
     (float, " 1"), (bool, "True"), (bool, "1"), (float, "")],
)  # fmt: skip
def test_cells_of_another_type_are_refused(kind: type, cell: str) -> None:
    with pytest.raises(ValueError, match=r"a number|a whole number|true or false"):
        Column("x", kind, "").parse(cell)


def test_checks_hold_when_reading() -> None:
    column = Column("x", int, "", check=at_least(3))
    assert column.parse("3") == 3
    with pytest.raises(ValueError, match="a whole number, at least 3"):
        column.parse("2")


def test_a_run_row_holds_every_setting_in_full() -> None:
    names = [column.name for column in columns(RunRecord)]
    assert set(names) >= {column.name for column in columns(RunSpec)}
    assert len(set(names)) == len(names)


def test_the_files_have_the_columns_that_are_promised() -> None:
    assert [column.name for column in columns(EpochRecord)] == [
        "run_id", "suite", "task", "variant", "seed", "device", "epoch", "train_loss",
        "test_loss", "metric", "score", "epoch_time_s", "train_samples_per_s", "eval_time_s",
        "eval_samples_per_s", "other_cpu_s", "waiting_s", "stolen_s", "throttled_s", "contended",
    ]  # fmt: skip
    promised = {
        "run_id", "parameters", "status", "error", "metric", "final_score", "best_score",
        "epoch_time_s", "train_samples_per_s", "eval_samples_per_s", "peak_memory_bytes",
        "started_at", "environment_id", "data_fingerprint", "schema_version",
    }  # fmt: skip
    assert promised <= {column.name for column in columns(RunRecord)}


@pytest.mark.parametrize("record", [RunRecord, EpochRecord])
def test_names_of_measured_columns_carry_their_unit(record: type) -> None:
    endings = {"s": "_s", "bytes": "_bytes", "1/s": "_per_s"}
    for column in columns(record):
        assert column.meaning
        if column.unit:
            assert column.name.endswith(endings[column.unit])
