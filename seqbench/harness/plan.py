"""From a suite and options to the runs: all defaults are resolved here, before the first run.

A spec describes its run completely, so what depends on the task, the variant or the device (the
read-out, a sequence's length, the implementation, a hidden size for a number of parameters) is put
into it as text, and is in its row.
"""

from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any

from seqbench.errors import SettingError, UsageError
from seqbench.harness.compatibility import check_settings, fits_task
from seqbench.harness.matching import match_hidden_sizes
from seqbench.harness.suites import MATCH_TOLERANCE
from seqbench.models.model import VARIANTS, fastest_implementation, select_variants
from seqbench.spec import FASTEST, RunSpec, expand
from seqbench.tasks.task import Task, build_task, make_task
from seqbench.training.device import default_threads, resolve_device

Axes = Mapping[str, tuple[Any, ...]]


def plan_runs(
    grids: Iterable[Axes],
    match_parameters: int | None = None,
    measure: bool = False,
    match_tolerance: float = MATCH_TOLERANCE,
) -> list[RunSpec]:
    """Return the specs of all grids, in order, each once, with nothing left open.

    Parameters
    ----------
    grids
        Values by `RunSpec` field. Without ``device`` and ``threads`` those of this machine are
        taken; without ``variant`` every default variant; a name with ``*`` selects all that match.
        Unnamed variants are left out if they do not fit the task. Without ``readout``
        and ``length`` the task's own are taken, without ``implementation`` the variant's default
        one; for "fastest" the one that `fastest_implementation` names. What is incompatible, such
        as a read-out that a task does not take, stays in the plan, and its run gives the reason, if
        there is anything else to do.
    match_parameters, match_tolerance
        Choose each hidden size so that the model has this many parameters, see
        `match_hidden_sizes`.
    measure
        Whether speed is measured apart from training. Then runs of a seed are shuffled by it, so
        that a drift of the machine does not affect a single variant, and there may be no epochs.

    Raises
    ------
    UsageError
        If a name is not registered, a value is out of its range, or no two go together.
    """
    planned = dict(each for axes in grids for each in _plan_grid(axes))
    fitting = [spec for spec, misfit in planned.items() if misfit is None]
    if not fitting:
        raise next(filter(None, planned.values()), UsageError("no selected variant fits a task"))
    chosen = fitting
    if match_parameters is not None:
        chosen = match_hidden_sizes(fitting, match_parameters, match_tolerance)
    matched = dict(zip(fitting, chosen, strict=True))
    specs = list(dict.fromkeys(matched.get(spec, spec) for spec in planned))
    if measure:
        return shuffle_rounds(specs)
    if any(spec.epochs == 0 for spec in specs):
        raise SettingError("epochs", 0, "at least 1 without --measure, else there is nothing to do")
    return specs


def shuffle_rounds(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Return the specs seed by seed, those of a seed in an order that the seed decides."""
    rounds: dict[int, list[RunSpec]] = {}
    for spec in specs:
        rounds.setdefault(spec.seed, []).append(spec)
    for seed, each in rounds.items():
        Random(seed).shuffle(each)
    return [spec for each in rounds.values() for spec in each]


def _plan_grid(axes: Axes) -> Iterator[tuple[RunSpec, SettingError | None]]:
    """Yield each run of a grid, and why it cannot be done if its settings are incompatible."""
    here = {"device": (resolve_device("auto"),), "threads": (default_threads(),)}
    named = axes.get("variant", ())
    settled = {**here, **axes, "variant": select_variants(axes.get("variant"))}
    for settings in expand(settled):
        spec = RunSpec(**_settle(settings))
        task = make_task(spec)
        if spec.variant in named or fits_task(VARIANTS[spec.variant], task):
            yield spec, _find_misfit(spec, task)


def _find_misfit(spec: RunSpec, task: Task) -> SettingError | None:
    try:
        check_settings(spec, task)
    except SettingError as misfit:
        return misfit
    return None


def _settle(chosen: Mapping[str, Any]) -> dict[str, Any]:
    variant = chosen["variant"]
    task = build_task(chosen["task"], chosen.get("length"))
    own = {
        "readout": task.readouts[0],
        "length": task.default_length,
        "implementation": VARIANTS[variant].implementations[0],
    }
    settings = {**own, **chosen}
    if settings["implementation"] == FASTEST:
        settings["implementation"] = fastest_implementation(variant, settings["device"])
    return settings
