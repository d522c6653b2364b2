"""What runs receive: tasks and their data, loaded once for all runs of the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seqbench.errors import ContractError, SeqbenchError, SettingError, describe_error
from seqbench.spec import RunSpec
from seqbench.tasks.contract import check_baseline, check_data
from seqbench.tasks.data_folder import reading_data
from seqbench.tasks.task import Task, TaskData, cut_training, make_task
from seqbench.training.process_settings import settings_kept

ProblemKey = tuple[str, int | None, int | None]
"""What decides which examples a run receives: task, length, training examples."""


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


def problem_of(spec: RunSpec) -> ProblemKey:
    """Return what decides which examples the run receives."""
    return spec.task, spec.length, spec.train_examples


def load_problems(
    specs: Sequence[RunSpec], data_dir: Path, *, allow_changed: bool = False
) -> dict[ProblemKey, tuple[Task, TaskData]]:
    """Return each problem that the specs pose: its task with its data, in main memory.

    Parameters
    ----------
    specs
        The runs to come.
    data_dir
        Where tasks search their data.
    allow_changed
        Whether it may be others than the published ones; `TaskData.changed` names them then.

    Raises
    ------
    DataUnavailableError
        If the data of one is not there and cannot be obtained, or is not the published one.
    ContractError
        If a task gives other shapes than it declares, or fails to load.
    SettingError
        If each task has fewer training examples than its specs ask for. One among others has what
        there is: the runs that want more give the reason they cannot be done.
    """
    loaded: dict[ProblemKey, tuple[Task, TaskData]] = {}
    misfits = []
    whole: dict[tuple[str, int | None], tuple[Task, TaskData]] = {}
    for spec in {problem_of(spec): spec for spec in specs}.values():
        if (spec.task, spec.length) not in whole:
            task = make_task(spec)
            task.train_examples = _find_most_examples(spec, specs)
            with reading_data(allow_changed=allow_changed) as changes:
                data = load_data(spec.task, task, data_dir)
            data = replace(data, changed="; ".join(changes) or None)
            whole[spec.task, spec.length] = task, data
        task, data = whole[spec.task, spec.length]
        try:
            data = cut_training(spec.task, data, spec.train_examples)
        except SettingError as misfit:
            misfits.append(misfit)
        loaded[problem_of(spec)] = task, data
    if misfits and len(misfits) == len(loaded):
        raise misfits[0]
    return loaded


def _find_most_examples(spec: RunSpec, specs: Sequence[RunSpec]) -> int | None:
    """Return how many training examples of a task and length any run wants; None for all."""
    wanted = [
        each.train_examples
        for each in specs
        if (each.task, each.length) == (spec.task, spec.length)
    ]
    known = [each for each in wanted if each is not None]
    return max(known) if len(known) == len(wanted) else None


def load_data(name: str, task: Task, data_dir: Path) -> TaskData:
    """Return the data of the task called ``name``, checked.

    Raises
    ------
    DataUnavailableError
        If the data is missing, cannot be downloaded, or is not the published one.
    ContractError
        If the task fails to load, or returns other shapes than it declares.
    """
    try:
        with settings_kept():
            data = task.load(data_dir)
        return check_data(name, task, data)
    except (SeqbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a task of the user's may raise anything
        raise ContractError("task", name, f"cannot be loaded: {describe_error(error)}") from error


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
