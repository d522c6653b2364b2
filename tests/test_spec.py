"""RunSpec: validation, identity, grids."""

import re
from collections.abc import Callable
from dataclasses import MISSING, fields, make_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqbench.columns import column
from seqbench.errors import SettingError
from seqbench.spec import RunSpec, expand

REQUIRED: dict[str, Any] = {"device": ["cpu"], "threads": [1], "task": ["a"], "seed": [0]}


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("epochs", -1, "a whole number, at least 0"),
        ("epochs", 1.5, "a whole number"),
        ("batch_size", -3, "at least 1"),
        ("learning_rate", 0.0, "a number, greater than 0"),
        ("learning_rate", float("nan"), "greater than 0"),
        ("learning_rate", float("inf"), "greater than 0"),
        ("dropout", 1.0, "less than 1"),
        ("device", "tpu", "one of cpu, cuda"),
        ("seed", True, "a whole number"),
        ("variant", "../rnn", "a registered name"),
    ],
)
def test_values_out_of_range_name_setting_and_range(
    make_spec: Callable[..., RunSpec], setting: str, value: object, expected: str
) -> None:
    with pytest.raises(SettingError, match=re.escape(expected)) as caught:
        make_spec(**{setting: value})
    assert caught.value.setting == setting


def test_run_id_is_readable_and_tells_any_two_settings_apart(
    make_spec: Callable[..., RunSpec],
) -> None:
    spec = make_spec()
    assert re.fullmatch(r"row-digits-rnn-s0-[0-9a-f]{8}", spec.run_id)
    assert make_spec().run_id == spec.run_id
    changes: list[dict[str, Any]] = [
        {"epochs": 3}, {"batch_size": 17}, {"learning_rate": 0.1}, {"hidden_size": 5},
        {"num_layers": 3}, {"dropout": 0.1}, {"readout": "final"}, {"threads": 2},
        {"implementation": "fused"},
    ]  # fmt: skip
    ids = {replace(spec, **change).run_id for change in changes}
    assert len(ids | {spec.run_id}) == len(changes) + 1


def test_a_default_that_changed_would_give_two_runs_one_name() -> None:
    """A run is named by what differs from the defaults, so these values may never change."""
    defaults = {each.name: each.default for each in fields(RunSpec) if each.default is not MISSING}
    expected = {
        "length": None, "train_examples": None, "epochs": 3, "batch_size": 128,
        "learning_rate": 1e-3, "schedule": "constant", "clip_norm": None, "hidden_size": 128,
        "num_layers": 2, "dropout": 0.0, "readout": "last", "implementation": "native",
        "precision": "float32", "cuda_graph": False, "eval_every": None, "target": None,
        "optimizer": "adam", "momentum": 0.0, "weight_decay": 0.0,
    }  # fmt: skip
    added = {name: value for name, value in defaults.items() if name not in expected}
    assert defaults == {**expected, **added}, "a default changed, or a setting went away"
    assert not added, "add the new setting here: from now on its default stays"
    named = RunSpec(task="row-mnist", variant="rnn", seed=0, device="cpu", threads=1)
    assert named.run_id == "row-mnist-rnn-s0-e5423f20"


def test_a_new_setting_with_a_default_changes_no_id_of_runs_without_it(
    make_spec: Callable[..., RunSpec],
) -> None:
    later = [("noise", float, column("added to weights", default=0.0, since=9))]
    grown: Any = make_dataclass("Grown", later, bases=(RunSpec,), frozen=True, kw_only=True)
    spec = make_spec(hidden_size=5, clip_norm=1.0)
    same = grown(**{each.name: getattr(spec, each.name) for each in fields(spec)})
    assert same.run_id == spec.run_id
    assert replace(same, noise=0.0).run_id == spec.run_id
    assert replace(same, noise=0.9).run_id != spec.run_id


def test_a_setting_without_a_default_always_counts(make_spec: Callable[..., RunSpec]) -> None:
    assert make_spec().chosen.keys() >= {"task", "variant", "seed", "device", "threads"}
    assert "hidden_size" not in make_spec(hidden_size=128).chosen


@pytest.mark.parametrize(
    ("setting", "one", "other"),
    [("dropout", 0, 0.0), ("dropout", -0.0, 0.0), ("target", 1, 1.0), ("clip_norm", 2, 2.0)],
)
def test_equal_numbers_are_one_setting_however_they_are_written(
    make_spec: Callable[..., RunSpec], setting: str, one: float, other: float
) -> None:
    assert make_spec(**{setting: one}).run_id == make_spec(**{setting: other}).run_id
    assert make_spec(**{setting: one}) == make_spec(**{setting: other})


def test_defaults_are_the_notebooks() -> None:
    spec = RunSpec(task="row-mnist", variant="rnn", seed=0, device="cpu", threads=1)
    assert (spec.hidden_size, spec.num_layers, spec.batch_size, spec.epochs) == (128, 2, 128, 3)
    assert (spec.learning_rate, spec.readout, spec.dropout) == (1e-3, "last", 0.0)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(["rnn", "lstm", "gru"]), min_size=1, unique=True),
    st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True),
)
def test_a_grid_has_every_combination_once_seeds_outermost(
    seeds: list[int], variants: list[str], sizes: list[int]
) -> None:
    combined = expand(REQUIRED | {"hidden_size": sizes, "variant": variants, "seed": seeds})
    assert [(each["seed"], each["hidden_size"], each["variant"]) for each in combined] == [
        (seed, size, variant) for seed in seeds for size in sizes for variant in variants
    ]


@pytest.mark.parametrize("values", [[], [1, 1]])
def test_an_axis_needs_different_values(values: list[int]) -> None:
    with pytest.raises(SettingError, match="different"):
        expand(REQUIRED | {"variant": ["rnn"], "epochs": values})
