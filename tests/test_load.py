"""The watch on the machine: counters of the test's own, and the real ones."""

import time
from dataclasses import replace
from typing import Any

import pytest

from seqbench.harness.load import Counters, LoadWatch, compare_counters, read_counters

BEFORE = Counters(
    at_s=10.0,
    busy_s=100.0,
    own_s=50.0,
    waiting_s={"1": 1.0, "2": 2.0},
    stolen_s=3.0,
    throttled_s=4.0,
)
QUIET = replace(BEFORE, at_s=11.0, busy_s=101.9, own_s=51.9)  # a second on two cores, all ours


def test_a_quiet_second_is_not_contended() -> None:
    load = compare_counters(BEFORE, QUIET)
    assert not load.contended
    assert load.other_cpu_s == pytest.approx(0.0)
    assert [load.waiting_s, load.stolen_s, load.throttled_s] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "field", "value", "contended"),
    [
        ({"busy_s": 102.4}, "other_cpu_s", 0.5, True),
        ({"busy_s": 101.95}, "other_cpu_s", 0.05, False),  # two ticks and a twentieth are allowed
        ({"waiting_s": {"1": 1.03, "2": 2.03}}, "waiting_s", 0.06, True),
        ({"waiting_s": {"1": 1.02, "2": 2.02}}, "waiting_s", 0.04, False),
        ({"waiting_s": {"1": 1.0, "3": 9.0}}, "waiting_s", 0.0, False),  # a thread that is new
        ({"stolen_s": 3.2}, "stolen_s", 0.2, True),
        ({"stolen_s": 3.01}, "stolen_s", 0.01, False),
        ({"throttled_s": 4.1}, "throttled_s", 0.1, True),
    ],
)
def test_each_disturbance_is_told(
    change: dict[str, object], field: str, value: float, contended: bool
) -> None:
    load = compare_counters(BEFORE, replace(QUIET, **change))  # type: ignore[arg-type]
    assert getattr(load, field) == pytest.approx(value)
    assert load.contended is contended


def test_what_the_system_does_not_tell_stays_unknown() -> None:
    silent: dict[str, Any] = {"waiting_s": {}, "stolen_s": None, "throttled_s": None}
    load = compare_counters(replace(BEFORE, **silent), replace(QUIET, **silent))
    assert (load.waiting_s, load.stolen_s, load.throttled_s) == (None, None, None)
    assert not load.contended


def test_the_real_counters_run_forwards() -> None:
    with LoadWatch().watching() as seen:
        before = read_counters()
        while time.process_time() < before.own_s + 0.05:  # some work of our own
            pass
        after = read_counters()
    assert after.at_s > before.at_s
    assert after.own_s >= before.own_s + 0.03
    assert after.busy_s >= before.busy_s
    assert seen[0].other_cpu_s is not None
