"""The watch on the machine: counters of the test's own, and the real ones."""

import os
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqbench.results.records import Load
from seqbench.timing.contention import (
    Counters,
    LoadWatch,
    compare_counters,
    list_usable_cores,
    read_counters,
)

BEFORE = Counters(
    at_s=10.0,
    own_s=50.0,
    busy_s={0: 60.0, 1: 40.0},
    waiting_s={"1": 1.0, "2": 2.0},
    stolen_s={0: 3.0, 1: 0.0},
    throttled_s=4.0,
    heat_s={0: 1.0, 1: 1.0},
)
# a second on two cores, all ours
QUIET = replace(BEFORE, at_s=11.0, own_s=51.9, busy_s={0: 61.0, 1: 40.9})


def compare(change: dict[str, Any]) -> Load:
    return compare_counters(BEFORE, replace(QUIET, **change), threads=2, usable={0, 1})


def watch_cores(
    cores: int, threads: int, others: dict[int, float], usable: set[int] | None = None
) -> Load:
    """Return the load of a second in which other processes take so much of each of the cores."""
    before = Counters(0.0, 0.0, dict.fromkeys(range(cores), 0.0))
    own = {core: float(core < threads) for core in range(cores)}
    busy = {core: own[core] + others.get(core, 0.0) for core in range(cores)}
    after = Counters(1.0, sum(own.values()), busy)
    return compare_counters(before, after, threads, set(range(cores)) if usable is None else usable)


def test_a_quiet_second_is_not_contended() -> None:
    load = compare({})
    assert not load.contended
    assert load.other_cpu_s == pytest.approx(0.0)
    assert [load.waiting_s, load.stolen_s, load.throttled_s] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "field", "value", "contended"),
    [
        ({"busy_s": {0: 61.25, 1: 41.15}}, "other_cpu_s", 0.5, True),
        # two ticks, times √2 for two cores, and a twentieth are allowed
        ({"busy_s": {0: 61.0, 1: 40.97}}, "other_cpu_s", 0.07, False),
        ({"busy_s": {0: 61.0, 1: 40.99}}, "other_cpu_s", 0.09, True),
        ({"waiting_s": {"1": 1.06, "2": 2.0}}, "waiting_s", 0.06, True),
        ({"waiting_s": {"1": 1.04, "2": 2.04}}, "waiting_s", 0.08, False),  # at the same time
        ({"waiting_s": {"1": 1.0, "3": 9.0}}, "waiting_s", 0.0, False),  # a thread that is new
        ({"stolen_s": {0: 3.08, 1: 0.0}}, "stolen_s", 0.08, True),
        ({"stolen_s": {0: 3.06, 1: 0.06}}, "stolen_s", 0.12, False),
        ({"throttled_s": 4.12}, "throttled_s", 0.12, True),
        ({"throttled_s": 4.08}, "throttled_s", 0.08, False),  # of two threads
        ({"heat_s": {0: 1.06, 1: 1.0}}, "throttled_s", 0.06, True),
        ({"heat_s": {0: 1.04, 1: 1.04}}, "throttled_s", 0.08, False),
    ],
)
def test_each_disturbance_is_judged_by_what_it_does_to_one_thread(
    change: dict[str, Any], field: str, value: float, contended: bool
) -> None:
    load = compare(change)
    assert getattr(load, field) == pytest.approx(value)
    assert load.contended is contended


@pytest.mark.parametrize(
    ("cores", "threads", "others", "contended"),
    [
        (64, 1, {40: 0.1}, False),
        (64, 1, dict.fromkeys(range(1, 64), 0.9), False),
        (64, 63, {63: 1.0}, False),
        (64, 64, dict.fromkeys(range(64), 0.01), True),
        (64, 64, {0: 0.1}, False),  # less than the rounding of 64 cores' ticks
        (2, 1, {1: 1.0}, False),
        (2, 1, {0: 0.1, 1: 1.0}, True),
        (2, 2, {1: 0.1}, True),
        (1, 1, {0: 0.1}, True),
        (1, 1, {0: 0.06}, False),
        (1, 2, {0: 0.1}, True),
    ],
)
def test_other_processes_count_beyond_the_cores_that_are_left_free(
    cores: int, threads: int, others: dict[int, float], contended: bool
) -> None:
    assert watch_cores(cores, threads, others).contended is contended


