"""Progress: a bar with the time to go on a terminal, plain lines elsewhere."""

import io
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from seqbench.commands.progress import show_progress
from seqbench.results.records import EpochRecord, RunRecord

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]


def watch(make_run: MakeRun, *, terminal: bool, width: int = 160) -> str:
    """Return what is shown of two runs, the second of which fails in its first epoch."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width)
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


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_narrow_terminal_keeps_count_and_time_to_go(make_run: MakeRun, width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, color_system=None)
    made = [
        make_run(0.9, task="bouncing-balls", variant="bilstm-layer-norm", readout=readout, seed=7)
        for readout in ("last", "final")
    ]
    with show_progress(console, [run.spec for run, _ in made]) as progress:
        for run, epochs in made:
            progress.run_started(run.spec)
            for epoch in epochs:
                progress.epoch_finished(epoch)
            progress.run_finished(run)
    drawn = [line for line in re.split(r"[\r\n]+|\x1b\[[0-9;]*[A-Za-z]", out.getvalue()) if line]
    bars = [line for line in drawn if "to go" in line]
    assert any(
        re.search(r" 3/4 epochs, +[\d-]:[\d-]{2}:[\d-]{2} to go *$", line) for line in bars
    ), bars
    assert max(map(len, bars)) <= width
    assert any(line.startswith("[2/2] bounci") for line in bars)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([{"readout": "last"}, {"readout": "mean"}], ["rnn readout=last", "rnn readout=mean"]),
        ([{"hidden_size": 4}, {"hidden_size": 8}], ["rnn hidden_size=4", "rnn hidden_size=8"]),
        (
            [{"task": "adding", "length": length} for length in (10, 20)],
            ["adding T=10 rnn", "adding T=20 rnn"],
        ),
        ([{"train_examples": None}, {"train_examples": 9}], ["row-digits rnn", "row-digits n=9 "]),
        ([{"clip_norm": None}, {"clip_norm": 1.0}], ["clip_norm=none", "clip_norm=1.0"]),
        ([{"device": "cpu"}, {"device": "cuda"}], ["seed 0 on cpu", "seed 0 on cuda"]),
        ([{"seed": 0}, {"seed": 1}], ["rnn seed 0", "rnn seed 1"]),
    ],
)
def test_the_runs_of_a_grid_are_told_apart(
    make_run: MakeRun, settings: list[dict[str, Any]], told: list[str]
) -> None:
    out = io.StringIO()
    runs = [make_run(0.9, **each)[0] for each in settings]
    with show_progress(Console(file=out, width=160), [run.spec for run in runs]) as progress:
        for run in runs:
            progress.run_started(run.spec)
            progress.run_finished(run)
    lines = out.getvalue().splitlines()
    assert len(lines) == len(told)
    for line, words in zip(lines, told, strict=True):
        assert words in line


def test_nothing_to_do_is_no_progress() -> None:
    with show_progress(Console(file=io.StringIO()), []):
        pass
