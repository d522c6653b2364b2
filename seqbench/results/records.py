"""The records of a run and its epochs, column by column.

Each field is declared once, with its type, unit and check; `columns` lists them. A record is
written once and never edited.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from seqbench.columns import above, at_least, column, matching, one_of
from seqbench.spec import RunSpec

SCHEMA_VERSION = 8

CODE_DIGEST_SCHEMA = 6
"""The schema that introduced the present rule for ``code_version``; earlier digests differ."""

DIGEST_SCHEMA = 7
"""The schema that introduced `rows_digest` and `runs_digest`: its rows have both."""

STATUSES = (
    "ok",
    "diverged",
    "failed",
    "out-of-memory",
    "crashed",
    "timeout",
    "unsupported",
)

PHASES = (
    "matmul",
    "copy",
    "first_step",
    "train_step",
    "forward",
    "backward",
    "inference",
    "latency",
    "compile",
)
"""In the order in which a run executes them."""

_LINE = matching(r"[^\r\n]+", "on one line")
_METRIC = matching(r"[a-z0-9]+(_[a-z0-9]+)*", "lower-case words joined by underscores")
_UNIT = matching(r"\S([^\r\n]{0,18}\S)?", "1 to 20 characters on one line, no space at its ends")
_NOT_NEGATIVE = at_least(0)
_POSITIVE = above(0)
_MOMENT = matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "like 2026-01-31T23:59:00Z")


@dataclass(frozen=True, kw_only=True)
class Load:
    """CPU contention while something was timed."""

    other_cpu_s: float | None = column(
        "CPU time of other processes, summed over cores; resolution 10 ms",
        unit="s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    waiting_s: float | None = column(
        "time that runnable threads of this process waited for a core, summed over threads",
        unit="s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    stolen_s: float | None = column(
        "CPU steal: time that the host gave to other guests; resolution 10 ms",
        unit="s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    throttled_s: float | None = column(
        "time throttled, by a control group or by temperature",
        unit="s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    contended: bool = column(
        "whether at least 5 % of the time was lost: to other processes beyond the free cores, to "
        "one thread's wait, to one core's steal or thermal throttling, or, per thread, to the "
        "control group",
        default=False,
        since=3,
    )


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch of one run: a row of ``epochs.csv``."""

    run_id: str = column("the run, as in `runs.csv`", check=_LINE)
    suite: str = column("the suite that the run belongs to", check=_LINE)
    task: str = column("the task", check=_LINE)
    variant: str = column("the model variant", check=_LINE)
    seed: int = column("the run's seed", check=_NOT_NEGATIVE)
    device: str = column("device that the model was trained on", check=one_of("cpu", "cuda"))
    epoch: int = column("counted from 1", check=at_least(1))
    train_loss: float = column("mean training loss, each batch before its optimiser step")
    test_loss: float = column("mean loss on the test set after the epoch")
    metric: str = column("metric of `score`", check=_METRIC)
    score: float = column("the metric on the test set after the epoch")
    epoch_time_s: float = column(
        "training time of the epoch, without evaluation, logging and saving",
        unit="s",
        check=_POSITIVE,
    )
    train_samples_per_s: float = column(
        "training examples per epoch ÷ `epoch_time_s`", unit="1/s", check=_NOT_NEGATIVE
    )
    eval_time_s: float = column(
        "time of the forward passes over the test set", unit="s", check=_NOT_NEGATIVE
    )
    eval_samples_per_s: float = column(
        "test examples ÷ `eval_time_s`", unit="1/s", check=_NOT_NEGATIVE
    )
    load: Load = Load()


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    """One evaluation within or at the end of an epoch: a row of ``evaluations.csv``."""

    run_id: str = column("the run, as in `runs.csv`", check=_LINE)
    epoch: int = column("counted from 1", check=at_least(1))
    batches: int = column("batches trained on in this epoch so far", check=at_least(1))
    train_time_s: float = column(
        "training time of the run so far, without evaluations", unit="s", check=_NOT_NEGATIVE
    )
    test_loss: float = column("mean loss on the test set")
    score: float = column("the metric on the test set")


