"""How a run's progress is shown: a bar with the time to go on a terminal, plain lines in a log."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from seqbench.formatting import format_count, format_score, format_seconds
from seqbench.records import EpochRecord, RunRecord
from seqbench.spec import RunSpec


class LogProgress:
    """A line for each run as it ends, with an estimate of the time that the others will take."""

    def __init__(self, console: Console, specs: Sequence[RunSpec]) -> None:
        self._console = console
        self._runs = len(specs)
        self._epochs = sum(map(_count_steps, specs))
        self._runs_done = 0
        self._epochs_done = 0
        self._start = time.monotonic()

    def run_started(self, spec: RunSpec, epochs_done: int = 0) -> None:
        """Remember how many epochs are left: a run that fails leaves the rest of its own."""
        self._epochs -= epochs_done
        self._planned = _count_steps(spec) - epochs_done

    def epoch_finished(self, record: EpochRecord) -> None:
        """Say nothing: a log wants a line a run."""

    def run_finished(self, record: RunRecord) -> None:
        """Print the run's line."""
        self._runs_done += 1
        self._epochs_done += self._planned
        spent = time.monotonic() - self._start
        left = spent / max(1, self._epochs_done) * (self._epochs - self._epochs_done)
        to_go = f"; about {format_seconds(left)} to go" if left else ""
        self._console.print(
            f"[{self._runs_done}/{self._runs}] {describe_run(record)}{to_go}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


class BarProgress:
    """A bar over all epochs, with the last epoch's score and the time to go."""

    def __init__(self, bars: Bars, specs: Sequence[RunSpec]) -> None:
        self._bars = bars
        self._runs = len(specs)
        self._runs_done = 0
        self._task = bars.add_task("", total=sum(map(_count_steps, specs)), note="")

    def run_started(self, spec: RunSpec, epochs_done: int = 0) -> None:
        """Show which run it is, and where the bar will be after it."""
        title = f"[{self._runs_done + 1}/{self._runs}] {spec.task} {spec.variant} seed {spec.seed}"
        self._end = self._bars.tasks[0].completed + _count_steps(spec)
        self._bars.update(self._task, description=_plain(title), advance=epochs_done, refresh=True)

    def epoch_finished(self, record: EpochRecord) -> None:
        """Move on by an epoch."""
        note = f"{record.metric} {format_score(record.score, record.metric)}"
        self._bars.update(self._task, advance=1, note=_plain(note), refresh=True)

    def run_finished(self, record: RunRecord) -> None:
        """Print the run's line above the bar."""
        self._runs_done += 1
        self._bars.update(self._task, completed=self._end, refresh=True)
        self._bars.console.print(describe_run(record), markup=False, highlight=False)


@contextmanager
def show_progress(
    console: Console, specs: Sequence[RunSpec]
) -> Iterator[LogProgress | BarProgress]:
    """Show the progress of ``specs`` in the way that suits the console."""
    if not console.is_terminal:
        yield LogProgress(console, specs)
        return
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs, {task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("elapsed, to go"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        auto_refresh=False,  # a thread that draws would take its time out of an epoch's
    ) as bars:
        yield BarProgress(bars, specs)


def describe_run(record: RunRecord) -> str:
    """Return one line on how a run ended."""
    spec = record.spec
    line = f"{spec.task} {spec.variant} seed {spec.seed} on {spec.device}: "
    if record.status != "ok":
        return f"{line}{record.status}, {record.error}"
    if record.final_score is None or record.epoch_time_s is None:
        rate = format_count(record.train_samples_per_s or 0)
        return f"{line}{spec.implementation}, {spec.precision}: training {rate} samples/s"
    score = format_score(record.final_score, record.metric)
    return f"{line}{record.metric} {score}, {format_seconds(record.epoch_time_s)} an epoch"


def _count_steps(spec: RunSpec) -> int:
    """Return how far a run takes the bar: its epochs, or one step if it is only measured."""
    return max(1, spec.epochs)


def _plain(text: str) -> str:
    """Keep rich from reading markup in a text."""
    return text.replace("[", r"\[")
