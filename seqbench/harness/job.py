"""A run before and after: what is to be done, its data, its outcome."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from seqbench.errors import ContractError, SeqbenchError, describe_error
from seqbench.harness.state import Saved, Traces
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.spec import RunSpec
from seqbench.tasks.contract import check_baseline
from seqbench.tasks.task import Task, TaskData
from seqbench.timing.sampler import Sampling
from seqbench.training.process_settings import settings_kept

EpochFinished = Callable[[EpochRecord, bytes], object]
"""Called after each epoch, while the clock is stopped, with the state to resume from."""


@dataclass(frozen=True)
class Problem:
    """What a run receives, in a few words: the columns that describe it."""

    metric: str
    higher_is_better: bool
    baseline_score: float
    fingerprint: str
    train_examples: int
    test_examples: int
    test_answers: int
    changed_data: str | None = None
    metric_unit: str = ""


@settings_kept()
def describe_problem(name: str, task: Task, data: TaskData) -> Problem:
    """Return the columns of the task called ``name`` and its data.

    Raises
    ------
    ContractError
        If the task's baseline has no score, or the task fails over it.
    """
    try:
        return Problem(
            task.metric,
            task.higher_is_better,
            check_baseline(name, task, data),
            data.fingerprint,
            len(data.train),
            len(data.test),
            int(task.count_answers(data.test.targets)),
            data.changed,
            task.metric_unit,
        )
    except (SeqbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a task of the user's may raise anything
        fault = f"cannot score its baseline: {describe_error(error)}"
        raise ContractError("task", name, fault) from error


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to be done, and further columns of its rows.

    Parameters
    ----------
    spec, suite, environment_id, code_version, commit
        As in `RunRecord`.
    sampling
        How carefully speed is measured; None for not.
    keep_weights
        Whether the trained weights are kept.
    saved
        State to resume from; None to start.
    """

    spec: RunSpec
    suite: str
    environment_id: str
    code_version: str | None = None
    commit: str | None = None
    sampling: Sampling | None = None
    keep_weights: bool = False
    saved: Saved | None = None

    def origin(self, fingerprint: str) -> dict[str, str]:
        """Return what a saved run must have in common with this one to be resumed."""
        return {
            "settings": json.dumps(self.spec.chosen, sort_keys=True),
            "code": str(self.code_version),
            "data": fingerprint,
            "environment": self.environment_id,
        }


@dataclass(frozen=True)
class RunOutcome:
    """Outcome of a run: its row, what it left besides, and its weights.

    ``spoiled`` states that its examples are not any more what was loaded: others must not use them.
    """

    record: RunRecord
    traces: Traces
    checkpoint: bytes | None = None
    spoiled: bool = False
