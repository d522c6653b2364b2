"""Peak memory in the gate: read against works of known size, and judged."""

import random
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from seqbench.gate.cases import Case
from seqbench.gate.headline import choose_exit_code, format_headline
from seqbench.gate.peaks import ALLOCATED, RESIDENT
from seqbench.gate.processes import Side
from seqbench.gate.summary import format_summary
from seqbench.gate.verdicts import Verdict, judge_memory
from seqbench.gate.versions import Version
from tests.gate.test_gate_cases import make_case
from tests.gate.test_gate_summary import make_outcome

MIB = 2**20
RATE = 0.01 / 18

WORKS = """
    from types import SimpleNamespace

    import numpy as np

    BEFORE = bytearray(50 * 2**20)  # had before the work is made


    def hold(size):
        held = bytearray(size * 2**20)
        return lambda: len(held)


    def drop(size):
        return lambda: len(bytearray(size * 2**20))


    def fill(size):
        held = np.ones(size * 2**17)
        return lambda: (held + 1).sum()


    def multiply(size):
        import torch

        held = torch.ones(size, 2**18)  # so many MiB

        def work():
            doubled = held + held
            return (doubled + doubled).sum()

        return work


    BENCHMARKS = [
        SimpleNamespace(name=f"{make.__name__} {size}", make_work=make, settings={"size": size})
        for make in (hold, drop, fill, multiply)
        for size in (32, 64)
    ]
"""


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Side]:
    (tmp_path / "works.py").write_text(dedent(WORKS))
    one = Side("head", Version("main", "c" * 40, "Works", False, tmp_path), Path("works.py"))
    yield one
    one.end()


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize(("work", "times"), [("hold", 1), ("drop", 1), ("fill", 2)])
def test_resident_memory_is_what_the_work_allocates_and_touches_at_once(
    side: Side, work: str, times: int, size: int
) -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the system cannot begin a new peak of resident memory")
    side.ask("load")
    how, read = side.ask("measure_memory", f"{work} {size}")
    assert how == RESIDENT
    assert read == pytest.approx(times * size * MIB, abs=4 * MIB)


