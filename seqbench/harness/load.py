"""What else the machine did while something was timed.

Linux keeps the books. A thread's ``schedstat`` has the time that it was ready to run and waited
for a core; ``/proc/stat`` the time that the host gave to others (steal) and all cores' busy time;
a control group and the processor the time that they were held back. Elsewhere `psutil` tells the
busy time and the rest is not known.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from seqbench.records import Load

_THREADS = Path("/proc/self/task")
_THROTTLED = (Path("/sys/fs/cgroup/cpu.stat"), "throttled_usec", 1e-6)
_PROCESSORS = Path("/sys/devices/system/cpu")
_TICK_S = 0.01  # the books of busy and stolen time are kept in ticks of this length

CONTENDED_SHARE = 0.05
"""A sample is contended if any kind of disturbance took more than this share of its time."""


@dataclass(frozen=True)
class Counters:
    """Seconds since some beginning, each summed over cores or threads; None where nobody tells."""

    at_s: float
    busy_s: float
    own_s: float
    waiting_s: Mapping[str, float] = field(default_factory=dict)
    stolen_s: float | None = None
    throttled_s: float | None = None


def read_counters() -> Counters:
    """Read what the system tells now."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "steal", 0.0)
    own = os.times()
    return Counters(
        at_s=time.perf_counter(),
        busy_s=sum(times[:8]) - idle if hasattr(times, "steal") else sum(times) - idle,
        own_s=own.user + own.system,
        waiting_s=dict(_read_waiting()),
        stolen_s=getattr(times, "steal", None),
        throttled_s=_read_throttled(),
    )


def _read_waiting() -> Iterator[tuple[str, float]]:
    """Yield, for each thread of this process, how long it has waited for a core so far."""
    with suppress(OSError):
        for thread in _THREADS.iterdir():
            with suppress(OSError):  # it may just have ended
                yield thread.name, int((thread / "schedstat").read_text().split()[1]) * 1e-9


def _read_throttled() -> float | None:
    """Return how long a control group or the heat of the processor has held it back."""
    path, name, unit = _THROTTLED
    found: list[float] = []
    with suppress(OSError):
        values = dict(line.split() for line in path.read_text().splitlines())
        found += [int(values[name]) * unit] if name in values else []
    for each in _PROCESSORS.glob("cpu[0-9]*/thermal_throttle/core_throttle_total_time_ms"):
        with suppress(OSError):
            found.append(int(each.read_text()) * 1e-3)
    return sum(found) if found else None


def compare_counters(before: Counters, after: Counters) -> Load:
    """Return what happened between two readings.

    Busy and stolen time come in ticks, so what two ticks a reading can explain is no disturbance.
    """
    seconds = after.at_s - before.at_s
    others = max(0.0, (after.busy_s - before.busy_s) - (after.own_s - before.own_s))
    threads = after.waiting_s.keys() & before.waiting_s.keys()
    waiting = sum(after.waiting_s[each] - before.waiting_s[each] for each in threads)
    stolen = _difference(before.stolen_s, after.stolen_s)
    throttled = _difference(before.throttled_s, after.throttled_s)
    slack = 2 * _TICK_S
    disturbed = (others - slack, waiting, (stolen or 0.0) - slack, throttled or 0.0)
    return Load(
        other_cpu_s=others,
        waiting_s=waiting if threads else None,
        stolen_s=stolen,
        throttled_s=throttled,
        contended=max(disturbed) > CONTENDED_SHARE * seconds,
    )


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)


@dataclass
class LoadWatch:
    """Watches the machine from one call of `take` to the next.

    Parameters
    ----------
    read
        What reads the counters: to be replaced in tests.
    """

    read: Callable[[], Counters] = read_counters

    @contextmanager
    def watching(self) -> Iterator[list[Load]]:
        """Watch during a ``with`` block; the list that it gives holds the `Load` afterwards."""
        seen: list[Load] = []
        before = self.read()
        yield seen
        seen.append(compare_counters(before, self.read()))