@given(st.data())
def test_no_use_of_free_cores_is_contention_and_every_use_beyond_is(data: st.DataObject) -> None:
    cores = data.draw(st.sampled_from([1, 2, 64]))
    threads = data.draw(st.integers(1, cores))
    shares = st.lists(st.floats(0, 1), min_size=cores, max_size=cores)
    others = dict(enumerate(data.draw(shares)))
    beyond = sum(others.values()) - (cores - threads)
    ticks = 0.02 * cores**0.5
    if abs(beyond - ticks - 0.05) > 1e-6:
        assert watch_cores(cores, threads, others).contended is (beyond > ticks + 0.05)


@given(st.sets(st.integers(0, 63), min_size=1), st.data())
def test_cores_that_this_process_may_not_use_do_not_count(
    usable: set[int], data: st.DataObject
) -> None:
    elsewhere = data.draw(st.lists(st.floats(0, 1), min_size=64, max_size=64))
    before = Counters(0.0, 0.0, dict.fromkeys(range(64), 0.0), stolen_s=dict.fromkeys(range(64), 0))
    taken = {core: 0.0 if core in usable else elsewhere[core] for core in range(64)}
    after = Counters(1.0, 0.0, taken, stolen_s=taken, heat_s=taken)
    load = compare_counters(replace(before, heat_s=before.stolen_s), after, len(usable), usable)
    assert not load.contended
    assert load.other_cpu_s == pytest.approx(sum(taken.values()))
    assert load.stolen_s == load.throttled_s == pytest.approx(sum(taken.values()))


@given(st.sampled_from([1, 2, 64]), st.floats(0, 0.2))
def test_the_number_of_threads_that_wait_or_of_cores_that_are_stolen_changes_no_verdict(
    number: int, lost: float
) -> None:
    if abs(lost - 0.05) < 1e-6 or abs(lost - 0.07) < 1e-6:
        return
    usable = set(range(number))
    before = Counters(0.0, 0.0, {}, {f"{i}": 0.0 for i in usable}, dict.fromkeys(usable, 0.0), 0.0)
    waiting = replace(before, at_s=1.0, waiting_s={f"{i}": lost for i in usable})
    assert compare_counters(before, waiting, number, usable).contended is (lost > 0.05)
    stolen = replace(before, at_s=1.0, stolen_s=dict.fromkeys(usable, lost))
    assert compare_counters(before, stolen, number, usable).contended is (lost > 0.02 + 0.05)
    held = replace(before, at_s=1.0, throttled_s=number * lost)
    assert compare_counters(before, held, number, usable).contended is (lost > 0.05)


def test_a_container_that_numbers_its_cores_anew_counts_all_that_it_lists() -> None:
    assert watch_cores(2, 2, {1: 0.5}, usable={6, 7}).contended
    assert not watch_cores(2, 2, {}, usable={6, 7}).contended


def test_what_the_system_does_not_report_stays_unknown() -> None:
    silent: dict[str, Any] = {"waiting_s": {}, "stolen_s": {}, "throttled_s": None, "heat_s": {}}
    load = compare_counters(replace(BEFORE, **silent), replace(QUIET, **silent), 2, {0, 1})
    assert (load.waiting_s, load.stolen_s, load.throttled_s) == (None, None, None)
    assert not load.contended


def test_the_real_counters_run_forwards() -> None:
    with LoadWatch(threads=1).watching() as seen:
        before = read_counters()
        while time.process_time() < before.own_s + 0.05:  # some work of our own
            pass
        after = read_counters()
    assert after.at_s > before.at_s
    assert after.own_s >= before.own_s + 0.03
    assert sum(after.busy_s.values()) >= sum(before.busy_s.values())
    assert seen[0].other_cpu_s is not None


def test_the_usable_cores_are_there() -> None:
    assert 1 <= len(list_usable_cores()) <= (os.cpu_count() or 1)
