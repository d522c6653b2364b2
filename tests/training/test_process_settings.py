"""What a task or a variant sets for the whole process does not reach the runs after it."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from seqbench.harness.job import Job
from seqbench.harness.problems import load_problems
from seqbench.harness.runner import InThisProcess
from seqbench.models.model import VARIANTS, Encoder, EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.spec import RunSpec
from seqbench.tasks.task import TASKS, Task

VANDALISM: dict[str, Callable[[], object]] = {
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "device": lambda: torch.set_default_device("meta"),
    "gradients": lambda: torch.set_grad_enabled(False),
    "precision": lambda: torch.set_float32_matmul_precision("medium"),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "folder": lambda: os.chdir("/"),
}


def read_settings() -> tuple[Any, ...]:
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.get_float32_matmul_precision(),
        torch.get_num_threads(),
        Path.cwd(),
        torch.zeros(1, requires_grad=True).sum().requires_grad,
    )


def put_back(settings: tuple[Any, ...]) -> None:
    """Keep what a failing test leaves from the tests after it."""
    dtype, _, gradients, precision, threads, folder, _ = settings
    torch.set_default_dtype(dtype)
    torch.set_default_device(None)
    torch.set_grad_enabled(gradients)
    torch.set_float32_matmul_precision(precision)
    torch.set_num_threads(threads)
    os.chdir(folder)


@cache
def losses_alone(spec: RunSpec) -> tuple[float, ...]:
    return tuple(losses_of(spec))


def losses_of(*specs: RunSpec) -> list[float]:
    """Return the losses of the last of some runs, done one after the other."""
    executor = InThisProcess(load_problems(specs, Path()))
    for spec in specs:
        ended = executor.execute(
            Job(spec=spec, suite="quick", environment_id="abc"), lambda record, saved: None
        )
    assert ended.record.status == "ok", ended.record.error
    return [each.train_loss for each in ended.traces.epochs]


@pytest.mark.parametrize(
    ("place", "vandalism"),
    [
        (place, vandalism)
        for place in ("load", "score", "answer_trivially", "variant")
        for vandalism in VANDALISM
        if (place, vandalism) != ("variant", "device")  # within `torch.device`, which it breaks
    ],
)
def test_a_run_does_not_depend_on_what_was_set_before_it(
    monkeypatch: pytest.MonkeyPatch,
    make_spec: Callable[..., RunSpec],
    tiny_task: Task,
    place: str,
    vandalism: str,
) -> None:
    def vandal(sizes: EncoderSizes) -> Encoder:
        VANDALISM[vandalism]()
        return NativeEncoder(nn.RNN, sizes)

    def vandalise(self: Task, *given: Any, **named: Any) -> Any:
        done = getattr(type(tiny_task), place)(self, *given, **named)
        VANDALISM[vandalism]()
        return done

    changes = {} if place == "variant" else {place: vandalise}
    monkeypatch.setitem(TASKS._members, "vandal", type("Vandal", (type(tiny_task),), changes))
    monkeypatch.setitem(TASKS._members, "calm", type(tiny_task))
    monkeypatch.setattr(VARIANTS, "_members", dict(VARIANTS._members))
    VARIANTS.variant("vandal")(vandal)
    before = read_settings()
    try:
        calm = make_spec(task="calm", epochs=1)
        alone = losses_alone(calm)
        variant = "vandal" if place == "variant" else "rnn"
        wild = make_spec(task="vandal", variant=variant, epochs=1)
        assert tuple(losses_of(wild, calm)) == alone
        assert read_settings() == before
    finally:
        put_back(before)
