"""The stopwatch, under a clock and a device of the test's own."""

import pytest

from seqbench.training.clock import Stopwatch


class FakeMachine:
    """A clock that moves when told, and a device whose queued work takes time to wait for."""

    def __init__(self) -> None:
        self.time = 100.0
        self.queued = 0.0
        self.waits: list[str] = []

    def now(self) -> float:
        return self.time

    def wait(self, device: str) -> None:
        self.waits.append(device)
        self.time += self.queued
        self.queued = 0.0


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


def test_work_queued_inside_counts_and_work_queued_before_does_not(machine: FakeMachine) -> None:
    machine.queued = 50.0
    with Stopwatch("cuda", now=machine.now, wait=machine.wait) as watch:
        machine.time += 1.0  # the call that queues
        machine.queued = 7.0  # what the device then does
    assert watch.seconds == 8.0
    assert machine.waits == ["cuda", "cuda"]


def test_time_after_the_block_is_not_counted(machine: FakeMachine) -> None:
    with Stopwatch("cpu", now=machine.now, wait=machine.wait) as watch:
        machine.time += 2.5
    machine.time += 1000.0
    assert watch.seconds == 2.5
