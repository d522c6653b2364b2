"""How much of the processor this process's control group may use, on Linux.

A group of version 2 has it in ``cpu.max``, one of version 1 in ``cpu.cfs_quota_us`` and
``cpu.cfs_period_us`` (Linux kernel documentation, cgroup-v2 and sched-bwc). Groups are nested, and
each limits all below it.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

_SYSTEM = Path("/")


def read_cpu_quota(system: Path = _SYSTEM) -> float | None:
    """Return the processor time that the process may use in a second, in cores; None for any.

    That is the least of what its own group and those above it are allowed.

    Parameters
    ----------
    system
        Root of ``/proc`` and ``/sys``: to be replaced in tests.
    """
    quotas = [_read_quota(group) for group in _list_groups(system)]
    return min((each for each in quotas if each is not None), default=None)


def _list_groups(system: Path) -> Iterator[Path]:
    """Yield the folders of the process's groups and of those above them, up to the root.

    In a container the path may be the host's, and the root, what the container sees: then folders
    on the way are not there.
    """
    listed = ""
    with suppress(OSError):
        listed = (system / "proc/self/cgroup").read_bytes().decode("utf-8", "surrogateescape")
    mounted = system / "sys/fs/cgroup"
    for line in listed.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        # version 2 has no controllers in its line, and is at "unified" next to version 1
        names = ("cpu", controllers) if controllers else ("", "unified")
        for root in dict.fromkeys(mounted / name for name in names):
            inside = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
            for depth in range(len(inside), -1, -1):
                yield root.joinpath(*inside[:depth])


def _read_quota(group: Path) -> float | None:
    with suppress(OSError, ValueError, ZeroDivisionError):
        if (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = (
                (group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        if quota != "max" and int(quota) > 0:
            return int(quota) / int(period)
    return None
