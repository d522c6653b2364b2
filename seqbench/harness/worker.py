"""Runs in a process of their own: what ends one run, however badly, ends no other.

The worker has the data and does the runs; the process that asked for them has the results and
writes them. Between epochs the worker waits until its last one is kept. A worker whose asker is
gone ends; one that dies, or takes too long, is replaced when the next run is asked for.
"""

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from seqbench.errors import SeqbenchError, UsageError
from seqbench.records import EpochRecord
from seqbench.spec import RunSpec

# torch is imported within functions, so that a worker can be started first and both processes
# import it at the same time
if TYPE_CHECKING:
    from seqbench.harness.run import Ended, EpochFinished, Job, Problem
    from seqbench.harness.runner import ProblemKey

_PATIENCE_S = 10  # for a process that was told to end


class WorkerError(SeqbenchError):
    """A worker that died before it could do any run."""


@dataclass(frozen=True)
class _Epoch:
    """What a worker says after an epoch; it goes on when it is answered."""

    record: EpochRecord
    saved: bytes


class Worker:
    """A process that does runs, one after the other; it starts with the ``with`` block.

    Parameters
    ----------
    data
        Where tasks look for their data; None for the usual places.
    plugins
        Files with variants and tasks of the user's.
    timeout_s
        Longest that a run may take; None for any time.
    """

    def __init__(
        self, data: Path | None, plugins: Sequence[Path] = (), timeout_s: float | None = None
    ) -> None:
        self._arguments = (data, tuple(plugins))
        self._timeout_s = timeout_s
        self._wanted: tuple[RunSpec, ...] = ()
        self._problems: dict[ProblemKey, Problem] = {}
        self._process: Any = None

    def __enter__(self) -> "Worker":
        self._start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def load(self, specs: Sequence[RunSpec]) -> "dict[ProblemKey, Problem]":
        """Load the data of ``specs``; return what is known of each problem that they pose.

        Raises
        ------
        SeqbenchError
            What `load_problems` raises; `WorkerError` if the process dies over it.
        """
        from seqbench.harness.runner import problem_of

        one_of_each = {problem_of(spec): spec for spec in specs}
        self._wanted = tuple(one_of_each.values())
        self._problems = self._ask_for_problems()
        return self._problems

    def execute(self, job: "Job", epoch_finished: "EpochFinished") -> "Ended":
        """Do a run; return what came of it, also if the process died or took too long over it."""
        from seqbench.harness.run import Ended, begin_traces, record_run
        from seqbench.harness.runner import problem_of
        from seqbench.harness.saving import load_saved

        if self._process is None:
            self._start()
            self._ask_for_problems()
        deadline = None if self._timeout_s is None else time.monotonic() + self._timeout_s
        traces, last = job.saved.traces if job.saved else begin_traces(), None
        try:
            self._connection.send(job)
            while True:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not self._connection.poll(left):
                    status, error = "timeout", f"it took longer than {self._timeout_s:g} s"
                    break
                answer = self._connection.recv()
                if isinstance(answer, Ended):
                    if answer.spoiled or answer.record.status == "out-of-memory":
                        self._end()  # its examples, or what is left of its memory, are in pieces
                    return answer
                last = answer.saved
                epoch_finished(answer.record, last)
                self._connection.send(None)
        except (EOFError, OSError):
            status, error = "crashed", self._describe_death()
        self._end()
        problem = self._problems[problem_of(job.spec)]
        traces = load_saved(last).traces if last else traces
        return Ended(record_run(job, problem, traces, status, error), traces)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, *self._arguments), name="seqbench worker", daemon=True
        )
        # Ctrl-C goes to all processes of a terminal; what becomes of this one is decided here
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if _in_main_thread() else None
        try:
            with _strings_hashed_alike():
                self._process.start()
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)
        theirs.close()

    def _ask_for_problems(self) -> "dict[ProblemKey, Problem]":
        try:
            self._connection.send(self._wanted)
            answer = self._connection.recv()
        except (EOFError, OSError):
            told = self._describe_death()
            self._end()
            raise WorkerError(f"the process that loads the data ended: {told}") from None
        if isinstance(answer, SeqbenchError):
            raise answer
        problems: dict[ProblemKey, Problem] = answer
        return problems

    def _describe_death(self) -> str:
        self._process.join(_PATIENCE_S)
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name
        more = "; the system does that when memory runs out" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{more}"

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None


@contextmanager
def _strings_hashed_alike() -> Iterator[None]:
    """Let processes that are started here put sets of strings in one order, every time."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = before or "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _serve(connection: Connection, data: Path | None, plugins: tuple[Path, ...]) -> None:
    """Answer what comes through ``connection`` until nobody is at its other end."""
    from seqbench.harness.device import default_threads
    from seqbench.harness.run import Run, describe_error, describe_problem
    from seqbench.harness.runner import load_problems, problem_of
    from seqbench.harness.sharing import prepare_thread
    from seqbench.plugins import load_plugins
    from seqbench.tasks.data_folder import locate_data

    prepare_thread(default_threads())
    asked = _listen(connection)
    wanted = asked()
    try:
        load_plugins(plugins)
        problems = load_problems(wanted, locate_data(data))
        answer = {key: describe_problem(key[0], *each) for key, each in problems.items()}
    except SeqbenchError as error:
        connection.send(error)
        return
    except Exception as error:  # a task of the user's may raise anything
        connection.send(UsageError(f"a task cannot be used: {describe_error(error)}"))
        return
    connection.send(answer)

    def epoch_finished(record: EpochRecord, saved: bytes) -> None:
        connection.send(_Epoch(record, saved))
        asked()

    while True:
        job: Job = asked()
        connection.send(Run(job, *problems[problem_of(job.spec)]).execute(epoch_finished))


def _listen(connection: Connection) -> Callable[[], Any]:
    """Return what waits for the next question; the process ends when nobody can ask any more."""
    questions: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                questions.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=listen, name="asker", daemon=True).start()
    return questions.get
