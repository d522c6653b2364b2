"""How long a side is waited for, what it is told then, and whose fault it is."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seqbench.gate import pairs, processes, sides
from seqbench.gate.processes import EndedError, ForeignVersionError, LateError, Side, VersionError
from seqbench.gate.rules import Rules
from seqbench.gate.running import FIRST_READINGS, FIRST_SEEDS, Outcome, run_gate
from seqbench.gate.sides import ORDERS, Sides, allow
from seqbench.gate.verdicts import Verdict
from seqbench.gate.versions import Version, check_out_versions
from tests.gate.test_gate_cases import VERSION
from tests.processes import FORKING
from tests.repositories import OWN_CLOCK, Repository

WORKS = """
import time
from types import SimpleNamespace

now = 0


def read_clock():
    global now
    now += 1000
    return now


time.perf_counter = time.time = read_clock


def sleep(seconds):
    from time import sleep
    return lambda: sleep(seconds)


BENCHMARKS = [
    SimpleNamespace(name=str(each), make_work=sleep, settings={"seconds": each})
    for each in (0.01, 60)
]
"""


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Side]:
    (tmp_path / "works.py").write_text(WORKS)
    one = Side("head", Version("main", "c" * 40, "Works", False, tmp_path), Path("works.py"))
    yield one
    one.end()


def test_a_version_that_puts_another_clock_in_its_place_is_timed_by_the_machines(
    side: Side,
) -> None:
    side.ask("load")
    assert side.ask("prepare", "0.01") < 500
    assert side.ask("time", "0.01", 2) < 500


def test_a_side_is_not_waited_for_longer_than_it_is_said(side: Side) -> None:
    side.ask("load")
    with pytest.raises(LateError, match=r"no response within 200 ms"):
        side.ask("prepare", "60", within_s=0.2)


def test_a_python_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    version = Version("main", "c" * 40, "", False, tmp_path, python="/etc/passwd")
    with pytest.raises(VersionError, match="/etc/passwd cannot be run: Permission denied"):
        Side("base", version, Path("works.py"))


def test_processes_that_a_version_starts_import_its_code_too(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "inside.py").write_text("print('inside was imported')")
    start = "raise ValueError(subprocess.check_output([sys.executable, '-c', 'import inside']))"
    (tmp_path / "works.py").write_text(f"import subprocess, sys\n{start}\n")
    one = Side("head", Version("main", "c" * 40, "", False, tmp_path), Path("works.py"))
    try:
        with pytest.raises(VersionError, match="inside was imported"):
            one.ask("load")
    finally:
        one.end()


class Asked:
    """A side that gives one answer, or fails, when so many seconds of a clock are over."""

    def __init__(self, outcome: object, seconds: float, clock: list[float]) -> None:
        self.outcome, self.seconds, self.clock = outcome, seconds, clock

    def send(self, *question: object) -> None:
        self.asked_at = self.clock[0]

    def receive(self, within_s: float, since_s: float) -> object:
        assert since_s == self.clock[0] - self.asked_at
        self.clock[0] = max(self.clock[0], self.asked_at + min(self.seconds, within_s))
        if self.seconds > within_s:
            raise LateError("", VERSION, within_s)
        if isinstance(self.outcome, VersionError):
            raise self.outcome
        return self.outcome


def ask(
    base: tuple[object, float],
    head: tuple[object, float],
    monkeypatch: pytest.MonkeyPatch,
    **how: Any,
) -> Any:
    clock = [0.0]
    monkeypatch.setattr(sides, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    one, other = (cast(Side, Asked(*each, clock)) for each in (base, head))
    return Sides(one, other, ORDERS[1]).ask_both("train", within_s=20.0, **how)


@pytest.mark.parametrize("in_turn", [False, True])
@pytest.mark.parametrize(
    ("base_s", "head_s", "hangs"),
    [(1, 1000, True), (1.9, 1000, True), (2.1, 21, False), (19, 21, False), (1000, 1000, False)],
)
def test_a_head_hangs_if_it_takes_ten_times_as_long_as_the_base(
    base_s: float, head_s: float, hangs: bool, in_turn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LateError) as late:
        ask((1, base_s), (2, head_s), monkeypatch, in_turn=in_turn)
    assert late.value.hangs is hangs


@pytest.mark.parametrize("in_turn", [False, True])
def test_a_base_that_is_late_does_not_hang(in_turn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LateError) as late:
        ask((1, 1000), (2, 1), monkeypatch, in_turn=in_turn)
    assert late.value.hangs is False
    assert ask((1, 19), (2, 20), monkeypatch, in_turn=in_turn) == (1, 2)


def test_of_two_errors_the_one_that_counts_most_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = (ForeignVersionError, EndedError, VersionError)
    for number, most in enumerate(kinds):
        for least in kinds[number:]:
            for sides_of in (("base", "head"), ("head", "base")):
                one, other = sides_of
                errors = {one: most(one, VERSION, "1"), other: least(other, VERSION, "2")}
                with pytest.raises(VersionError) as raised:
                    ask((errors["base"], 0), (errors["head"], 0), monkeypatch)
                expected = errors["head"] if most is least else errors[one]
                assert raised.value is expected


def test_each_benchmark_has_an_equal_share_of_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sides, "time", SimpleNamespace(monotonic=lambda: 100.0))
    assert allow(400.0) == 300.0
    assert allow(400.0, 6) == 50.0
    assert allow(90.0, 6) == allow(100.5) == sides.LEAST_PATIENCE_S


STEP = "def step(variant):\n    global now\n"
TRAIN = "def train(variant, seed):\n"


HANG = "    if variant == 'gated':\n        import time; time.sleep(1000)\n"


def measure(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    monkeypatch.setattr(processes, "AGENT", OWN_CLOCK.with_name("agent.py"))
    monkeypatch.setattr(processes, "subprocess", FORKING)
    monkeypatch.setattr(pairs, "_LOOK_S", 0.0)
    monkeypatch.setattr(sides, "LEAST_PATIENCE_S", 1.0)
    rules = Rules(budget_s=12.0, error_rates={"elman": 0.9, "gated": 0.9})
    with check_out_versions(repository.folder, "main~1", "main") as versions:
        return run_gate(versions, Path("benchmarks/gate.py"), rules)


@pytest.mark.parametrize("where", [STEP, TRAIN])
def test_a_head_that_hangs_fails_and_starves_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    repository = Repository(tmp_path / "mini")
    repository.replace("Hang", "mini/harness.py", where, where + HANG)
    elman, gated = measure(repository, monkeypatch).cases
    assert elman.score is not None
    assert (elman.time.verdict, elman.score.verdict) == (Verdict.SAME, Verdict.EQUAL)
    assert (elman.score.count, len(elman.base_bytes)) == (
        FIRST_SEEDS,
        FIRST_READINGS * elman.has_memory,
    )
    assert gated.time.verdict == Verdict.FAILED
    assert "no response within" in gated.failure


def test_a_base_whose_training_takes_longer_than_its_share_is_undecided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository(tmp_path / "mini")
    repository.replace("Train long", "mini/harness.py", TRAIN, TRAIN + HANG)
    repository.replace("Train shortly", "mini/harness.py", HANG, "")
    elman, gated = measure(repository, monkeypatch).cases
    assert elman.score is not None
    assert gated.score is not None
    assert (elman.score.verdict, gated.score.verdict) == (Verdict.EQUAL, Verdict.INCONCLUSIVE)
    assert gated.time.verdict == Verdict.SAME
    assert gated.late["score"].startswith("the base: no response within")
