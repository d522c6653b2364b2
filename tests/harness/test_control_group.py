"""The control group's quota, from made-up /proc and /sys trees as the kernel would show them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from seqbench.harness.control_group import read_cpu_quota

V1 = "4:cpu,cpuacct:{}\n3:memory:/elsewhere\n1:name=systemd:/\n"
CGROUP = "sys/fs/cgroup"


def build(system: Path, groups: str, files: Mapping[str, str]) -> None:
    for name, content in {"proc/self/cgroup": groups, **files}.items():
        path = system / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def v1(folder: str, quota: int, period: int = 100_000) -> dict[str, str]:
    return {
        f"{CGROUP}/{folder}/cpu.cfs_quota_us": f"{quota}\n",
        f"{CGROUP}/{folder}/cpu.cfs_period_us": f"{period}\n",
    }


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/job\n", {f"{CGROUP}/job/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/job\n", {f"{CGROUP}/job/cpu.max": "max 100000\n"}, None),
        ("0::/\n", {f"{CGROUP}/cpu.max": "50000 200000\n"}, 0.25),
        ("0::/\n", {}, None),
        # the least of the groups above it
        (
            "0::/a/b/c\n",
            {
                f"{CGROUP}/a/cpu.max": "200000 100000\n",
                f"{CGROUP}/a/b/cpu.max": "100000 100000\n",
                f"{CGROUP}/a/b/c/cpu.max": "max 100000\n",
                f"{CGROUP}/a/b/other/cpu.max": "10000 100000\n",
            },
            1.0,
        ),
        # a container that sees its own group as the root, by the host's path
        ("0::/docker/0123\n", {f"{CGROUP}/cpu.max": "300000 100000\n"}, 3.0),
        ("0::/../sibling\n", {f"{CGROUP}/sibling/cpu.max": "70000 100000\n"}, 0.7),
        (V1.format("/job"), v1("cpu/job", 50_000), 0.5),
        (V1.format("/job"), v1("cpu,cpuacct/job", 50_000), 0.5),
        (V1.format("/job"), v1("cpu/job", -1), None),
        (V1.format("/a/b"), v1("cpu/a", 80_000) | v1("cpu/a/b", -1), 0.8),
        (V1.format("/host/0123"), v1("cpu", 20_000, 10_000), 2.0),
        # another controller's group does not count
        (V1.format("/"), v1("cpu/elsewhere", 10_000), None),
        ("4:cpuset:/job\n", v1("cpu/job", 10_000), None),
        # both versions at once
        ("1:cpu:/\n0::/job\n", {f"{CGROUP}/unified/job/cpu.max": "60000 100000\n"}, 0.6),
        ("0::/job\n", {f"{CGROUP}/job/cpu.max": "torn"}, None),
    ],
)
def test_the_quota_is_the_least_of_the_processs_groups(
    tmp_path: Path, groups: str, files: Mapping[str, str], expected: float | None
) -> None:
    build(tmp_path, groups, files)
    assert read_cpu_quota(tmp_path) == expected


def test_a_system_without_control_groups_has_no_quota(tmp_path: Path) -> None:
    assert read_cpu_quota(tmp_path) is None
