"""How a run's progress is shown: a bar with the time to go on a terminal, plain lines in a log."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from seqbench.analysis.stats import name_groups
from seqbench.columns import columns, flatten
from seqbench.formatting import format_count, format_score, format_seconds
from seqbench.results.csv_files import make_frame
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.spec import RunSpec


class LogProgress:
    """A line for each run as it ends, with an estimate of the time that the others will take."""

    def __init__(self, console: Console, specs: Sequence[RunSpec]) -> None:
        self._console = console
        self._names = name_runs(specs)
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
        """Say nothing: a log has one line per run."""

    def run_finished(self, record: RunRecord) -> None:
        """Print the run's line."""
        self._runs_done += 1
        self._epochs_done += self._planned
        spent = time.monotonic() - self._start
        left = spent / max(1, self._epochs_done) * (self._epochs - self._epochs_done)
        to_go = f"; about {format_seconds(left)} to go" if left else ""
        told = describe_run(record, self._names[record.spec])
        self._console.print(
            f"[{self._runs_done}/{self._runs}] {told}{to_go}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


class BarProgress:
    """A bar over all epochs, with the last epoch's score and the time to go."""

    def __init__(self, bars: Bars, specs: Sequence[RunSpec]) -> None:
        self._bars = bars
        self._names = name_runs(specs)
        self._runs = len(specs)
        self._runs_done = 0
        self._task = bars.add_task("", total=sum(map(_count_steps, specs)), note="")

    def run_started(self, spec: RunSpec, epochs_done: int = 0) -> None:
        """Show which run it is, and where the bar will be after it."""
        title = f"[{self._runs_done + 1}/{self._runs}] {self._names[spec]}"
        self._end = self._bars.tasks[0].completed + _count_steps(spec)
        self._bars.update(self._task, description=title, advance=epochs_done, refresh=True)

    def epoch_finished(self, record: EpochRecord) -> None:
        """Move on by an epoch."""
        note = f"{record.metric} {format_score(record.score, record.metric)}"
        self._bars.update(self._task, advance=1, note=note, refresh=True)

    def run_finished(self, record: RunRecord) -> None:
        """Print the run's line above the bar."""
        self._runs_done += 1
        self._bars.update(self._task, completed=self._end, refresh=True)
        told = describe_run(record, self._names[record.spec])
        self._bars.console.print(told, markup=False, highlight=False)


class _GivingWay(TextColumn):
    """A text that is cut, on one line, where a terminal is too narrow for all there is."""

    def __init__(self, text_format: str) -> None:
        super().__init__(text_format, markup=False, table_column=Column(no_wrap=False))

    def render(self, task: Task) -> Text:
        """Return the text."""
        text = super().render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


@contextmanager
def show_progress(
    console: Console, specs: Sequence[RunSpec]
) -> Iterator[LogProgress | BarProgress]:
    """Show the progress of ``specs`` in the way that suits the console."""
    if not console.is_terminal:
        yield LogProgress(console, specs)
        return
    with Bars(
        _GivingWay("{task.description}"),
        _GivingWay("{task.fields[note]}"),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),  # takes what the others leave
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("epochs,"),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("to go"),
        console=console,
        transient=True,
        expand=True,
        auto_refresh=False,  # a thread that draws would take its time out of an epoch's
    ) as bars:
        yield BarProgress(bars, specs)


def name_runs(specs: Sequence[RunSpec]) -> Mapping[RunSpec, str]:
    """Return a name for each run: task, variant, seed, and what else tells it from the others."""
    rows = [flatten(spec) for spec in specs]
    by_column = {each.name: [row[each.name] for row in rows] for each in columns(RunSpec)}
    frame = make_frame(RunSpec, by_column)
    named = name_groups(frame)
    names = named["task"].astype(str) + " " + named["label"] + " seed " + named["seed"].astype(str)
    return dict(zip(specs, names, strict=True))


def describe_run(record: RunRecord, name: str) -> str:
    """Return one line on how a run ended.

    Parameters
    ----------
    record
        Its row.
    name
        From `name_runs`.
    """
    spec = record.spec
    line = f"{name} on {spec.device}: "
    if record.status != "ok":
        return f"{line}{record.status}, {record.error}"
    if record.final_score is None or record.epoch_time_s is None:
        rate = format_count(record.train_samples_per_s or 0)
        return f"{line}{spec.implementation}, {spec.precision}: training {rate} samples/s"
    score = format_score(record.final_score, record.metric, record.metric_unit)
    return f"{line}{record.metric} {score}, {format_seconds(record.epoch_time_s)} an epoch"


def _count_steps(spec: RunSpec) -> int:
    """Return how far a run takes the bar: its epochs, or one step if it is only measured."""
    return max(1, spec.epochs)
