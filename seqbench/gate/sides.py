"""Processes of both versions side by side: order and timeouts of their requests."""

import random
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from seqbench.errors import UsageError
from seqbench.gate.processes import (
    PATIENCE_S,
    EndedError,
    ForeignVersionError,
    LateError,
    Side,
    VersionError,
)
from seqbench.gate.versions import Versions

SideName = Literal["base", "head"]
Order = tuple[SideName, SideName]
ORDERS: tuple[Order, Order] = (("base", "head"), ("head", "base"))

LEAST_PATIENCE_S = 10.0
"""A question is waited for so long even if the budget is spent."""

LOADING_S = 60.0
"""A first import may take so long, however small the budget."""

HANGING = 10.0
"""A side that exceeds the expected time by this factor is taken to hang."""


@dataclass(frozen=True)
class Sides:
    """Live processes of both versions.

    Parameters
    ----------
    base, head
        One process each.
    order
        Which is first in everything: to start, to receive requests, to run.
    """

    base: Side
    head: Side
    order: Order

    def ask(
        self, name: SideName, question: str, *arguments: object, within_s: float = PATIENCE_S
    ) -> Any:
        """Repeat a request that a side has answered before; if it is late, it hangs.

        Raises
        ------
        VersionError
            As of `Side.receive`.
        """
        try:
            return self._find(name).ask(question, *arguments, within_s=within_s)
        except LateError as error:
            error.hangs = True
            raise

    def ask_both(
        self,
        question: str,
        *arguments: object,
        within_s: float = PATIENCE_S,
        in_turn: bool = False,
    ) -> tuple[Any, Any]:
        """Send a request to both and return their answers.

        Parameters
        ----------
        question, arguments
            What is asked.
        within_s
            Seconds in which each has to answer.
        in_turn
            Whether the second starts only when the first is done; else both at the same time.

        Returns
        -------
        base, head
            In this order, whichever was first.

        Raises
        ------
        VersionError
            Of two errors that of code from elsewhere, then of a process that is gone, then the
            head's.
        """
        answers: dict[SideName, Any] = {}
        errors: dict[SideName, VersionError] = {}
        taken_s: dict[SideName, float] = {}
        start = time.monotonic()
        if not in_turn:
            for name in self.order:
                self._find(name).send(question, *arguments)
        for name in self.order if in_turn else ORDERS[0]:
            if in_turn:
                start = time.monotonic()
                self._find(name).send(question, *arguments)
            try:  # both, or the next question would get this one's answer
                since_s = time.monotonic() - start
                answers[name] = self._find(name).receive(within_s, since_s)
            except VersionError as error:
                errors[name] = error
            taken_s[name] = time.monotonic() - start
        if errors:
            raise _choose_error(errors, taken_s, within_s)
        return answers["base"], answers["head"]

    def _find(self, name: SideName) -> Side:
        return {"base": self.base, "head": self.head}[name]


def _choose_error(
    errors: Mapping[SideName, VersionError], taken_s: Mapping[SideName, float], within_s: float
) -> VersionError:
    """Return the error that counts most; a late head hangs if the base was much faster."""
    head = errors.get("head")
    if isinstance(head, LateError):
        head.hangs = "base" not in errors and within_s > HANGING * taken_s["base"]
    kinds = (ForeignVersionError, EndedError)
    return min(
        errors.values(),
        key=lambda each: (*(not isinstance(each, kind) for kind in kinds), each.side != "head"),
    )


def allow(deadline: float, benchmarks: int = 1) -> float:
    """Return how many seconds one of several benchmarks may take of what is left of a budget.

    Parameters
    ----------
    deadline
        When the budget is spent, by `time.monotonic`.
    benchmarks
        How many still want something of it.
    """
    return max(LEAST_PATIENCE_S, (deadline - time.monotonic()) / benchmarks)


def draw_order() -> Order:
    """Return which side is first, drawn at random: the basis of the gate's error rate."""
    return random.choice(ORDERS)


@contextmanager
def start_sides(versions: Versions, file: Path, order: Order = ORDERS[0]) -> Iterator[Sides]:
    """Start a process of each version, at the same time; end them with the ``with`` block.

    Parameters
    ----------
    versions, file
        What they run.
    order
        Which is first in everything.

    Raises
    ------
    UsageError
        Where processes cannot be given a pipe, on Windows.
    """
    if sys.platform == "win32":
        raise UsageError("the gate needs a POSIX system: use WSL or a container")
    with ExitStack() as stack:
        started = {}
        for name in order:
            version = versions.base if name == "base" else versions.head
            started[name] = Side(name, version, file)
            stack.callback(started[name].end)
        yield Sides(started["base"], started["head"], order)
