"""The Python interface: runs, results and trained models from a script or a notebook."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from seqbench.columns import columns
from seqbench.commands.options import MOST_SEEDS, check_folder_name, format_command
from seqbench.commands.progress import show_progress
from seqbench.errors import RunsFailedWarning, SettingError, UnknownNameError
from seqbench.harness.execution import Request, execute
from seqbench.result import Result
from seqbench.spec import RunSpec

if TYPE_CHECKING:
    from seqbench.harness.runner import Progress
    from seqbench.models.sequence_model import SequenceModel
    from seqbench.tasks.task import TaskData

_NO_LIST = (str, bytes, bytearray, memoryview, Mapping)  # though Python iterates over them
_VALUES = (bool, int, float, str, type(None))
_AXES = [field.name for field in fields(RunSpec)]
_RESOLVED = ("task", "variant", "implementation", "device")  # names, where they are known
_CHECKED = {each.name: each for each in columns(RunSpec) if each.name not in _RESOLVED}


def run(
    task: str | Sequence[str] | None = None,
    variant: str | Sequence[str] | None = None,
    *,
    seeds: int | Iterable[int] = 1,
    suite: str | None = None,
    name: str | None = None,
    results: str | Path = "results/local",
    measure: bool | None = None,
    match_parameters: int | None = None,
    match_tolerance: float | None = None,
    data: str | Path | None = None,
    allow_changed_data: bool = False,
    plugins: Iterable[str | Path] = (),
    save_checkpoints: bool = False,
    restart: bool = False,
    retry_failed: bool = False,
    isolated: bool = False,
    timeout: float | None = None,
    progress: bool = True,
    **settings: Any,
) -> Result:
    """Train a grid of runs, or a suite, record it in a result folder, and return that.

    What `seqbench run` does, with the same files: called again it resumes where it was interrupted,
    and finished runs are kept.

    Parameters
    ----------
    task, variant
        Registered names; several make a grid. In a variant's name ``*`` stands for anything.
    seeds
        How many (5: seeds 0 to 4), or which ones.
    suite
        A suite's name, whose settings others replace.
    name
        Of the folder below ``results``; None for the suite's, or ``custom``.
    results
        Folder of result folders; those of a project that are published are in ``results``.
    measure
        Whether speed is measured apart from training; None for the suite's setting.
    match_parameters, match_tolerance
        Choose each hidden size for this number of parameters, to within a share (None: 0.02).
    data
        Folder with the data; None for ``$SEQBENCH_DATA``, else the user's cache.
    allow_changed_data
        Whether data may be others than the published ones; rows and report name them.
    plugins
        Files that register variants and tasks.
    save_checkpoints
        Whether trained weights are kept, for `Result.load_model`.
    restart, retry_failed
        Whether to start over; whether to repeat failed runs.
    isolated
        Whether runs have a separate process, as on the command line: then a crash ends one run.
        That process knows members of packages and ``plugins``, not those that were registered here.
    timeout
        Longest that a run may take, seconds; with ``isolated`` only.
    progress
        Whether a bar, or one line per run, is shown.
    **settings
        Fields of `RunSpec`, such as ``epochs``, ``hidden_size``, ``learning_rate``; a sequence of
        values makes a grid.

    Returns
    -------
    Result
        What is in the folder then. A failed run is a row with its reason, and a `RunsFailedWarning`
        says how many there are.

    Raises
    ------
    UsageError
        If a name is not registered or settings are invalid or incompatible.

    Examples
    --------
    >>> import seqbench
    >>> result = seqbench.run(
    ...     "row-digits", ["rnn", "gru"], seeds=2, epochs=1, hidden_size=8, results=folder,
    ...     device="cpu", threads=1, progress=False,
    ... )
    >>> sorted(result.summary()["variant"])
    ['gru', 'rnn']
    """
    if suite is None and task is None:
        suite = "quick"
    axes = _list_axes({"task": task, "variant": variant, **settings})
    if suite is None or seeds != 1:
        axes["seed"] = _list_seeds(seeds)
    request = Request(
        results=Path(results),
        name=None if name is None else check_folder_name(str(name)),
        suite=suite,
        axes=axes,
        match_parameters=match_parameters,
        match_tolerance=match_tolerance,
        measure=measure,
        plugins=[Path(each) for each in plugins],
        data=None if data is None else Path(data),
        allow_changed_data=allow_changed_data,
        restart=restart,
        retry_failed=retry_failed,
        timeout_s=timeout,
        keep_weights=save_checkpoints,
        isolated=isolated,
    )
    done = execute(request, _Notebook(shown=progress), format_command(request))
    if failed := len(done.statuses) - done.statuses.count("ok"):
        message = f"{failed} of {len(done.statuses)} runs failed; Result.runs has the reasons"
        warnings.warn(message, RunsFailedWarning, stacklevel=2)
    return Result(done.folder)


def load(folder: str | Path) -> Result:
    """Return the result in a folder, such as ``results/mnist``.

    Raises
    ------
    ResultsError
        If there is none, or it cannot be read.
    """
    return Result(folder)


def load_model(path: str | Path) -> "SequenceModel":
    """Return the trained model in a checkpoint file; see `checkpoint.load_model`."""
    from seqbench.harness.plugins import load_plugins
    from seqbench.training import checkpoint

    load_plugins(())
    return checkpoint.load_model(Path(path))


def load_data(
    task: str, *, length: int | None = None, data: str | Path | None = None
) -> "TaskData":
    """Return the examples of a task: ``train`` and ``test``, each with ``inputs`` and ``targets``.

    Parameters
    ----------
    task
        Registered name.
    length
        Time steps of a sequence, for tasks that have a choice; None for their default.
    data
        Folder with the data; None for ``$SEQBENCH_DATA``, else the user's cache.

    Raises
    ------
    UsageError
        If the task is not registered, or its data is not there and cannot be downloaded.
    """
    from seqbench.harness import problems
    from seqbench.harness.plugins import load_plugins
    from seqbench.tasks.data_folder import locate_data
    from seqbench.tasks.task import build_task

    load_plugins(())
    folder = locate_data(None if data is None else Path(data))
    return problems.load_data(task, build_task(task, length), folder)


def _list_axes(settings: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Return the values of each setting that was given, in a tuple."""
    axes = {}
    for setting, value in settings.items():
        if setting not in _AXES or setting == "seed":
            raise UnknownNameError("setting", setting, [each for each in _AXES if each != "seed"])
        if value is None and setting in ("task", "variant"):
            continue
        axes[setting] = _list_values(setting, value)
    return axes


