"""CPU contention while something was timed, and whether it can have slowed a run down.

Linux keeps the books. A thread's ``schedstat`` has the time that it was ready to run and waited for
a core; ``/proc/stat`` the busy time of each core and the time that the host gave to others (steal);
a control group and the processor the time that they were throttled. Elsewhere `psutil` reports the
busy time and the rest is not known.
"""

import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import TypeVar

import psutil

from seqbench.results.records import Load

_Key = TypeVar("_Key")
_THREADS = Path("/proc/self/task")
_STAT = Path("/proc/stat")
_THROTTLED = (Path("/sys/fs/cgroup/cpu.stat"), "throttled_usec", 1e-6)
_PROCESSORS = Path("/sys/devices/system/cpu")
_HEAT = "thermal_throttle/core_throttle_total_time_ms"
_TICK_S = 0.01  # the books of busy and stolen time are kept in ticks of this length

CONTENDED_SHARE = 0.05
"""A sample is contended if any kind of disturbance took more than this share of its time."""


@dataclass(frozen=True)
class Counters:
    """Seconds since some start; a field of several entries is empty if it is not reported.

    Parameters
    ----------
    at_s
        The wall clock.
    own_s
        CPU time of this process, all threads together.
    busy_s, stolen_s
        By core: busy with any process; given to others by the host.
    waiting_s
        By thread of this process: ready, and waiting for a core.
    throttled_s
        Time that the control group was throttled, summed over the cores it ran on.
    heat_s
        By core: time that it was throttled by temperature.
    """

    at_s: float
    own_s: float
    busy_s: Mapping[int, float]
    waiting_s: Mapping[str, float] = field(default_factory=dict)
    stolen_s: Mapping[int, float] = field(default_factory=dict)
    throttled_s: float | None = None
    heat_s: Mapping[int, float] = field(default_factory=dict)


def read_counters() -> Counters:
    """Read what the system reports now."""
    cores = dict(_read_cores())
    own = os.times()
    return Counters(
        at_s=time.perf_counter(),
        own_s=own.user + own.system,
        busy_s={core: busy for core, (busy, _) in cores.items()},
        waiting_s=dict(_read_waiting()),
        stolen_s={core: stolen for core, (_, stolen) in cores.items() if stolen is not None},
        throttled_s=_read_throttled(),
        heat_s=dict(_read_heat()),
    )


def _read_cores() -> Iterator[tuple[int, tuple[float, float | None]]]:
    """Yield each core's number, and its busy and stolen time."""
    times = psutil.cpu_times(percpu=True)
    numbers = list(range(len(times)))
    with suppress(OSError):  # psutil leaves out cores that are offline, and so shifts the others
        listed = [int(each) for each in re.findall(r"^cpu(\d+)", _STAT.read_text(), re.MULTILINE)]
        numbers = listed if len(listed) == len(times) else numbers
    for number, each in zip(numbers, times, strict=True):
        stolen = getattr(each, "steal", None)
        idle = each.idle + getattr(each, "iowait", 0.0) + (stolen or 0.0)
        yield number, (sum(each if stolen is None else each[:8]) - idle, stolen)


def _read_waiting() -> Iterator[tuple[str, float]]:
    """Yield, for each thread of this process, how long it has waited for a core so far."""
    with suppress(OSError):
        for thread in _THREADS.iterdir():
            with suppress(OSError):  # it may just have ended
                yield thread.name, int((thread / "schedstat").read_text().split()[1]) * 1e-9


def _read_throttled() -> float | None:
    """Return how long this process's control group was throttled, summed over cores."""
    path, name, unit = _THROTTLED
    with suppress(OSError):
        values = dict(line.split() for line in path.read_text().splitlines())
        return int(values[name]) * unit if name in values else None
    return None


def _read_heat() -> Iterator[tuple[int, float]]:
    """Yield each core's number and how long heat has held it back."""
    for each in _PROCESSORS.glob(f"cpu[0-9]*/{_HEAT}"):
        with suppress(OSError):
            yield int(each.parts[-3].removeprefix("cpu")), int(each.read_text()) * 1e-3


def list_usable_cores() -> frozenset[int]:
    """Return the numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def compare_counters(
    before: Counters, after: Counters, threads: int, usable: Collection[int]
) -> Load:
    """Return what happened between two readings, and whether a run was disturbed by it.

    The sums are over the whole machine. The verdict counts only what can have slowed this run down:
    the slowest thread determines a run's time, so sums over threads or cores do not count.

    - Other processes count on usable cores, as far as they exceed those that the run leaves free.
    - Waiting: the thread that waited longest. Steal and heat: the usable core that lost most.
    - A control group's time is summed over the cores it ran on, so it is divided by the threads.

    Busy and stolen time come in ticks, so what two ticks a core can explain is no disturbance;
    the rounding of several cores is independent, and its sum grows with the root of their number.

    Parameters
    ----------
    before, after
        The readings.
    threads
        Threads of the run.
    usable
        The cores that it may use; all that are listed, if none of these is.
    """
    seconds, own = after.at_s - before.at_s, after.own_s - before.own_s
    busy = _subtract(before.busy_s, after.busy_s)
    waiting = _subtract(before.waiting_s, after.waiting_s)
    stolen = _subtract(before.stolen_s, after.stolen_s)
    heat = _subtract(before.heat_s, after.heat_s)
    held = None
    if before.throttled_s is not None and after.throttled_s is not None:
        held = max(0.0, after.throttled_s - before.throttled_s)
    ours = _choose(busy, usable)
    free = max(0, len(ours) - threads) * seconds
    disturbed = (
        sum(ours) - own - free - 2 * _TICK_S * sqrt(len(ours)),
        max(waiting.values(), default=0.0),
        max(_choose(stolen, usable), default=0.0) - 2 * _TICK_S,
        max(_choose(heat, usable), default=0.0),
        (held or 0.0) / threads,
    )
    return Load(
        other_cpu_s=max(0.0, sum(busy.values()) - own),
        waiting_s=sum(waiting.values()) if waiting else None,
        stolen_s=sum(stolen.values()) if stolen else None,
        throttled_s=(held or 0.0) + sum(heat.values()) if heat or held is not None else None,
        contended=max(disturbed) > CONTENDED_SHARE * seconds,
    )


def _subtract(before: Mapping[_Key, float], after: Mapping[_Key, float]) -> dict[_Key, float]:
    """Return by how much each counter that is in both readings has grown."""
    both = before.keys() & after.keys()
    return {each: max(0.0, after[each] - before[each]) for each in both}


def _choose(by_core: Mapping[int, float], usable: Collection[int]) -> list[float]:
    """Return the values of the usable cores; of all, where a container numbers them again."""
    return [by_core[each] for each in by_core if each in usable] or list(by_core.values())


@dataclass
class LoadWatch:
    """Watches the machine during a ``with`` block.

    Parameters
    ----------
    threads
        Threads of the run that is watched.
    read
        What reads the counters: to be replaced in tests.
    usable
        The cores that the run may use.
    """

    threads: int
    read: Callable[[], Counters] = read_counters
    usable: Collection[int] = field(default_factory=list_usable_cores)

    @contextmanager
    def watching(self) -> Iterator[list[Load]]:
        """Watch during a ``with`` block; the list that it gives holds the `Load` afterwards."""
        seen: list[Load] = []
        before = self.read()
        yield seen
        seen.append(compare_counters(before, self.read(), self.threads, self.usable))
