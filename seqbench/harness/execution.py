"""From what was requested to a result folder: what the command and the Python interface share.

torch is imported within functions, so that a worker process can be started first and both import
it at the same time.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seqbench.errors import SettingError, UsageError
from seqbench.harness.suites import MATCH_TOLERANCE, SUITES, Suite
from seqbench.spec import RunSpec

if TYPE_CHECKING:
    from seqbench.harness.job import Job
    from seqbench.harness.problems import Problem, ProblemKey
    from seqbench.harness.runner import Executor, LoadingExecutor, Progress
    from seqbench.results.writer import ResultWriter

CUSTOM = "custom"
"""What a run is called that belongs to no suite."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be run, and how.

    Parameters
    ----------
    results
        Folder of result folders.
    name
        Of the result folder; None for the suite's, or ``custom``.
    suite
        A suite's name; None for a custom grid.
    axes
        Values by field of `RunSpec`, in place of the suite's.
    match_parameters, match_tolerance
        See `matching.match_hidden_sizes`; None for the suite's setting.
    measure
        Whether speed is measured apart from training; None for the suite's setting.
    plugins
        Files with variants and tasks of the user's.
    data
        Folder with the data; None for the usual places.
    allow_changed_data
        Whether data may be others than the published ones.
    restart, retry_failed
        Whether to start over; whether to repeat failed runs.
    timeout_s
        Longest that a run, or loading the data, may take, in seconds; None for any time.
    wait
        Whether to wait for another command that writes to the folder.
    keep_weights
        Whether each trained model's weights are kept.
    isolated
        Whether runs have a separate process. Only such a run ends alone when it crashes, takes too
        long or runs out of memory; but that process does not know of members that were registered
        in a session or a notebook.
    """

    results: Path
    name: str | None = None
    suite: str | None = None
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    match_parameters: int | None = None
    match_tolerance: float | None = None
    measure: bool | None = None
    plugins: Sequence[Path] = ()
    data: Path | None = None
    allow_changed_data: bool = False
    restart: bool = False
    retry_failed: bool = False
    timeout_s: float | None = None
    wait: bool = False
    keep_weights: bool = False
    isolated: bool = True

    def __post_init__(self) -> None:
        if self.match_parameters is not None:
            if "hidden_size" in self.axes:
                raise UsageError("match_parameters chooses the hidden size; omit hidden_size")
            if not self.match_parameters >= 1:
                raise SettingError("match_parameters", self.match_parameters, "at least 1")
        if self.timeout_s is not None and not self.isolated:
            raise UsageError("a timeout needs isolated=True")

    @property
    def folder(self) -> Path:
        """The result folder."""
        return self.results / (self.name or self.suite or CUSTOM)

    @property
    def planned(self) -> Suite:
        """The suite, or one of a single run that the axes make a grid of."""
        return Suite("", {"seed": (0,)}) if self.suite is None else SUITES[self.suite]

    @property
    def measured(self) -> bool:
        """Whether speed is measured apart from training."""
        return self.planned.measure if self.measure is None else self.measure

    def plan(self) -> list[RunSpec]:
        """Return the runs, with nothing left open; see `plan.plan_runs`."""
        from seqbench.harness.plan import plan_runs
        from seqbench.training.device import resolve_device

        axes = dict(self.axes)
        if "device" in axes:
            axes["device"] = tuple(map(resolve_device, axes["device"]))
        own = None if "hidden_size" in axes else self.planned.match_parameters
        matched = self.match_parameters or own
        grids = [{**grid, **axes} for grid in self.planned.grids]
        return plan_runs(grids, matched, self.measured, self._choose_tolerance(matched))

    def _choose_tolerance(self, matched: int | None) -> float:
        """Return how far from matched parameters a model may be, relative."""
        chosen = self.match_tolerance
        if chosen is None:
            return MATCH_TOLERANCE
        if matched is None:
            raise UsageError("match_tolerance requires match_parameters, or a suite with it")
        if not 0 < chosen < 1:
            raise SettingError(
                "match_tolerance", chosen, "a fraction greater than 0 and less than 1"
            )
        return chosen


class Listener(Protocol):
    """Receives messages and events."""

    def say(self, text: str) -> None:
        """Receive a message."""

    def warn(self, text: str) -> None:
        """Receive a warning."""

    def watch(self, specs: Sequence[RunSpec]) -> "AbstractContextManager[Progress]":
        """Yield what receives events of the runs."""


@dataclass(frozen=True)
class Done:
    """The outcome: the status of each run, and where an earlier result is kept."""

    folder: Path
    statuses: list[str]
    kept_aside: Path | None


class InterruptedRunsError(KeyboardInterrupt):
    """The user's interruption while runs went on, and what is kept."""


