"""From a suite and options to the runs: what nobody chose is settled here, once, before the first.

A spec says everything about its run, so what depends on the task, the variant or the device (the
read-out, a sequence's length, the implementation, a hidden size for a number of parameters) is put
into it in words, and stands in its row.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import torch

from seqbench.errors import SettingError
from seqbench.harness.device import default_threads, resolve_device
from seqbench.models.model import VARIANTS, fastest_implementation, fits_task, select_variants
from seqbench.models.sequence_model import build_model, check_model, count_parameters
from seqbench.spec import FASTEST, RunSpec, expand
from seqbench.tasks.task import TASKS, make_task

TOLERANCE = 0.02
"""How far a matched number of parameters may be from the one that is asked for, as a share."""

GREATEST_HIDDEN_SIZE = 1 << 16

Axes = Mapping[str, tuple[Any, ...]]


def plan_runs(
    grids: Iterable[Axes], match_parameters: int | None = None, measure: bool = False
) -> list[RunSpec]:
    """Return the specs of all grids, in order, each once, with nothing left open.

    Parameters
    ----------
    grids
        Values by `RunSpec` field. Without ``device`` and ``threads`` those of this machine are
        taken; without ``variant`` every one that does not wait to be asked for; a name with ``*``
        stands for all that fit. Variants that nobody named are left out where they do not fit
        the task. Without ``readout`` and ``length`` the task's own are taken, without
        ``implementation`` the variant's ordinary one; for "fastest" the one that
        `fastest_implementation` names.
    match_parameters
        Choose each hidden size so that the model has this many parameters, see `match_hidden_size`.
    measure
        Whether speed is measured apart from training. Then runs of a seed are shuffled by it, so
        that a drift of the machine does not fall on one variant, and there may be no epochs.

    Raises
    ------
    UsageError
        If a name is not registered, a value is out of its range, or two do not go together.
    """
    specs = [spec for axes in grids for spec in _plan_grid(axes)]
    if match_parameters is not None:
        specs = [match_hidden_size(spec, match_parameters) for spec in specs]
    specs = list(dict.fromkeys(specs))
    if measure:
        return shuffle_rounds(specs)
    if any(spec.epochs == 0 for spec in specs):
        raise SettingError("epochs", 0, "at least 1 without --measure: nothing would be done")
    return specs


def shuffle_rounds(specs: Iterable[RunSpec]) -> list[RunSpec]:
    """Return the specs seed by seed, those of a seed in an order that the seed decides."""
    rounds: dict[int, list[RunSpec]] = {}
    for spec in specs:
        rounds.setdefault(spec.seed, []).append(spec)
    for seed, each in rounds.items():
        Random(seed).shuffle(each)
    return [spec for each in rounds.values() for spec in each]


def _plan_grid(axes: Axes) -> list[RunSpec]:
    here = {"device": (resolve_device("auto"),), "threads": (default_threads(),)}
    named = axes.get("variant", ())
    settled = {**here, **axes, "variant": select_variants(axes.get("variant"))}
    specs = []
    for settings in expand(settled):
        spec = RunSpec(**_settle(settings))
        task = make_task(spec)
        if spec.variant in named or fits_task(VARIANTS[spec.variant], task):
            check_model(spec, task)
            specs.append(spec)
    return specs


def _settle(chosen: Mapping[str, Any]) -> dict[str, Any]:
    task, variant = TASKS[chosen["task"]], chosen["variant"]
    own = {
        "readout": task.readouts[0],
        "length": task.default_length,
        "implementation": VARIANTS[variant].implementations[0],
    }
    settings = {**own, **chosen}
    if settings["implementation"] == FASTEST:
        settings["implementation"] = fastest_implementation(variant, settings["device"])
    return settings


def match_hidden_size(spec: RunSpec, parameters: int) -> RunSpec:
    """Return ``spec`` with the hidden size whose model comes nearest to ``parameters``.

    The whole model is counted, its head too. Parameters grow with the hidden size, so the nearest
    is found by halving.

    Raises
    ------
    SettingError
        If the nearest is further away than `TOLERANCE`.
    """
    low, high = 1, 2
    while high < GREATEST_HIDDEN_SIZE and count_for(spec, high) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if count_for(spec, middle) < parameters:
            low = middle
        else:
            high = middle
    nearest = min((low, high), key=lambda size: abs(count_for(spec, size) - parameters))
    reached = count_for(spec, nearest)
    if abs(reached - parameters) > TOLERANCE * parameters:
        raise SettingError(
            "match_parameters",
            parameters,
            f"a number that {spec.variant} comes within {TOLERANCE:.0%} of on {spec.task}; "
            f"its nearest is {reached}",
        )
    return replace(spec, hidden_size=nearest)


def count_for(spec: RunSpec, hidden_size: int) -> int:
    """Return the parameters of the model of ``spec`` with another hidden size."""
    task = make_task(spec)
    plain = VARIANTS[spec.variant].implementations[0]  # all have the same weights
    with torch.device("meta"):
        model = build_model(
            replace(spec, hidden_size=hidden_size, implementation=plain),
            features=task.features,
            outputs=task.outputs,
            time=task.time,
        )
    return count_parameters(model)
