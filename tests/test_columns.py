"""Columns: any value that a column accepts comes back from its cell unchanged."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqbench.columns import Column, at_least, columns
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.spec import RunSpec


@given(st.floats())
def test_floats_round_trip_to_the_last_bit(value: float) -> None:
    column = Column("x", float, "")
    back = column.parse(column.format(value))
    assert isinstance(back, float)
    assert back == value or (math.isnan(back) and math.isnan(value))


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_round_trip(value: int) -> None:
    column = Column("x", int, "")
    assert column.parse(column.format(value)) == value


@pytest.mark.parametrize("value", [True, False, None])
def test_optional_booleans_round_trip(value: bool | None) -> None:
    column = Column("x", bool, "", optional=True)
    assert column.parse(column.format(value)) is value


@pytest.mark.parametrize(
    ("kind", "cell"),
    [(int, "1.5"), (int, " 1"), (int, "1_0"), (int, ""), (int, "1e400"), (int, "1.2E+20"),
     (int, "inf"), (int, "1,234"), (float, "1_0"), (float, "x"), (float, " 1"), (float, ""),
     (float, "0,5"), (bool, "yes"), (bool, "1"), (bool, "1.0")],
)  # fmt: skip
def test_cells_of_another_type_are_refused(kind: type, cell: str) -> None:
    with pytest.raises(ValueError, match=r"a number|a whole number|true or false"):
        Column("x", kind, "").parse(cell)


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [(int, "1.0", 1), (int, "-3.00", -3), (int, "378.", 378), (int, "1e3", 1000),
     (int, "1.25E+06", 1_250_000), (int, "9007199254740992.0", 2**53), (bool, "True", True),
     (bool, "FALSE", False), (float, "1", 1.0), (float, "1E-05", 1e-5)],
)  # fmt: skip
def test_what_pandas_and_spreadsheets_write_is_read(kind: type, cell: str, value: object) -> None:
    assert Column("x", kind, "").parse(cell) == value


@pytest.mark.parametrize(
    ("kind", "optional", "value"),
    [(str, False, "x" * 131_001), (str, True, "half \ud800 of a pair"), (int, False, 2**63),
     (int, True, -(2**63) - 1), (int, False, 10**20), (float, True, math.nan),
     (float, False, 10**400), (float, False, 2**53 + 1), (int, False, True),
     (bool, False, 1), (float, False, "1"),
     (str, False, b"bytes"), (int, False, 1.0)],
    ids=map(str, range(13)),
)  # fmt: skip
def test_what_would_not_read_back_is_not_accepted(
    kind: type, optional: bool, value: object
) -> None:
    assert not Column("x", kind, "", optional=optional).accepts(value)  # type: ignore[arg-type]


def test_a_target_is_a_finite_number() -> None:
    (target,) = (each for each in columns(RunSpec) if each.name == "target")
    assert target.accepts(0.97)
    assert not any(map(target.accepts, (math.nan, math.inf, -math.inf)))


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
