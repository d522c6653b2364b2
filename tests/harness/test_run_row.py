"""Where a run becomes a row: whatever it left, the row can be written and read back."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from seqbench.errors import UnsupportedError
from seqbench.harness.job import Job
from seqbench.harness.problems import Problem
from seqbench.harness.run import Run
from seqbench.harness.run_row import is_out_of_memory, record_checked
from seqbench.harness.state import Traces, begin_traces
from seqbench.harness.worker import list_spoiling
from seqbench.models.model import VARIANTS
from seqbench.models.native import NativeEncoder
from seqbench.models.products import Product
from seqbench.models.readout import Encoding
from seqbench.results.csv_lines import format_records
from seqbench.results.reader import load_results
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData

PROBLEM = Problem("accuracy", True, 0.1, "fingerprint", 40, 20, 20)
SPEC = RunSpec(task="a-task", variant="rnn", seed=0, device="cpu", threads=1)
JOB = Job(spec=SPEC, suite="quick", environment_id="abc")

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.integers()),
    st.builds(lambda: torch.zeros(2)),
    st.just(object()),
)


def is_writable(record: RunRecord) -> bool:
    return bool(format_records(RunRecord, [record]))


@given(
    name=st.sampled_from(sorted({each.name for each in fields(Traces)} - {"started_at"})),
    value=ANYTHING,
    status=st.sampled_from(["ok", "failed", "diverged", "timeout"]),
)
def test_whatever_a_run_left_its_row_can_be_written(name: str, value: Any, status: str) -> None:
    traces = begin_traces()
    setattr(traces, name, value)
    record, kept = record_checked(JOB, PROBLEM, traces, status, "an error")
    assert is_writable(record)
    assert record.status in (status, "failed")
    if kept is not traces:
        assert record.status == "failed"
        assert record.error is not None
        assert kept == Traces(started_at=traces.started_at)


def test_what_fits_is_kept_as_it_is() -> None:
    traces = begin_traces()
    traces.parameters, traces.nondeterminism = 7, "it draws"
    record, kept = record_checked(JOB, PROBLEM, traces, "failed", "an error")
    assert kept is traces
    assert (record.parameters, record.nondeterminism, record.error) == (7, "it draws", "an error")


def test_an_epoch_that_does_not_fit_fails_its_run_and_is_not_kept(
    make_run: Callable[..., tuple[RunRecord, list[EpochRecord]]],
) -> None:
    traces = begin_traces()
    traces.epochs = [replace(make_run()[1][0], score=torch.tensor(0.5))]  # type: ignore[arg-type]
    record, kept = record_checked(JOB, PROBLEM, traces, "ok")
    assert (record.status, kept.epochs) == ("failed", [])
    assert record.error is not None
    assert "score must be a number, or empty, not tensor(0.5000)" in record.error
    assert is_writable(record)


@pytest.fixture(autouse=True)
def _own_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VARIANTS, "_members", dict(VARIANTS._members))


def register(work: Callable[[], object], products: object = None) -> None:
    """Register a variant that does something odd in a forward pass, or counts oddly."""

    class Odd(NativeEncoder):
        def forward(self, inputs: torch.Tensor) -> Encoding:
            work()
            return super().forward(inputs)

    if products is not None:
        Odd.products = lambda self, batch, time: iter([products])  # type: ignore[attr-defined]
    VARIANTS.variant("odd")(lambda sizes: Odd(nn.RNN, sizes))


def do(error: BaseException) -> Callable[[], object]:
    def work() -> None:
        raise error

    return work


class MuteError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (UnsupportedError("two\nlines"), "unsupported", "two / lines"),
        (UnsupportedError(), "unsupported", "no reason given"),
        (UnsupportedError("  \n "), "unsupported", "no reason given"),
        (UnsupportedError("x" * 200_000), "unsupported", "xxx … xxx"),
        (UnsupportedError(None), "unsupported", "None"),
        (ValueError("a\x1b[31m\x00b"), "failed", "ValueError: a [31m b"),
        (ValueError(), "failed", "ValueError"),
        (MuteError(), "failed", "MuteError"),
        (SystemExit(0), "failed", "SystemExit: 0"),
        (GeneratorExit(), "failed", "GeneratorExit"),
        (BaseException("odd"), "failed", "BaseException: odd"),
        (MemoryError(), "out-of-memory", "MemoryError"),
        (StopIteration(3), "failed", "StopIteration: 3"),
    ],
)
def test_whatever_a_variant_raises_is_a_row(
    make_spec: Callable[..., RunSpec],
    tiny_task: Task,
    tiny_data: TaskData,
    tmp_path: Path,
    error: BaseException,
    status: str,
    told: str,
) -> None:
    register(do(error))
    job = Job(spec=make_spec(variant="odd"), suite="quick", environment_id="abc")
    ended = Run(job, tiny_task, tiny_data).execute()
    assert ended.record.status == status
    assert ended.record.error is not None
    assert told in ended.record.error.replace("x" * 247, "")
    with ResultWriter(tmp_path / "a", {"environment_id": "abc"}) as writer:
        writer.add(ended.record, ended.traces.epochs)
    (row,) = load_results(tmp_path / "a").runs.to_dict("records")
    assert (row["status"], row["error"]) == (status, ended.record.error)


COUNTS: list[object] = [
    Product(rows=-3, inner=3, columns=3),
    Product(rows=1.5, inner=3, columns=3),  # type: ignore[arg-type]
    Product(rows=10**400, inner=3, columns=3),
    Product(rows=math.nan, inner=3, columns=3),  # type: ignore[arg-type]
    Product(rows=torch.tensor(3), inner=3, columns=3),  # type: ignore[arg-type]
    Product(rows="3", inner=3, columns=3),  # type: ignore[arg-type]
    3,
    "many",
]


@pytest.mark.parametrize("products", COUNTS)
def test_whatever_a_variant_counts_is_a_row(
    make_spec: Callable[..., RunSpec],
    tiny_task: Task,
    tiny_data: TaskData,
    products: object,
) -> None:
    register(lambda: None, products)
    job = Job(spec=make_spec(variant="odd"), suite="quick", environment_id="abc")
    record = Run(job, tiny_task, tiny_data).execute().record
    assert is_writable(record)
    assert record.flops_per_sample is None or record.status == "ok"


@pytest.mark.parametrize(
    ("message", "short_of_memory"),
    [
        ("CUDA error: out of memory", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", True),
        ("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory", True),
        ("CUDA error: device-side assert triggered", False),
        ("CUDA error: an illegal memory access was encountered", False),
        ("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED", False),
    ],
)
def test_an_error_about_memory_is_known_by_its_text(message: str, short_of_memory: bool) -> None:
    assert is_out_of_memory(RuntimeError(message)) is short_of_memory


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_after_an_error_of_a_card_a_process_does_no_other_run(device: str) -> None:
    assert "out-of-memory" in list_spoiling(device)
    assert ("failed" in list_spoiling(device)) is (device == "cuda")
    assert "diverged" not in list_spoiling(device)