@dataclass(frozen=True, kw_only=True)
class TimingRecord:
    """One raw timed sample: a row of ``timings.csv``."""

    run_id: str = column("the run, as in `runs.csv`", check=_LINE)
    phase: str = column(
        "what was timed. `train_step`: forward, backward and optimiser; `forward` and `backward` "
        "of such a step separately; `inference`: forward passes without gradients, one batch per "
        "thread; `latency`: the same with one example; `first_step`: the first training step of a "
        "new model; `compile`: total time of torch.compile in the run; `matmul` and `copy`: "
        "hardware peaks, a product of square matrices and a memory copy",
        check=one_of(*PHASES),
    )
    sample: int = column("counted from 0 within the phase", check=_NOT_NEGATIVE)
    calls: int = column("number of calls in `seconds`", check=at_least(1))
    seconds: float = column("elapsed time", unit="s", check=_NOT_NEGATIVE)
    examples: int = column("examples per call; 0 for hardware peaks")
    time_steps: int = column("time steps per call: examples × length")
    flops: int | None = column(
        "floating-point operations per call, by formula; empty if there is none",
        check=_NOT_NEGATIVE,
        default=None,
    )
    bytes: int | None = column(
        "bytes moved per call, by formula: each product's operands and result once",
        unit="bytes",
        check=_NOT_NEGATIVE,
        default=None,
    )
    load: Load = Load()


