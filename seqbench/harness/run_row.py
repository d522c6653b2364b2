"""The row of a run, made from what it left, and held to its columns.

Whatever a variant, a task or a plugin returned, this is where it becomes a record: what does not
fit its column ends this run, and no other.
"""

from statistics import median

import torch

from seqbench.errors import describe_error
from seqbench.harness.job import Job
from seqbench.harness.problems import Problem
from seqbench.harness.state import Traces
from seqbench.models.products import TRAINING_PASSES
from seqbench.results.csv_lines import format_records
from seqbench.results.records import FILES, RUNS, RunRecord
from seqbench.timing.speed import fastest_product, median_rate

_OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "ALLOC_FAILED",  # of cuBLAS and cuDNN
    "ALLOCATION_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",  # what it says where it has no memory to begin with
)


def record_checked(
    job: Job, problem: Problem, traces: Traces, status: str, error: str | None = None
) -> tuple[RunRecord, Traces]:
    """Return the row of a run and what it left, if all of it fits its columns.

    Otherwise the run has failed: its row says what does not fit, and nothing that it left is kept.
    """
    try:
        record = record_run(job, problem, traces, status, error)
        for name, records in {RUNS: [record], **traces.parts}.items():
            format_records(FILES[name], records)
    except Exception as fault:  # such as a count of the plugin's with more digits than a float has
        traces = Traces(started_at=traces.started_at)
        record = record_run(job, problem, traces, "failed", describe_error(fault))
    return record, traces


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that memory, of the machine or of the GPU, was not enough."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def record_run(
    job: Job, problem: Problem, traces: Traces, status: str, error: str | None = None
) -> RunRecord:
    """Return the row of a run that ended with ``status``, from what it left."""
    spec, epochs = job.spec, traces.epochs
    scores = [epoch.score for epoch in epochs]
    best = max if problem.higher_is_better else min
    finished = status == "ok"
    trained = finished and bool(epochs)
    train_rate, eval_rate = _rates(problem, traces) if finished else (None, None)
    flops_per_s = (
        TRAINING_PASSES * traces.flops_per_sample * train_rate
        if traces.flops_per_sample is not None and train_rate
        else None
    )
    peak = fastest_product(traces.timings)
    return RunRecord(
        run_id=spec.run_id,
        suite=job.suite,
        spec=spec,
        parameters=traces.parameters,
        status=status,
        error=error,
        metric=problem.metric,
        metric_unit=problem.metric_unit or None,
        higher_is_better=problem.higher_is_better,
        baseline_score=problem.baseline_score,
        final_score=scores[-1] if trained else None,
        best_score=best(scores) if trained else None,
        epoch_time_s=median(each.epoch_time_s for each in epochs) if trained else None,
        train_samples_per_s=train_rate,
        eval_samples_per_s=eval_rate,
        target_time_s=traces.target_time_s,
        flops_per_sample=traces.flops_per_sample,
        flops_per_s=flops_per_s,
        peak_flops_per_s=peak,
        peak_fraction=flops_per_s / peak if flops_per_s and peak else None,
        peak_memory_bytes=traces.peak_memory_bytes if finished else None,
        shares=traces.shares,
        one_share_reason=traces.one_share_reason,
        deterministic=(
            not (traces.nondeterministic or traces.nondeterminism) if traces.watched else None
        ),
        nondeterministic_operators=", ".join(traces.nondeterministic) or None,
        nondeterminism=traces.nondeterminism,
        started_at=traces.started_at,
        environment_id=job.environment_id,
        data_fingerprint=problem.fingerprint,
        changed_data=problem.changed_data,
        code_version=job.code_version,
        commit=job.commit,
    )


def _rates(problem: Problem, traces: Traces) -> tuple[float | None, float | None]:
    """Return examples per second in training and in inference, from epochs or from samples."""
    if traces.epochs:
        train = problem.train_examples / median(each.epoch_time_s for each in traces.epochs)
        test = problem.test_examples / median(each.eval_time_s for each in traces.epochs)
        return train, test
    return median_rate(traces.timings, "train_step"), median_rate(traces.timings, "inference")
