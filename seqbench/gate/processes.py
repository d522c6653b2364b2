"""Processes of the two versions: they start, are asked, answer and end."""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, Literal

from seqbench.errors import ExitCode, SeqbenchError, UsageError
from seqbench.gate import agent
from seqbench.gate.versions import Version, Versions

SideName = Literal["base", "head"]
Order = tuple[SideName, SideName]
ORDERS: tuple[Order, Order] = (("base", "head"), ("head", "base"))

PATIENCE_S = 120.0
"""Longest that a version may take over one question."""

_PATIENCE_WITH_DEATH_S = 5
_TOLD = 20  # lines of an error
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # a team that waits by spinning takes the core from the other
}


class VersionError(SeqbenchError):
    """A version that cannot do what was asked of it.

    Parameters
    ----------
    side
        ``base`` or ``head``.
    version
        Which one that is.
    fault
        The end of its traceback, or of what it said before it ended.
    """

    exit_code = ExitCode.NOTHING_MEASURED

    def __init__(self, side: str, version: Version, fault: str) -> None:
        super().__init__(f"the {side}, {version}, cannot be measured: {fault}")
        self.side = side
        self.fault = fault


class EndedError(VersionError):
    """A version whose process is gone, or is not waited for any longer."""


class Side:
    """A live process of one version; what it is asked it does in order.

    Parameters
    ----------
    name
        ``base`` or ``head``.
    version
        Whose code it runs.
    file
        The benchmark file, relative to the version's folder.
    """

    def __init__(self, name: str, version: Version, file: Path) -> None:
        self._name, self._version = name, version
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process is)
        self._connection, theirs = Pipe()
        command = [version.python, agent.__file__, str(version.folder)]
        self._process = subprocess.Popen(
            [*command, str(version.folder / file), str(theirs.fileno())],
            cwd=version.folder,
            env={**os.environ, **_ONE_THREAD},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._said,  # the screen is the gate's
            stderr=self._said,
        )
        theirs.close()

    def send(self, question: str, *arguments: object) -> None:
        """Ask something; its answer is waited for by `receive`."""
        with suppress(OSError):  # it has died; `receive` tells
            self._connection.send((question, *arguments))

    def receive(self) -> Any:
        """Return the answer to the last question.

        Raises
        ------
        VersionError
            If the version failed over it.
        EndedError
            If it ended, or took longer than `PATIENCE_S`.
        """
        try:
            if not self._connection.poll(PATIENCE_S):
                fault = f"it did not answer within {PATIENCE_S:g} s"
                raise EndedError(self._name, self._version, fault)
            outcome, answer = self._connection.recv()
        except (EOFError, OSError):
            raise EndedError(self._name, self._version, self._describe_end()) from None
        if outcome == "failed":
            raise VersionError(self._name, self._version, _end_of(answer))
        return answer

    def ask(self, question: str, *arguments: object) -> Any:
        """Ask something and return the answer; see `receive`."""
        self.send(question, *arguments)
        return self.receive()

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._said.close()
        self._connection.close()

    def _describe_end(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_WITH_DEATH_S)
        self._said.seek(0)
        said = _end_of(self._said.read().decode(errors="replace"))
        return f"its process ended with exit code {self._process.returncode}\n{said}".strip()


@dataclass(frozen=True)
class Sides:
    """Live processes of both versions.

    Parameters
    ----------
    base, head
        One process each.
    order
        Which is first in everything: to start, to be asked, to take its turn.
    """

    base: Side
    head: Side
    order: Order

    def ask(self, name: SideName, question: str, *arguments: object) -> Any:
        """Ask one side and return its answer."""
        return self._find(name).ask(question, *arguments)

    def ask_both(self, question: str, *arguments: object) -> tuple[Any, Any]:
        """Ask both at the same time and return their answers; of two errors raise the head's.

        Returns
        -------
        base, head
            In this order, whichever was asked first.
        """
        for name in self.order:
            self._find(name).send(question, *arguments)
        try:
            base = self.base.receive()
        finally:  # or the next question would get this one's answer
            head = self.head.receive()
        return base, head

    def _find(self, name: SideName) -> Side:
        return {"base": self.base, "head": self.head}[name]


def draw_order() -> Order:
    """Return which side is first, by the toss of a coin: what the gate's error rate rests on."""
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
        raise UsageError("the gate needs a POSIX system: run it in WSL or in a container")
    with ExitStack() as stack:
        started = {}
        for name in order:
            version = versions.base if name == "base" else versions.head
            started[name] = Side(name, version, file)
            stack.callback(started[name].end)
        yield Sides(started["base"], started["head"], order)


def _end_of(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_TOLD:])