@dataclass(frozen=True, kw_only=True)
class ProfileRecord:
    """Time of training steps in one operator: a row of ``profile.csv``."""

    run_id: str = column("the run, as in `runs.csv`", check=_LINE)
    operator: str = column(
        "torch's operator on the CPU, the kernel on a GPU, without arguments", check=_LINE
    )
    calls: int = column("number of calls in all profiled steps", check=at_least(1))
    seconds: float = column(
        "self time by torch's profiler, without the operators that it calls",
        unit="s",
        check=_NOT_NEGATIVE,
    )
    steps: int = column("profiled training steps", check=at_least(1))
    steps_s: float = column(
        "time of as many steps without the profiler, before or after, the shorter of the two",
        unit="s",
        check=_NOT_NEGATIVE,
    )
    threads: int = column("threads that shared each batch", check=at_least(1))


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run with its settings and result: a row of ``runs.csv``."""

    run_id: str = column(
        "name of the run: task, variant, seed and a digest of the settings that differ from "
        "their defaults; before schema 6, a digest of all settings",
        check=_LINE,
    )
    suite: str = column("the suite that the run belongs to", check=_LINE)
    spec: RunSpec
    parameters: int | None = column(
        "trainable parameters of the model", check=_NOT_NEGATIVE, default=None
    )
    status: str = column(
        "outcome. `ok`; `diverged`: a loss was not finite; `failed`: see `error`; "
        "`out-of-memory`; `crashed`: the process died; `timeout`: it took longer than "
        "`--timeout`; `unsupported`: unsupported configuration, see `error`",
        check=one_of(*STATUSES),
    )
    error: str | None = column(
        "error message, lines joined by slashes, long ones shortened in the middle",
        check=_LINE,
        default=None,
    )
    metric: str = column("metric of the scores", check=_METRIC)
    metric_unit: str | None = column(
        "unit of the scores, such as °C; empty for dimensionless metrics",
        check=_UNIT,
        default=None,
        since=7,
    )
    higher_is_better: bool = column("whether a higher score is better")
    baseline_score: float = column("score of the task's baseline, which does not learn")
    final_score: float | None = column("score on the test set after the last epoch", default=None)
    best_score: float | None = column(
        "best score of any epoch, selected on the test set and so optimistically biased",
        default=None,
    )
    epoch_time_s: float | None = column(
        "median training time per epoch", unit="s", check=_POSITIVE, default=None
    )
    train_samples_per_s: float | None = column(
        "training examples per epoch ÷ `epoch_time_s`",
        unit="1/s",
        check=_NOT_NEGATIVE,
        default=None,
    )
    eval_samples_per_s: float | None = column(
        "test examples ÷ median evaluation time",
        unit="1/s",
        check=_NOT_NEGATIVE,
        default=None,
    )
    target_time_s: float | None = column(
        "training time until an evaluation first reached `target`; empty if none did",
        unit="s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    flops_per_sample: int | None = column(
        "floating-point operations in the matrix products of a forward pass of one example, by "
        "formula; empty if most of the work is not in matrix products",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    flops_per_s: float | None = column(
        "3 × `flops_per_sample` (forward, and twice that backward) × training examples per second",
        unit="1/s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    peak_flops_per_s: float | None = column(
        "peak matrix-multiply throughput (GEMM), measured just before the run with the same "
        "device, precision and threads",
        unit="1/s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    peak_fraction: float | None = column(
        "`flops_per_s` ÷ `peak_flops_per_s`; above 1 if the products of a step were faster than "
        "the measured peak, or if an implementation avoids operations that the formula counts",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    peak_memory_bytes: int | None = column(
        "peak memory allocated by torch for the model, its gradients, the optimiser's state and "
        "one training step on a full batch, all threads at their peaks; empty before schema 5, "
        "which recorded resident memory",
        unit="bytes",
        check=_NOT_NEGATIVE,
        default=None,
        since=5,
    )
    shares: int | None = column(
        "number of threads that share each batch in training; with 1, they parallelise operators",
        check=at_least(1),
        default=None,
        since=5,
    )
    one_share_reason: str | None = column(
        "why batches were not shared between threads, as observed; empty if they were, or with "
        "one thread",
        check=_LINE,
        default=None,
        since=5,
    )
    deterministic: bool | None = column(
        "whether the run is bitwise reproducible on its machine, observed by executing its first "
        "steps twice; empty if not observed",
        default=None,
        since=4,
    )
    nondeterministic_operators: str | None = column(
        "nondeterministic operators used, by torch's names", check=_LINE, default=None, since=4
    )
    nondeterminism: str | None = column(
        "other observed cause of nondeterminism", check=_LINE, default=None, since=5
    )
    started_at: str = column("start of the run, UTC", check=_MOMENT)
    environment_id: str = column("identifier of the environment in `environment.json`", check=_LINE)
    data_fingerprint: str = column("SHA-256 of the examples that were used", check=_LINE)
    changed_data: str | None = column(
        "data files that differ from the published ones, each with its SHA-256; empty if none "
        "differs, or nothing is published",
        check=_LINE,
        default=None,
        since=7,
    )
    code_version: str | None = column(
        "digest of the source code that the run executed: variant, task, training loop and, of a "
        "measured run, timing; empty before schema 6, whose digest followed another rule",
        check=_LINE,
        default=None,
        since=CODE_DIGEST_SCHEMA,
    )
    commit: str | None = column(
        "git commit of seqbench, with `+changes` if files differed; empty outside git",
        check=_LINE,
        default=None,
        since=4,
    )
    schema_version: int = column(
        "schema version of the row", check=at_least(1), default=SCHEMA_VERSION
    )
    edited_at: str | None = column(
        "time of the last accepted edit of the run's rows, UTC, see `seqbench accept`; empty if "
        "never",
        check=_MOMENT,
        default=None,
        since=DIGEST_SCHEMA,
    )
    rows_digest: str | None = column(
        "digests of the run's rows as written, in `runs.csv`, `epochs.csv`, `evaluations.csv`, "
        "`timings.csv` and `profile.csv`, to detect edits",
        check=matching(r"[0-9a-f]{8}(\+[0-9a-f]{8}){4}", "five digests joined by plus signs"),
        default=None,
        since=DIGEST_SCHEMA,
    )
    runs_digest: str | None = column(
        "number of runs in the file and a digest of their ids, to detect deleted rows",
        check=matching(r"[0-9]+-[0-9a-f]{8}", "a number and a digest"),
        default=None,
        since=DIGEST_SCHEMA,
    )


RUNS = "runs.csv"
EPOCHS = "epochs.csv"
EVALUATIONS = "evaluations.csv"
TIMINGS = "timings.csv"
PROFILE = "profile.csv"

PARTS: Mapping[str, type] = {
    EPOCHS: EpochRecord,
    EVALUATIONS: EvaluationRecord,
    TIMINGS: TimingRecord,
    PROFILE: ProfileRecord,
}
"""Files of a run besides its row; older result folders may lack some."""

ORDER: Mapping[str, tuple[str, ...]] = {
    EPOCHS: ("epoch",),
    EVALUATIONS: ("epoch", "batches"),
    TIMINGS: ("phase", "sample"),
    PROFILE: ("seconds", "operator"),
}
"""Sort keys of a run's rows: `seconds` descending, phases in the order of `PHASES`."""

FILES: Mapping[str, type] = {**PARTS, RUNS: RunRecord}
"""All files of records, in the order in which they are written."""
