"""The records: what a run and each of its epochs leave behind, column by column.

Each field is declared once, with its type, unit and check; `columns` lists them. A record is
written once and never edited.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from seqbench.columns import above, at_least, column, matching, one_of
from seqbench.spec import RunSpec

SCHEMA_VERSION = 8

CODE_DIGEST_SCHEMA = 6
"""The schema that brought today's rule for ``code_version``; others of it cannot be compared."""

DIGEST_SCHEMA = 7
"""The schema that brought `rows_digest` and `runs_digest`: rows of it have both."""

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
"""In the order in which a run goes through them."""

_LINE = matching(r"[^\r\n]+", "on one line")
_METRIC = matching(r"[a-z0-9]+(_[a-z0-9]+)*", "lower-case words joined by underscores")
_UNIT = matching(r"\S([^\r\n]{0,18}\S)?", "1 to 20 characters on one line, no blank at its ends")
_NOT_NEGATIVE = at_least(0)
_POSITIVE = above(0)
_MOMENT = matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "like 2026-01-31T23:59:00Z")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What else the machine did while something was timed."""

    other_cpu_s: float | None = column(
        "time that cores spent on other processes meanwhile, summed over cores; to 10 ms",
        unit="s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    waiting_s: float | None = column(
        "time that threads of this process were ready and waited for a core, summed over them",
        unit="s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    stolen_s: float | None = column(
        "time that a host gave this machine's cores to others; to 10 ms",
        unit="s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    throttled_s: float | None = column(
        "time that the processor was held back, by a control group or by heat",
        unit="s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    contended: bool = column(
        "whether a twentieth of the time was lost to others: to processes beyond the cores left "
        "free, to one thread's wait, to one core's steal or heat, or to the control group, for "
        "each thread",
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
    device: str = column("where it was trained", check=one_of("cpu", "cuda"))
    epoch: int = column("counted from 1", check=at_least(1))
    train_loss: float = column("mean training loss, each example before the step it teaches")
    test_loss: float = column("mean loss on the test set after the epoch")
    metric: str = column("what `score` is", check=_METRIC)
    score: float = column("the metric on the test set after the epoch")
    epoch_time_s: float = column(
        "training time of the epoch: no evaluation, logging or saving",
        unit="s",
        check=_POSITIVE,
    )
    train_samples_per_s: float = column(
        "training examples in an epoch ÷ `epoch_time_s`", unit="1/s", check=_NOT_NEGATIVE
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
        "training time of the run so far, evaluations not in it", unit="s", check=_NOT_NEGATIVE
    )
    test_loss: float = column("mean loss on the test set")
    score: float = column("the metric on the test set")


@dataclass(frozen=True, kw_only=True)
class TimingRecord:
    """One timed sample, as the clock gave it: a row of ``timings.csv``."""

    run_id: str = column("the run, as in `runs.csv`", check=_LINE)
    phase: str = column(
        "what was timed. `train_step`: forward, backward and optimiser; `forward` and `backward` "
        "of such a step apart; `inference`: forward passes without gradients, a batch for each "
        "thread; `latency`: the same with one example; `first_step`: the first training step of a "
        "fresh model; `compile`: what torch.compile took in the whole run; `matmul` and `copy`: "
        "the machine's limits, a product of square matrices and a copy in memory",
        check=one_of(*PHASES),
    )
    sample: int = column("counted from 0 within the phase", check=_NOT_NEGATIVE)
    calls: int = column("how often the work was done in `seconds`", check=at_least(1))
    seconds: float = column("what the clock showed", unit="s", check=_NOT_NEGATIVE)
    examples: int = column("examples that a call handles; 0 for the machine's limits")
    time_steps: int = column("time steps that a call handles: examples × length")
    flops: int | None = column(
        "floating-point operations of a call, by formula; empty where there is none",
        check=_NOT_NEGATIVE,
        default=None,
    )
    bytes: int | None = column(
        "bytes that a call moves, by formula: each product's operands and result once",
        unit="bytes",
        check=_NOT_NEGATIVE,
        default=None,
    )
    load: Load = Load()


@dataclass(frozen=True, kw_only=True)
class ProfileRecord:
    """What training steps spent in one operator: a row of ``profile.csv``."""

    run_id: str = column("the run, as in `runs.csv`", check=_LINE)
    operator: str = column(
        "torch's name of it on the CPU, the kernel's on a GPU, without arguments", check=_LINE
    )
    calls: int = column("how often the steps called it", check=at_least(1))
    seconds: float = column(
        "time in it, by torch's profiler, what it called itself not in it",
        unit="s",
        check=_NOT_NEGATIVE,
    )
    steps: int = column("training steps that were profiled", check=at_least(1))
    steps_s: float = column(
        "what as many steps took without the profiler, right before or after, whichever was less",
        unit="s",
        check=_NOT_NEGATIVE,
    )
    threads: int = column("threads that shared each batch", check=at_least(1))


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run and what came of it: a row of ``runs.csv``. Its settings stand in it in full."""

    run_id: str = column(
        "a name for the run: task, variant, seed and a digest of the settings that differ from "
        "their defaults; rows of a schema before 6 have a digest of all settings of their time",
        check=_LINE,
    )
    suite: str = column("the suite that the run belongs to", check=_LINE)
    spec: RunSpec
    parameters: int | None = column(
        "trainable parameters of the model", check=_NOT_NEGATIVE, default=None
    )
    status: str = column(
        "`diverged`: a loss was not finite; `failed`: see `error`; `out-of-memory`; `crashed`: its "
        "process ended; `timeout`: it took longer than `--timeout`; `unsupported`: the settings do "
        "not go together here, `error` says why",
        check=one_of(*STATUSES),
    )
    error: str | None = column(
        "the error, its lines joined by slashes, the middle of a long one left out",
        check=_LINE,
        default=None,
    )
    metric: str = column("what the scores are", check=_METRIC)
    metric_unit: str | None = column(
        "unit of the scores, as °C; empty for a share or a plain number",
        check=_UNIT,
        default=None,
        since=7,
    )
    higher_is_better: bool = column("direction of the metric")
    baseline_score: float = column("score of the task's trivial answer, which takes no learning")
    final_score: float | None = column("score on the test set after the last epoch", default=None)
    best_score: float | None = column(
        "best score of any epoch: chosen on the test set, so too kind", default=None
    )
    epoch_time_s: float | None = column(
        "median training time of an epoch", unit="s", check=_POSITIVE, default=None
    )
    train_samples_per_s: float | None = column(
        "training examples in an epoch ÷ `epoch_time_s`",
        unit="1/s",
        check=_NOT_NEGATIVE,
        default=None,
    )
    eval_samples_per_s: float | None = column(
        "test examples ÷ the median evaluation time",
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
        "floating-point operations of a forward pass of one example, by formula: matrix products; "
        "empty where the formula does not see most of the work",
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
        "the machine's own fastest product of large squares, measured just before with the same "
        "device, precision and threads",
        unit="1/s",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    peak_fraction: float | None = column(
        "`flops_per_s` ÷ `peak_flops_per_s`; above 1 where the products of a step were faster than "
        "the large squares a moment before, or an implementation spares operations that count",
        check=_NOT_NEGATIVE,
        default=None,
        since=3,
    )
    peak_memory_bytes: int | None = column(
        "most bytes that torch's allocator holds at once for the model, its gradients, the "
        "optimiser's state and one training step on a full batch, all threads at their peaks; "
        "empty in rows of a schema before 5, which had the process's resident memory here",
        unit="bytes",
        check=_NOT_NEGATIVE,
        default=None,
        since=5,
    )
    shares: int | None = column(
        "how many threads shared each batch in training; with one, threads work within operators",
        check=at_least(1),
        default=None,
        since=5,
    )
    one_share_reason: str | None = column(
        "why the threads did not share batches, as observed; empty where they did or nothing "
        "was to be shared",
        check=_LINE,
        default=None,
        since=5,
    )
    deterministic: bool | None = column(
        "whether the run is reproducible to the last bit on its machine: as observed, its first "
        "steps done twice; empty where it was not watched",
        default=None,
        since=4,
    )
    nondeterministic_operators: str | None = column(
        "the operators that prevented it, by torch's names", check=_LINE, default=None, since=4
    )
    nondeterminism: str | None = column(
        "what else prevented it, as observed", check=_LINE, default=None, since=5
    )
    started_at: str = column("when the run began, UTC", check=_MOMENT)
    environment_id: str = column("the environment, as in `environment.json`", check=_LINE)
    data_fingerprint: str = column("SHA-256 of the examples that were fed in", check=_LINE)
    changed_data: str | None = column(
        "the files of its data that are not the published ones, each with its SHA-256; empty where "
        "all are, or where nothing is published",
        check=_LINE,
        default=None,
        since=7,
    )
    code_version: str | None = column(
        "digest of the source code that it went through: the variant's, the task's, the loop's, of "
        "a measured run the timing code's; empty in rows of a schema before 6, which had a digest "
        "by another rule here",
        check=_LINE,
        default=None,
        since=CODE_DIGEST_SCHEMA,
    )
    commit: str | None = column(
        "git commit of seqbench, `+changes` after it where files differed; empty outside git",
        check=_LINE,
        default=None,
        since=4,
    )
    schema_version: int = column(
        "version of these columns", check=at_least(1), default=SCHEMA_VERSION
    )
    edited_at: str | None = column(
        "when an edit of the run's rows was last accepted, UTC, see `seqbench accept`; empty for "
        "never",
        check=_MOMENT,
        default=None,
        since=DIGEST_SCHEMA,
    )
    rows_digest: str | None = column(
        "digests of the run's rows as they were written, in `runs.csv`, `epochs.csv`, "
        "`evaluations.csv`, `timings.csv` and `profile.csv`: they tell an edit",
        check=matching(r"[0-9a-f]{8}(\+[0-9a-f]{8}){4}", "five digests joined by plus signs"),
        default=None,
        since=DIGEST_SCHEMA,
    )
    runs_digest: str | None = column(
        "how many runs stand in the file, and a digest of which: it tells a row that was deleted",
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
"""What a run leaves besides its row. A folder from before a file was written has none of it."""

ORDER: Mapping[str, tuple[str, ...]] = {
    EPOCHS: ("epoch",),
    EVALUATIONS: ("epoch", "batches"),
    TIMINGS: ("phase", "sample"),
    PROFILE: ("seconds", "operator"),
}
"""By what the rows of a run are in order, most time first, phases as they stand in `PHASES`."""

FILES: Mapping[str, type] = {**PARTS, RUNS: RunRecord}
"""All files of records, in the order in which they are written."""
