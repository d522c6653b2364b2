"""Progress: a bar with the time to go on a terminal, plain lines elsewhere."""

import io
import threading
from collections.abc import Callable

import pytest
from rich.console import Console

from seqbench.progress import show_progress
from seqbench.records import EpochRecord, RunRecord

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]


def watch(make_run: MakeRun, *, terminal: bool) -> str:
    """Return what is shown of two runs, the second of which fails in its first epoch."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=160)
    good, epochs = make_run(0.9, 0.5)
    bad, _ = make_run(status="failed", variant="gru")
    with show_progress(console, [good.spec, bad.spec]) as progress:
        progress.run_started(good.spec)
        for epoch in epochs:
            progress.epoch_finished(epoch)
        progress.run_finished(good)
        progress.run_started(bad.spec)
        progress.run_finished(bad)
    return out.getvalue()


def test_a_log_gets_a_line_for_each_run(make_run: MakeRun) -> None:
    first, second = watch(make_run, terminal=False).splitlines()
    assert first.startswith("[1/2] row-digits rnn seed 0 on cpu: accuracy 90.00 %, 500 ms an epoch")
    assert "to go" in first
    assert second == "[2/2] row-digits gru seed 0 on cpu: failed, ValueError: it broke"


@pytest.mark.filterwarnings("default")
def test_a_terminal_gets_a_bar_and_the_same_lines(make_run: MakeRun) -> None:
    shown = watch(make_run, terminal=True)
    assert "row-digits rnn seed 0 on cpu: accuracy 90.00 %" in shown
    assert "gru seed 0 on cpu: failed" in shown
    assert "[2/2] row-digits gru seed 0" in shown
    assert "\x1b[" in shown


def test_nothing_draws_while_an_epoch_is_on_the_clock(make_run: MakeRun) -> None:
    before = threading.active_count()
    spec = make_run()[0].spec
    with show_progress(Console(file=io.StringIO(), force_terminal=True), [spec]):
        assert threading.active_count() == before
