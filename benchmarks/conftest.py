"""Comparisons side by side: two loops alternate in one process, and the ratio is what counts.

pytest-benchmark times ours; before each of its rounds the other side runs once. A ratio is taken
per round, so a slow phase of the machine affects both. The table at the end gives the median and
the range of the ratios.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 5

Compare = Callable[..., None]

_rows: list[tuple[str, list[float], dict[str, str]]] = []


@pytest.fixture
def compare(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Compare:
    """Return what times ``ours`` against ``other``, turn by turn, and notes the ratios."""

    def run(
        ours: Callable[[], object],
        other: Callable[[], object],
        *,
        rounds: int = ROUNDS,
        notes: Callable[[], dict[str, str]] = dict,
    ) -> None:
        other_times: list[float] = []

        def take_turn() -> None:
            start = time.perf_counter()
            other()
            other_times.append(time.perf_counter() - start)

        benchmark.pedantic(ours, setup=take_turn, rounds=rounds, warmup_rounds=1)
        assert benchmark.stats is not None
        times = benchmark.stats.stats.data
        ratios = [mine / theirs for mine, theirs in zip(times, other_times[-rounds:], strict=True)]
        added: dict[str, Any] = {"ratios": ratios, "other_times_s": other_times, **notes()}
        benchmark.extra_info.update(added)
        note_ratios(request.node.name, ratios, notes())

    return run


def note_ratios(name: str, ratios: list[float], notes: dict[str, str]) -> None:
    """Let the table at the end show the ratios of a comparison."""
    _rows.append((name, ratios, notes))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the ratios of the comparisons that ran."""
    if not _rows:
        return
    terminalreporter.section("ratios: seqbench ÷ the other, median (min to max)")
    for name, ratios, notes in _rows:
        line = f"{name}: {median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        parts = [
            f"{line}, {len(ratios)} rounds",
            *(f"{key} {value}" for key, value in notes.items()),
        ]
        terminalreporter.write_line("; ".join(parts))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder with MNIST/raw in it, from SEQBENCH_DATA; skip without one."""
    folder = Path(os.environ.get("SEQBENCH_DATA", "data"))
    if not (folder / "MNIST" / "raw").is_dir():
        pytest.skip("needs MNIST: set SEQBENCH_DATA to the folder that contains MNIST/raw")
    return folder
