"""Memory that may still be taken: the machine's, the control group's, the process's own limit."""

import resource
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from seqbench.free_memory import format_memory, read_free_memory

MACHINE = psutil.virtual_memory().total


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_control_group_limits_it(tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    taken = psutil.Process().memory_info().rss
    path.write_text(f"{taken + 12_345_678}\n")
    assert read_free_memory(tmp_path) <= 12_345_678 + 50_000_000
    path.write_text("1\n")
    assert read_free_memory(tmp_path) == 0


@pytest.mark.parametrize("text", ["max\n", "", "nonsense", str(2**63)])
def test_a_group_without_a_limit_leaves_what_the_machine_has(tmp_path: Path, text: str) -> None:
    (tmp_path / "memory.max").write_text(text)
    assert 0 < read_free_memory(tmp_path) < MACHINE


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_limit_of_address_space_counts() -> None:
    limit = 4 << 30
    code = "from seqbench.free_memory import read_free_memory; print(read_free_memory())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert 0 < int(done.stdout) < limit


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 kB"),
        (1_500, "1.5 kB"),
        (3_200_000_000, "3.2 GB"),
        (420_000_000_000, "420 GB"),
        (1.2e15, "1,200 TB"),
        (10**400, "1,000,000,000,000,000,000 TB"),
    ],
)
def test_sizes_have_the_unit_that_suits_them(size: float, told: str) -> None:
    assert format_memory(size) == told
