"""Which side of a pair is first: drawn, and first in everything."""

from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from seqbench.gate import pairs, running
from seqbench.gate import sides as side_by_side
from seqbench.gate.pairs import measure_pair
from seqbench.gate.processes import Side
from seqbench.gate.rules import Rules
from seqbench.gate.sides import ORDERS, Order, Sides, draw_order, start_sides
from seqbench.gate.versions import Version, Versions
from tests.gate.test_gate_cases import VERSION, make_case

Log = list[tuple[str, str]]


class RecordedSide:
    """A side that answers at once and notes in a common log what it is asked."""

    def __init__(self, name: str, log: Log) -> None:
        self.name, self.log = name, log
        log.append((name, "start"))

    def send(self, question: str, *arguments: object) -> None:
        self.log.append((self.name, question))

    def receive(self, within_s: float = 0.0, since_s: float = 0.0) -> Any:
        self.log.append((self.name, "answer"))
        return {"base": 1.0, "head": 2.0}[self.name]

    def ask(self, question: str, *arguments: object, within_s: float = 0.0) -> Any:
        self.send(question, *arguments)
        return self.receive()

    def end(self) -> None:
        pass


@pytest.mark.parametrize("order", ORDERS)
def test_the_side_that_is_first_is_first_in_everything(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: Log = []
    monkeypatch.setattr(side_by_side, "Side", lambda name, version, file: RecordedSide(name, log))
    monkeypatch.setattr(pairs, "find_idlest_core", lambda: None)
    case = make_case(train=None)
    with start_sides(Versions(VERSION, VERSION), Path(), order) as sides:
        assert sides.ask_both("describe") == (1.0, 2.0)  # in the order of their names all the same
        measure_pair(sides, [case], deadline=0.0)
    first, second = order
    for question in ("start", "describe", "prepare", "settle"):
        assert [name for name, asked in log if asked == question] == [first, second]
    place = log.index((first, "prepare"))  # the second prepares when the first is done
    assert log[place + 1 : place + 3] == [(first, "answer"), (second, "prepare")]
    turns = [name for name, asked in log if asked == "time"]
    assert turns[:8] == [first, second, second, first, second, first, first, second]
    assert (case.base_s, case.head_s) == ([1.0], [2.0])


def test_the_order_is_drawn_with_equal_chances() -> None:
    drawn = Counter(draw_order() for _ in range(1000))
    assert set(drawn) == set(ORDERS)
    assert 400 < drawn[ORDERS[0]] < 600  # 5 in 10¹⁰ by chance


def test_a_gate_takes_each_pair_in_the_order_that_was_drawn_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second place costs 10 %, whoever has it: so the sides take turns at being slower."""
    orders = [ORDERS[number % 3 == 0] for number in range(40)]
    waiting = iter(orders)

    def measure(sides: Sides, cases: Any, deadline: float) -> float:
        for case in cases:
            case.add_pair(*(1.1 if name == sides.order[1] else 1.0 for name in ("base", "head")))
        return 0.0

    one = cast(Side, RecordedSide("base", []))
    case = make_case(train=None)
    case.has_memory = False
    monkeypatch.setattr(running, "_find_cases", lambda *_: [case])
    monkeypatch.setattr(running, "draw_order", lambda: next(waiting))
    monkeypatch.setattr(running, "start_sides", _start_recorded(one))
    monkeypatch.setattr(running, "measure_pair", measure)
    version = Version("main", "c" * 40, "", False, tmp_path)
    with pytest.raises(StopIteration):  # no verdict comes of it
        running.run_gate(Versions(version, version), Path(), Rules(measure_same=True))
    slower = [head_s > base_s for base_s, head_s in zip(case.base_s, case.head_s, strict=True)]
    assert slower == [order[1] == "head" for order in orders]


def _start_recorded(one: Side) -> Any:
    from contextlib import contextmanager

    @contextmanager
    def start(versions: Versions, file: Path, order: Order = ORDERS[0]) -> Any:
        yield Sides(one, one, order)

    return start
