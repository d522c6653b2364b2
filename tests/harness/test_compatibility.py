"""Settings that contradict each other: refused alone, unsupported as a cell of a grid."""

from collections.abc import Callable
from typing import Any

import pytest

from seqbench.errors import SettingError
from seqbench.harness.compatibility import check_settings
from seqbench.harness.plan import plan_runs
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task


@pytest.mark.parametrize(
    ("fitting", "contradicting", "told"),
    [
        ({"dropout": 0.5, "num_layers": 2}, {"dropout": 0.5, "num_layers": 1}, "between layers"),
        ({"momentum": 0.9, "optimizer": "sgd"}, {"momentum": 0.9}, "0 with adam: it is a setting"),
        ({"momentum": 0.9, "optimizer": "rmsprop"}, {"momentum": 0.1, "optimizer": "adamw"}, "0 w"),
    ],
)
def test_settings_that_contradict_each_other_are_named(
    make_spec: Callable[..., RunSpec],
    tiny_task: Task,
    fitting: dict[str, Any],
    contradicting: dict[str, Any],
    told: str,
) -> None:
    check_settings(make_spec(**fitting), tiny_task)
    with pytest.raises(SettingError, match=told):
        check_settings(make_spec(**contradicting), tiny_task)


def test_a_cell_of_a_grid_that_contradicts_itself_stays_in_the_plan() -> None:
    axes = {
        "task": ("row-digits",), "variant": ("rnn",), "seed": (0,),
        "optimizer": ("adam", "sgd"), "momentum": (0.0, 0.9),
    }  # fmt: skip
    planned = [(spec.optimizer, spec.momentum) for spec in plan_runs([axes])]
    assert planned == [("adam", 0.0), ("adam", 0.9), ("sgd", 0.0), ("sgd", 0.9)]
    with pytest.raises(SettingError, match="0 with adam"):
        plan_runs([axes | {"optimizer": ("adam",), "momentum": (0.9,)}])