def test_a_peak_that_has_gone_is_read_once_more(side: Side) -> None:
    """The reading begins a new peak: what was higher before does not count."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the system cannot begin a new peak of resident memory")
    side.ask("load")
    assert side.ask("measure_memory", "drop 64")[1] == pytest.approx(64 * MIB, abs=4 * MIB)
    assert side.ask("measure_memory", "drop 32")[1] == pytest.approx(32 * MIB, abs=4 * MIB)


def test_torchs_memory_is_counted_by_its_allocators_to_the_byte(tmp_path: Path) -> None:
    """Held, doubled, that doubled and the sum are there at once; and so they are a second time."""
    (tmp_path / "works.py").write_text(f"import torch\n{dedent(WORKS)}")
    one = Side("head", Version("main", "c" * 40, "Works", False, tmp_path), Path("works.py"))
    try:
        one.ask("load")
        for _ in range(2):
            how, read = one.ask("measure_memory", "multiply 32")
            assert (how, read) == (ALLOCATED, 3 * 32 * MIB + 4)
        assert one.ask("measure_memory", "multiply 64")[1] == 3 * 64 * MIB + 4
        how, read = one.ask("measure_memory", "drop 32")  # uses no tensor
        assert how == RESIDENT
    finally:
        one.end()


def test_equal_readings_are_the_same_at_once_and_twice_as_much_is_more() -> None:
    assert judge_memory([17 * MIB], [17 * MIB], 0.1, RATE).verdict == Verdict.SAME
    assert judge_memory([9 * MIB] * 2, [18 * MIB] * 2, 0.1, RATE).verdict == Verdict.INCONCLUSIVE
    found = judge_memory([9 * MIB] * 20, [18 * MIB] * 20, 0.1, RATE)
    assert found.verdict == Verdict.MORE_MEMORY
    assert (found.change, found.low, found.high) == pytest.approx((1, 1, 1))
    assert judge_memory([18 * MIB] * 20, [9 * MIB] * 20, 0.1, RATE).verdict == Verdict.LESS_MEMORY
    assert judge_memory([], [], 0.1, RATE).verdict == Verdict.INCONCLUSIVE


def test_resident_memory_tells_no_change_of_less_than_a_mebibyte() -> None:
    """So nothing that needs less than ten of them is called the same within a tenth."""
    for base, head in ((10_000, 1_000_000), (500_000, 1_000_000), (5 * MIB, 5 * MIB), (0, 0)):
        assert judge_memory([base] * 2, [head] * 2, 0.1, RATE).verdict == Verdict.NOT_MEASURED
        assert judge_memory([head] * 2, [base] * 2, 0.1, RATE).verdict == Verdict.NOT_MEASURED
    assert judge_memory([20 * MIB], [20 * MIB + 1000], 0.1, RATE).verdict == Verdict.SAME
    assert judge_memory([0] * 20, [3 * MIB] * 20, 0.1, RATE).verdict == Verdict.MORE_MEMORY


@pytest.mark.parametrize("size", [1, 100, 10_000, 500_000, 5 * MIB])
def test_what_allocators_count_tells_a_doubling_however_small(size: int) -> None:
    more = judge_memory([size] * 20, [2 * size] * 20, 0.1, RATE, resolution=0)
    assert more.verdict == Verdict.MORE_MEMORY
    assert more.change == pytest.approx(1)
    less = judge_memory([2 * size] * 20, [size] * 20, 0.1, RATE, resolution=0)
    assert less.verdict == Verdict.LESS_MEMORY
    assert judge_memory([size] * 2, [size] * 2, 0.1, RATE, resolution=0).verdict == Verdict.SAME
    assert judge_memory([size], [2 * size], 0.1, RATE, resolution=0).verdict == Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("how", "verdict"), [(ALLOCATED, "more memory"), (RESIDENT, "not measured")]
)
def test_a_case_knows_how_its_memory_was_read(how: str, verdict: str) -> None:
    case = make_case(train=None)
    for _ in range(20):
        case.add_memory((how, 2**18), (how, 2**19))
    assert case.memory.verdict == verdict
    small = "Too little memory to be measured: rnn." in format_summary(make_outcome([case]))
    assert small == (how == RESIDENT)


def test_five_percent_of_noise_is_not_called_a_change_and_a_doubling_in_it_is() -> None:
    stream = random.Random(3)

    def read(size: int) -> list[int]:
        return [round(size * stream.uniform(0.95, 1.05)) for _ in range(40)]

    for _ in range(50):
        base, head, twice = read(100 * MIB), read(100 * MIB), read(200 * MIB)
        said = {judge_memory(base[:n], head[:n], 0.1, RATE).verdict for n in range(1, 41)}
        assert said <= {Verdict.INCONCLUSIVE, Verdict.SAME}
        assert judge_memory(base, head, 0.1, RATE).verdict == Verdict.SAME
        assert judge_memory(base, twice, 0.1, RATE).verdict == Verdict.MORE_MEMORY


def make_read(base: int, head: int, count: int = 20) -> Case:
    """Return a case without scores whose times are equal, and its memory read so many times."""
    case = make_case(train=None)
    for _ in range(40):
        case.add_pair(1.0, 1.0)
    for _ in range(count):
        case.add_memory((RESIDENT, base), (RESIDENT, head))
    return case


def test_memory_is_read_until_it_is_decided_and_at_least_twice() -> None:
    assert make_read(20 * MIB, 20 * MIB, 1).wants_memory(2)
    assert not make_read(20 * MIB, 20 * MIB, 2).wants_memory(2)
    assert make_read(9 * MIB, 18 * MIB, 2).wants_memory(2)
    assert not make_read(9 * MIB, 18 * MIB, 20).wants_memory(2)


def test_more_memory_is_a_regression_and_is_told() -> None:
    case = make_read(9 * MIB, 18 * MIB)
    assert choose_exit_code([case]) == 5
    told = "Regression: rnn needs 100.0 % more memory (100.0 % to 100.0 %); rnn in the same time."
    assert format_headline([case]) == told
    summary = format_summary(make_outcome([case]))
    assert "| **more memory** | +100.0 % | 9.0 MiB → 18 MiB |" in " ".join(summary.split())
    less = make_read(18 * MIB, 9 * MIB)
    assert choose_exit_code([less]) == 0
    assert "needs 50.0 % less memory" in format_headline([less])


def test_where_memory_cannot_be_read_that_is_said_once() -> None:
    cases = [make_read(MIB, MIB, 0), make_read(MIB, MIB, 0)]
    for case in cases:
        case.add_memory(None, None)
        assert case.memory.verdict == Verdict.NOT_MEASURED
        assert not case.wants_memory(2)
    assert choose_exit_code(cases) == 0
    summary = format_summary(make_outcome(cases))
    assert summary.count("Memory cannot be measured without") == 1
    assert "not measured" in summary.split("base → head")[1]


def test_memory_that_is_counted_in_two_ways_is_not_comparable() -> None:
    case = make_read(MIB, MIB, 0)
    case.add_memory((RESIDENT, MIB), ("torch's allocators", MIB))
    assert case.memory.verdict == Verdict.NOT_COMPARABLE
    assert "its memory: the base's is measured by resident memory" in format_summary(
        make_outcome([case])
    )