def choose_workspace() -> None:
    """Make cuBLAS deterministic, as torch's deterministic mode requires.

    It must be set before cuBLAS is first used, and is recorded.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def execute(request: Request, listener: Listener, command: str) -> Done:
    """Execute the remaining runs of a request, and write each as it ends.

    Parameters
    ----------
    request
        What is to be run.
    listener
        Receives messages and events.
    command
        What reproduces the result, to be recorded.

    Raises
    ------
    SeqbenchError
        If something that was requested is not there or is incompatible.
    InterruptedRunsError
        If it is interrupted during the runs; its message states what is kept.
    """
    choose_workspace()
    with _start_executor(request) as executor:
        from seqbench.harness.environment import describe_environment
        from seqbench.harness.plugins import digest_plugins, load_plugins
        from seqbench.harness.resume import make_jobs
        from seqbench.results.writer import ResultWriter
        from seqbench.timing.sampler import Sampling
        from seqbench.training.device import explain_auto

        if (note := explain_auto()) and "auto" in request.axes.get("device", ("auto",)):
            listener.say(note)
        load_plugins(request.plugins)
        specs = request.plan()
        problems = executor.load(specs)
        environment = describe_environment() | {"command": command}
        environment |= {"plugins": digest_plugins(request.plugins)} if request.plugins else {}
        if fault := environment["code"].get("fault"):
            listener.warn(f"the git commit of seqbench is not recorded; git reported: {fault}")
        sampling = Sampling() if request.measured else None
        suite = request.suite or CUSTOM
        jobs = make_jobs(specs, environment, suite, sampling, keep_weights=request.keep_weights)
        wait = listener.say if request.wait else None
        with ResultWriter(request.folder, environment, wait=wait) as writer:
            if not request.restart:
                jobs = _go_on(writer, jobs, problems, request.retry_failed, listener)
            _do(jobs, executor, writer, len(specs), listener)
    return Done(request.folder, writer.statuses, writer.kept_aside)


@contextmanager
def _start_executor(request: Request) -> "Iterator[LoadingExecutor]":
    if request.isolated:
        from seqbench.harness.worker import Worker

        with Worker(
            request.data,
            request.plugins,
            request.timeout_s,
            allow_changed_data=request.allow_changed_data,
        ) as worker:
            yield worker
        return
    from seqbench.harness.runner import InThisProcess
    from seqbench.training.process_settings import fresh_settings

    with fresh_settings():
        yield InThisProcess(data=request.data, allow_changed_data=request.allow_changed_data)


def _go_on(
    writer: "ResultWriter",
    jobs: "list[Job]",
    problems: "Mapping[ProblemKey, Problem]",
    retry_failed: bool,
    listener: Listener,
) -> "list[Job]":
    """Return what is left to do in the writer's folder, and report what counts."""
    from seqbench.harness.resume import find_remainder

    left = find_remainder(
        jobs, problems, writer.folder, writer.environment, retry_failed=retry_failed
    )
    for note in left.notes:
        listener.say(note)
    if left.earlier is not None:
        writer.resume(left.earlier, left.order, left.unfinished)
    return left.jobs


def _do(
    jobs: "list[Job]",
    executor: "Executor",
    writer: "ResultWriter",
    runs: int,
    listener: Listener,
) -> None:
    """Execute the jobs; report what is kept after an interruption."""
    from seqbench.harness.runner import run_jobs

    try:
        with listener.watch([job.spec for job in jobs]) as progress:
            run_jobs(jobs, executor, writer, progress)
    except KeyboardInterrupt:
        raise InterruptedRunsError(
            f"{len(writer.statuses)} of {runs} runs are finished and kept in {writer.folder}; "
            f"the same command resumes after the last epoch"
        ) from None