def _list_values(setting: str, value: Any) -> tuple[Any, ...]:
    """Return one value or several as Python's numbers and texts."""
    try:
        several = isinstance(value, Iterable) and not isinstance(value, _NO_LIST)
        listed = tuple(value) if several else (value,)
    except TypeError:  # an array or a tensor of one number
        listed = (value,)
    plain = tuple(each.item() if hasattr(each, "item") else each for each in listed)
    if not plain:
        raise SettingError(setting, value, "at least one value")
    kinds = str if setting in ("task", "variant") else _VALUES
    if not all(isinstance(each, kinds) for each in plain):
        raise SettingError(setting, value, "a value of its type, or several of them")
    declared = _CHECKED.get(setting)
    for each in plain:
        if declared and not declared.accepts(each):
            raise SettingError(setting, each, declared.expected)
    return plain


def _list_seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """Return seeds for a number of them, or those that are listed."""
    if isinstance(seeds, Iterable):
        return _list_values("seeds", seeds)
    (count,) = _list_values("seeds", seeds)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_SEEDS:
        raise SettingError("seeds", seeds, f"a number from 1 to {MOST_SEEDS}, or seeds like [3, 7]")
    return tuple(range(count))


class _Notebook:
    """Shows how runs go, where a notebook or a terminal shows what is printed."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._console = Console(markup=False, emoji=False, highlight=False)

    def say(self, text: str) -> None:
        """Print it."""
        if self._shown:
            self._console.print(text, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Warn of it."""
        warnings.warn(text, stacklevel=4)

    def watch(self, specs: Sequence[RunSpec]) -> "AbstractContextManager[Progress]":
        """Return a bar, or nothing that is seen."""
        return show_progress(self._console, specs) if self._shown else nullcontext(_Silence())


class _Silence:
    def run_started(self, spec: RunSpec, epochs_done: int = 0) -> None: ...

    def epoch_finished(self, record: Any) -> None: ...

    def run_finished(self, record: Any) -> None: ...
