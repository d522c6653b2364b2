"""Runs in separate processes: what ends one run, however badly, ends no other.

The worker has the data and does the runs; the process that requested them has the results and
writes them. Between epochs the worker waits until its last one is kept. A worker whose asker is
gone ends; one that dies, or takes too long, is replaced when the next run is requested. Plugins are
imported where a run is of one alone, and a worker that has done runs of a plugin's variant or task
is replaced when another's turn has come: whatever they patch in their process, at import or later,
reaches no other's numbers.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from seqbench.errors import SeqbenchError, read_message
from seqbench.harness.worker_process import serve
from seqbench.spec import RunSpec

# torch is imported within functions, so that a worker can be started first and both processes
# import it at the same time
if TYPE_CHECKING:
    from seqbench.harness.job import EpochFinished, Job, RunOutcome
    from seqbench.harness.problems import Problem, ProblemKey
    from seqbench.harness.state import Traces

_PATIENCE_S = 10  # for a process that was asked to end
_LONGEST_WAIT_S = 86_400  # that the system takes at once

_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # sets of strings in one order, every time
    "PYTHONSAFEPATH": "1",  # or a file of the user's, socket.py, would shadow Python's own
    "TORCHINDUCTOR_DETERMINISTIC": "1",  # torch.compile of a plugin chooses nothing by timing it
}
"""What a worker is started with, unless the user sets them."""


class WorkerError(SeqbenchError):
    """A worker that died, or took too long, before it could do any run; ``status`` states which."""

    def __init__(self, status: str, message: str) -> None:
        self.status = status
        super().__init__(message)


class Worker:
    """A process that does runs, one after the other; it starts with the ``with`` block.

    Parameters
    ----------
    data
        Where tasks search their data; None for the usual places.
    plugins
        Files with variants and tasks of the user's.
    timeout_s
        Longest that loading the data, or a run, may take; None for any time.
    allow_changed_data
        Whether data may be others than the published ones, see `data_folder.reading_data`.
    """

    def __init__(
        self,
        data: Path | None,
        plugins: Sequence[Path] = (),
        timeout_s: float | None = None,
        *,
        allow_changed_data: bool = False,
    ) -> None:
        self._arguments = (data, tuple(plugins), allow_changed_data)
        self._timeout_s = timeout_s
        self._path = list(sys.path)  # as it is without the folders of plugins
        self._wanted: tuple[RunSpec, ...] = ()
        self._problems: dict[ProblemKey, Problem] = {}
        self._process: Any = None
        self._code: tuple[str, ...] = ()
        """Plugins' members that the process has run, or will; empty for built-in ones."""

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
            What `load_problems` raises; `WorkerError` if the process dies, or takes too long, over
            it.
        """
        from seqbench.harness.problems import problem_of

        one_of_each = {problem_of(spec): spec for spec in specs}
        self._wanted = tuple(one_of_each.values())
        tasks = [name for spec in self._wanted for name in _list_foreign(spec) if name == spec.task]
        self._code = _list_foreign(specs[0]) or tuple(tasks)
        self._problems = self._ask_for_problems(self._wanted)
        return self._problems

    def execute(self, job: "Job", epoch_finished: "EpochFinished") -> "RunOutcome":
        """Do a run; return its outcome, also if the process died or took too long over it."""
        from seqbench.harness.job import RunOutcome
        from seqbench.harness.state import begin_traces, load_saved

        traces, last = job.saved.traces if job.saved else begin_traces(), None
        if (code := _list_foreign(job.spec)) != self._code:
            self._end()
        self._code = code
        if self._process is None:
            self._start()
            wanted = tuple(each for each in self._wanted if _is_for(each, code))
            try:
                self._ask_for_problems(wanted)
            except SeqbenchError as reason:
                self._end()
                status = reason.status if isinstance(reason, WorkerError) else "failed"
                return self._record(job, traces, status, read_message(reason))
        deadline = self._begin_to_wait()
        try:
            self._connection.send(job)
            while True:
                if not self._wait(deadline):
                    status, error = "timeout", f"it exceeded the timeout of {self._timeout_s:g} s"
                    break
                answer = self._connection.recv()
                if isinstance(answer, RunOutcome):
                    if answer.spoiled or answer.record.status in list_spoiling(job.spec.device):
                        self._end()  # its examples, or what is left of its memory, are in pieces
                    return answer
                last = answer.saved
                epoch_finished(answer.record, last)
                self._connection.send(None)
        except (EOFError, OSError):
            status, error = "crashed", self._describe_death()
        self._end()
        traces = load_saved(last).traces if last else traces
        return self._record(job, traces, status, error)

    def _record(self, job: "Job", traces: "Traces", status: str, error: str) -> "RunOutcome":
        """Return the outcome of a run that the worker could not finish."""
        from seqbench.harness.job import RunOutcome
        from seqbench.harness.problems import problem_of
        from seqbench.harness.run_row import record_checked

        problem = self._problems[problem_of(job.spec)]
        return RunOutcome(*record_checked(job, problem, traces, status, error))

    def _begin_to_wait(self) -> float | None:
        """Return the moment until which there is time from now on; None for any time."""
        return None if self._timeout_s is None else time.monotonic() + self._timeout_s

    def _wait(self, deadline: float | None) -> bool:
        """Wait for a message of the worker; return whether it came in time."""
        while deadline is not None:
            left = max(0.0, deadline - time.monotonic())
            if self._connection.poll(min(left, _LONGEST_WAIT_S)) or not left:
                return self._connection.poll()
        return self._connection.poll(None)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, *self._arguments), name="seqbench worker", daemon=True
        )
        # Ctrl-C goes to all processes of a terminal; what becomes of this one is decided here
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if _in_main_thread() else None
        try:
            with _worker_environment(self._path):
                self._process.start()
        finally:
            if before is not None:
                signal.signal(signal.SIGINT, before)
        theirs.close()

    def _ask_for_problems(self, wanted: Sequence[RunSpec]) -> "dict[ProblemKey, Problem]":
        try:
            self._connection.recv()  # it is ready: what it does from here on is the tasks' own
            self._connection.send((wanted, bool(self._code)))
            if not self._wait(self._begin_to_wait()):
                self._end()
                message = f"loading the data exceeded --timeout, {self._timeout_s:g} s"
                raise WorkerError("timeout", message)
            answer = self._connection.recv()
        except (EOFError, OSError):
            cause = self._describe_death()
            self._end()
            raise WorkerError("crashed", f"the process that loads the data died: {cause}") from None
        if isinstance(answer, SeqbenchError):
            raise answer
        problems: dict[ProblemKey, Problem] = answer
        return problems

    def _describe_death(self) -> str:
        self._process.join(_PATIENCE_S)
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"its process exited with code {code}"
        name = signal.Signals(-code).name
        more = ", as the system does when memory is exhausted" if name == "SIGKILL" else ""
        return f"its process was killed by {name}{more}"

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None


@contextmanager
def _worker_environment(path: list[str]) -> Iterator[None]:
    """Let processes that are started here have `_ENVIRONMENT`, and look for modules in ``path``."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update({name: before[name] or value for name, value in _ENVIRONMENT.items()})
    sys.path, path_before = path, sys.path
    try:
        yield
    finally:
        sys.path = path_before
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def list_spoiling(device: str) -> tuple[str, ...]:
    """Return the statuses after which a process does no other run.

    An error on a card stays: whatever the process asks of the card from then on fails with it.
    """
    return ("out-of-memory",) if device == "cpu" else ("out-of-memory", "failed")


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _list_foreign(spec: RunSpec) -> tuple[str, ...]:
    """Return the names of a run's variant and task that are of a plugin's."""
    from seqbench.models.model import VARIANTS
    from seqbench.tasks.task import TASKS

    members = ((VARIANTS, spec.variant), (TASKS, spec.task))
    return tuple(
        name
        for registry, name in members
        if name in registry and registry.origin(name).partition(".")[0] != "seqbench"
    )


def _is_for(spec: RunSpec, code: tuple[str, ...]) -> bool:
    """Return whether a process that runs ``code`` of plugins knows the task of ``spec``."""
    return bool(code) or spec.task not in _list_foreign(spec)
