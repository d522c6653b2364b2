"""The worker's side: a process that loads the data, and executes the requested runs."""

import gc
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqbench.errors import SeqbenchError, UsageError, describe_error
from seqbench.results.records import EpochRecord

if TYPE_CHECKING:
    from seqbench.harness.job import Job


@dataclass(frozen=True)
class FinishedEpoch:
    """A worker's message after an epoch; it continues when it is answered."""

    record: EpochRecord
    saved: bytes


def serve(
    connection: Connection, data: Path | None, plugins: tuple[Path, ...], allow_changed: bool
) -> None:
    """Answer what comes through ``connection`` until the other end is closed.

    First it reports that it is ready; then it receives what to load and whether plugins are needed,
    and then the jobs.
    """
    from seqbench.harness.plugins import load_own, load_plugins
    from seqbench.harness.problems import describe_problem, load_problems, problem_of
    from seqbench.harness.run import Run
    from seqbench.tasks.data_folder import locate_data
    from seqbench.training.device import default_threads
    from seqbench.training.threads import prepare_thread

    prepare_thread(default_threads())
    asked = _listen(connection)
    connection.send(None)
    wanted, foreign = asked()
    try:
        load_plugins(plugins) if foreign else load_own()
        problems = load_problems(wanted, locate_data(data), allow_changed=allow_changed)
        answer = {key: describe_problem(key[0], *each) for key, each in problems.items()}
    except SeqbenchError as error:
        connection.send(error)
        return
    except BaseException as error:  # a task of the user's may raise anything
        connection.send(UsageError(f"a task cannot be used: {describe_error(error)}"))
        return
    connection.send(answer)

    def epoch_finished(record: EpochRecord, saved: bytes) -> None:
        connection.send(FinishedEpoch(record, saved))
        asked()

    while True:
        gc.collect()
        gc.freeze()  # or the collections of a run go over all that was imported so far
        job: Job = asked()
        key = problem_of(job.spec)
        connection.send(Run(job, *problems[key], answer[key]).execute(epoch_finished))


def _listen(connection: Connection) -> Callable[[], Any]:
    """Return what waits for the next question; the process ends when the connection is closed."""
    questions: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                questions.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=listen, name="asker", daemon=True).start()
    return questions.get
