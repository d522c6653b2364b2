"""Runs on their way: what is kept of one goes on as if nothing had happened, to the last bit."""

import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from seqbench.columns import flatten
from seqbench.errors import ResultsError
from seqbench.harness.job import Job
from seqbench.harness.run import Run
from seqbench.harness.state import Saved, Traces, dump_saved, load_saved
from seqbench.results.records import EpochRecord, Load
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.timing.sampler import Sampling

MakeSpec = Callable[..., RunSpec]
TIMES = {"epoch_time_s", "train_samples_per_s", "eval_time_s", "eval_samples_per_s"}
TIMES |= {*flatten(Load()), "train_time_s"}


def interrupt_after(epoch: int) -> tuple[Callable[[EpochRecord, bytes], None], list[bytes]]:
    """Return what stops a run after an epoch, and the list in which it leaves what was kept."""
    kept: list[bytes] = []

    def stop(record: EpochRecord, saved: bytes) -> None:
        if record.epoch == epoch:
            kept.append(saved)
            raise KeyboardInterrupt

    return stop, kept


def without_times(records: list[Any]) -> list[dict[str, Any]]:
    rows = [flatten(each) for each in records]
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


@pytest.mark.parametrize(
    "settings",
    [
        {"variant": "rnn"},
        {"variant": "lstm", "dropout": 0.4, "clip_norm": 0.5},
        {"variant": "bigru", "schedule": "one-cycle", "learning_rate": 0.02, "threads": 2},
        {"variant": "lru", "implementation": "scan", "eval_every": 1, "target": 0.9},
        {"variant": "rnn", "precision": "bfloat16", "implementation": "reference"},
    ],
)
def test_a_run_that_goes_on_equals_one_that_was_never_disturbed(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData, settings: dict[str, Any]
) -> None:
    job = Job(spec=make_spec(epochs=4, **settings), suite="quick", environment_id="abc")
    kept: list[bytes] = []
    whole = Run(job, tiny_task, tiny_data).execute(lambda record, saved: kept.append(saved))
    assert whole.record.status == "ok", whole.record.error
    assert len(kept) == 4
    for epoch in (1, 3, 4):
        torch.manual_seed(999)  # another process has drawn other numbers
        saved = load_saved(kept[epoch - 1])
        assert [each.epoch for each in saved.traces.epochs] == list(range(1, epoch + 1))
        again = Run(replace(job, saved=saved), tiny_task, tiny_data).execute()
        assert without_times(again.traces.epochs) == without_times(whole.traces.epochs)
        assert without_times(again.traces.evaluations) == without_times(whole.traces.evaluations)
        assert again.record.final_score == whole.record.final_score
        assert (again.record.target_time_s is None) == (whole.record.target_time_s is None)


def test_what_was_measured_before_is_kept_and_not_measured_again(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    brief = Sampling(budget_s=0.01, least=2, most=3)
    job = Job(spec=make_spec(), suite="quick", environment_id="abc", sampling=brief)
    stop, kept = interrupt_after(1)
    with pytest.raises(KeyboardInterrupt):
        Run(job, tiny_task, tiny_data).execute(stop)
    saved = load_saved(kept[0])
    before = list(saved.traces.timings)
    again = Run(replace(job, saved=saved), tiny_task, tiny_data).execute()
    assert again.traces.timings == before
    assert again.traces.profile
    assert again.record.started_at == saved.traces.started_at


def test_the_target_is_not_reached_a_second_time(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(epochs=3, target=0.0)  # reached at once
    stop, kept = interrupt_after(2)
    with pytest.raises(KeyboardInterrupt):
        Run(Job(spec=spec, suite="a", environment_id="b"), tiny_task, tiny_data).execute(stop)
    saved = load_saved(kept[0])
    reached = saved.traces.target_time_s
    assert reached is not None
    job = Job(spec=spec, suite="a", environment_id="b", saved=saved)
    assert Run(job, tiny_task, tiny_data).execute().record.target_time_s == reached


def test_a_file_that_is_no_run_on_its_way_is_refused(tmp_path: Path) -> None:
    whole = dump_saved(Saved({}, Traces(started_at="now"), {}))
    assert load_saved(whole).traces == Traces(started_at="now")
    for content in (b"", b"nonsense", whole[: len(whole) // 2], pickle.dumps({"told": "{}"})):
        with pytest.raises(ResultsError, match="contains no unfinished run"):
            load_saved(content)


def test_a_file_runs_no_code(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
            return (tmp_path / "exploded").write_text, ("x",)

    buffer = io.BytesIO()
    torch.save({"told": "{}", "training": Bomb()}, buffer)
    with pytest.raises(ResultsError):
        load_saved(buffer.getvalue())
    assert not (tmp_path / "exploded").exists()
