"""What the writer accepts reads back as it was; what it does not ends that one run."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqbench.columns import columns, flatten
from seqbench.errors import ContractError
from seqbench.harness.job import EpochFinished, Job, RunOutcome
from seqbench.harness.runner import run_jobs
from seqbench.harness.state import Traces
from seqbench.results.reader import load_results
from seqbench.results.records import (
    EPOCHS,
    EVALUATIONS,
    PROFILE,
    RUNS,
    TIMINGS,
    EpochRecord,
    EvaluationRecord,
    ProfileRecord,
    RunRecord,
    TimingRecord,
)
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]

NUMBERS = st.one_of(
    st.floats(),
    st.floats(0, 1),
    st.integers(-(10**30), 10**30),
    st.sampled_from([0, 1, -1, 2**63, -(2**63), 2**53 + 1, 10**20, 10**400]),
    st.sampled_from([np.float32(0.5), np.float64(0.5), np.int64(3), np.bool_(True)]),
)
TEXTS = st.one_of(
    st.text(max_size=30),
    st.text("\x00\r\n\u2028\x85\x0c\x1b,;\t\"'=+-@", max_size=8),
    st.sampled_from(
        ["x" * 131_000, "x" * 131_001, "x" * 200_000, "half \ud800", "", "nan", "true"]
    ),
    st.sampled_from(["'=1+1", "=1+1", "''", "1e5", "0012", "None", "NA", " x ", "\ufeffx"]),
)
ANYTHING = st.one_of(NUMBERS, TEXTS, st.none(), st.booleans(), st.just(b"x"), st.just([1]))
IDENTITY = {"run_id", "suite", "spec", "metric", "higher_is_better", "baseline_score"}
IDENTITY |= {"started_at", "environment_id", "data_fingerprint", "schema_version", "status"}
IDENTITY |= {"code_version", "commit", "metric_unit", "changed_data"}  # what it was
CHANGED = [
    each.name
    for each in fields(RunRecord)
    if each.name not in IDENTITY | {"edited_at", "rows_digest", "runs_digest"}
]


def make_parts(run_id: str) -> dict[type, Any]:
    return {
        EvaluationRecord: EvaluationRecord(
            run_id=run_id, epoch=1, batches=1, train_time_s=1.0, test_loss=0.5, score=0.5
        ),
        TimingRecord: TimingRecord(
            run_id=run_id, phase="matmul", sample=0, calls=1, seconds=0.5, examples=0, time_steps=0
        ),
        ProfileRecord: ProfileRecord(
            run_id=run_id,
            operator="aten::mm",
            calls=1,
            seconds=0.5,
            steps=2,
            steps_s=2.0,
            threads=1,
        ),
    }


def same(back: Any, value: Any) -> bool:
    """Tell whether a value came back, of the same kind and to the last bit."""
    if value is None:
        return bool(pd.isna(back))
    if isinstance(value, float) or isinstance(back, float):
        return repr(float(back)) == repr(float(value))
    return bool(back == value) and isinstance(back, bool | np.bool_) is isinstance(value, bool)


def check(record: object, row: dict[str, Any], left_out: Sequence[str] = ()) -> None:
    for name, value in flatten(record).items():
        if name not in left_out:
            assert same(row[name], value), f"{name}: {value!r} came back as {row[name]!r}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(data=st.data())
def test_any_record_that_is_accepted_reads_back_and_any_other_ends_its_run(
    tmp_path_factory: pytest.TempPathFactory, make_run: MakeRun, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any") / "a"
    run, epochs = make_run(0.5, seed=1)
    parts = make_parts(run.run_id)
    kind = data.draw(st.sampled_from([RunRecord, EpochRecord, *parts]))
    names = CHANGED if kind is RunRecord else [
        each.name for each in columns(kind) if each.name in {field.name for field in fields(kind)}
    ]  # fmt: skip
    changes = data.draw(st.dictionaries(st.sampled_from(names), ANYTHING, min_size=1, max_size=3))
    if kind is RunRecord:
        run = replace(run, **changes)
    elif kind is EpochRecord:
        epochs = [replace(epochs[0], **changes), epochs[1]]
    else:
        parts[kind] = replace(parts[kind], **changes)
    with ResultWriter(folder, {"environment_id": "abc"}) as writer:
        writer.add(*make_run(seed=0))
        written = writer.add(
            run, epochs, [parts[EvaluationRecord]], [parts[TimingRecord]], [parts[ProfileRecord]]
        )
        writer.add(*make_run(seed=2))
    results = load_results(folder)
    assert results.runs["seed"].tolist() == [0, 1, 2]
    digests = ("rows_digest", "runs_digest")
    check(written, results.runs.to_dict("records")[1], digests)
    left = {
        name: frame[frame["run_id"] == run.run_id].to_dict("records")
        for name, frame in results.frames.items()
    }
    if written is run:
        for records, name in (
            (epochs, EPOCHS),
            ([parts[EvaluationRecord]], EVALUATIONS),
            ([parts[TimingRecord]], TIMINGS),
            ([parts[ProfileRecord]], PROFILE),
        ):
            for record, row in zip(records, left[name], strict=True):
                check(record, row)
    else:
        assert (written.status, written.final_score) == ("failed", None)
        assert written.error is not None
        assert written.error.startswith("it left what cannot be recorded: ")
        assert [name for name, rows in left.items() if rows] == [RUNS]
        assert writer.statuses == ["ok", "failed", "ok"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"error": "x" * 200_000}, "error must be text of at most 131,000 characters, on one line"),
        ({"error": "half \ud800"}, r"error must be text .*'half \\ud800'"),
        ({"flops_per_sample": 10**20}, "flops_per_sample must be a whole number, at least 0"),
        ({"parameters": 10**5000}, "parameters must be a whole number"),
        ({"final_score": float("nan")}, "final_score must be a number, or empty, not nan"),
        ({"final_score": float("inf")}, "final_score: inf is not a valid score of a completed run"),
        ({"best_score": float("inf")}, "best_score: inf is not a valid score of a completed run"),
        ({"final_score": 1.5, "best_score": 1.5}, "1.5 is no accuracy, which is 0 to 1"),
        ({"final_score": np.float32(0.5)}, "final_score must be a number, or empty, not "),
        ({"peak_memory_bytes": 1.0}, "peak_memory_bytes must be a whole number"),
        ({"deterministic": "yes"}, "deterministic must be true or false"),
        ({"one_share_reason": "two\nlines"}, "one_share_reason must be text"),
    ],
)
def test_the_row_of_a_run_that_does_not_fit_says_why(
    tmp_path: Path, make_run: MakeRun, changes: dict[str, Any], told: str
) -> None:
    run, epochs = make_run()
    with ResultWriter(tmp_path / "a", {"environment_id": "abc"}) as writer:
        written = writer.add(replace(run, **changes), epochs, checkpoint=b"weights")
    results = load_results(tmp_path / "a")
    (row,) = results.runs.to_dict("records")
    assert (row["status"], len(results.epochs)) == ("failed", 0)
    assert pd.Series([row["error"]]).str.contains(told, regex=True).all(), row["error"]
    assert row["error"] == written.error
    assert not (tmp_path / "a" / "checkpoints").exists()


def test_what_is_wrong_of_the_task_itself_names_the_task(tmp_path: Path, make_run: MakeRun) -> None:
    run, epochs = make_run()
    with (
        ResultWriter(tmp_path / "a", {"environment_id": "abc"}) as writer,
        pytest.raises(ContractError, match="task row-digits gives what no row holds: metric must"),
    ):
        writer.add(replace(run, metric="Not A Metric"), epochs)


def test_a_run_that_cannot_be_recorded_stops_no_other(
    tmp_path: Path, make_run: MakeRun, make_spec: Callable[..., RunSpec]
) -> None:
    made = {variant: make_run(0.5, variant=variant) for variant in ("rnn", "gru", "lstm")}
    infinite = replace(made["gru"][0], final_score=float("inf"))
    made["gru"] = infinite, made["gru"][1]

    class Made:
        def execute(self, job: Job, epoch_finished: EpochFinished) -> RunOutcome:
            run, epochs = made[job.spec.variant]
            return RunOutcome(run, Traces(started_at=run.started_at, epochs=epochs))

    class Silent:
        def run_started(self, spec: RunSpec, epochs_done: int = 0) -> None: ...

        def epoch_finished(self, record: EpochRecord) -> None: ...

        def run_finished(self, record: RunRecord) -> None:
            ended.append(record.status)

    ended: list[str] = []
    jobs = [
        Job(spec=make_spec(variant=variant), suite="quick", environment_id="abc")
        for variant in made
    ]
    with ResultWriter(tmp_path / "a", {"environment_id": "abc"}) as writer:
        records = run_jobs(jobs, Made(), writer, Silent())
    assert ended == [each.status for each in records] == ["ok", "failed", "ok"]
    assert load_results(tmp_path / "a").runs["status"].tolist() == ended
