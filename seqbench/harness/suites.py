"""The named suites, as data: each is one grid over `RunSpec` fields, or a few.

An axis that a grid does not name is settled by `plan.plan_runs`: a grid without ``variant`` runs
every default variant, so that a new one joins it by being registered. Options of the command line
replace axes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from seqbench.registry import Registry


@dataclass(frozen=True, init=False)
class Suite:
    """A question worth a result folder, and the grids of runs that answer it.

    Parameters
    ----------
    summary
        The question, in a line.
    grids
        Values by `RunSpec` field.
    match_parameters
        Choose every hidden size so that models have this many parameters.
    measure
        Measure speed too, apart from training.
    """

    summary: str
    grids: tuple[Mapping[str, tuple[Any, ...]], ...]
    match_parameters: int | None
    measure: bool

    def __init__(
        self,
        summary: str,
        *grids: Mapping[str, tuple[Any, ...]],
        match_parameters: int | None = None,
        measure: bool = False,
    ) -> None:
        object.__setattr__(self, "summary", summary)
        object.__setattr__(self, "grids", tuple(MappingProxyType(dict(grid)) for grid in grids))
        object.__setattr__(self, "match_parameters", match_parameters)
        object.__setattr__(self, "measure", measure)


MATCH_TOLERANCE = 0.02
"""Default tolerance of a matched number of parameters, relative to the requested one."""

SUITES: Registry[Suite] = Registry("suite")

SEEDS = (0, 1, 2, 3, 4)
"""Of suites whose scores are compared."""

SUITES.register("quick")(
    Suite(
        "the standard variants on scikit-learn's bundled digits: minutes on a laptop, no download",
        {"task": ("row-digits",), "seed": SEEDS, "epochs": (12,)},
    )
)
SUITES.register("notebook")(
    Suite(
        "the teaching notebook's two experiments on MNIST, repeated over seeds",
        {
            "task": ("row-mnist",),
            "variant": ("rnn", "birnn"),
            "seed": SEEDS,
            "epochs": (3,),
        },
    )
)
SUITES.register("mnist")(
    Suite(
        "the standard variants on MNIST read row by row, with the notebook's settings",
        {"task": ("row-mnist",), "seed": SEEDS, "epochs": (3,)},
    )
)
SUITES.register("readout")(
    Suite(
        "effect of the read-out: last, final, mean and max, in one direction and both",
        {
            "task": ("row-mnist",),
            "variant": ("rnn", "birnn"),
            "readout": ("last", "final", "mean", "max"),
            "seed": SEEDS,
            "epochs": (1,),
        },
    )
)
SUITES.register("init")(
    Suite(
        "effect of the initial weights after one epoch, all else equal",
        {
            "task": ("row-mnist",),
            "variant": (
                "rnn",
                "rnn-orthogonal",
                "rnn-relu",
                "irnn",
                "lstm",
                "lstm-forget-bias",
                "lstm-chrono",
            ),
            "seed": SEEDS,
            "epochs": (1,),
        },
    )
)
SUITES.register("memory")(
    Suite(
        "memory: adding and copying at lengths that distinguish the variants",
        {
            "task": ("adding",),
            "length": (50, 100),
            "variant": ("rnn", "rnn-orthogonal", "irnn", "lstm", "gru"),
            "seed": SEEDS,
            "epochs": (20,),
            "num_layers": (1,),
            "hidden_size": (64,),
            "learning_rate": (2e-3,),
            "clip_norm": (1.0,),
        },
        {
            "task": ("copying",),
            "length": (10,),
            "variant": ("rnn", "irnn", "lstm", "lstm-chrono", "gru"),
            "seed": SEEDS,
            "epochs": (30,),
            "num_layers": (1,),
            "hidden_size": (64,),
            "learning_rate": (5e-3,),
            "clip_norm": (1.0,),
        },
    )
)
SUITES.register("matched")(
    Suite(
        "permuted pixels at 70,000 parameters each, as the literature compares; one epoch only",
        {
            "task": ("permuted-mnist",),
            "variant": ("rnn-orthogonal", "lstm", "gru"),
            "seed": (0,),
            "epochs": (1,),
            "num_layers": (1,),
            "clip_norm": (1.0,),
        },
        {
            "task": ("permuted-mnist",),
            "variant": ("irnn",),
            "seed": (0,),
            "epochs": (1,),
            "num_layers": (1,),
            "clip_norm": (1.0,),
            "learning_rate": (1e-4,),  # at ten times that its loss is soon infinite
        },
        match_parameters=70_000,
    )
)
SUITES.register("speed")(
    Suite(
        "speed without training: steps, latency, % of peak throughput",
        {
            "task": ("row-mnist",),
            "variant": (
                "rnn",
                "birnn",
                "lstm",
                "bilstm",
                "gru",
                "bigru",
                "lstm-peephole",
                "lstm-layer-norm",
                "lstm-projection",
                "gru-layer-norm",
                "indrnn",
                "mingru",
                "minlstm",
                "lru",
                "mlp",
                "tcn",
                "transformer",
            ),
            "seed": (0, 1, 2),
            "epochs": (0,),
        },
        {
            "task": ("adding",),
            "length": (200,),
            "variant": ("rnn", "lstm", "gru", "indrnn", "mingru", "lru"),
            "batch_size": (32,),
            "seed": (0, 1, 2),
            "epochs": (0,),
        },
        measure=True,
    )
)
_SPEEDRUN = {
    "task": ("row-mnist",),
    "variant": ("rnn",),
    "implementation": ("native",),
    "seed": SEEDS,
    "epochs": (5,),
    "eval_every": (12,),  # the resolution of the time: a fortieth of an epoch
    "target": (0.9504,),  # what the notebook's RNN ends with
}
_FUSED = {**_SPEEDRUN, "implementation": ("fused",)}
_ORTHOGONAL = {**_FUSED, "variant": ("rnn-orthogonal",), "epochs": (2,)}
_MAX = {**_ORTHOGONAL, "readout": ("max",)}
_CYCLE = {**_MAX, "schedule": ("one-cycle",), "learning_rate": (5e-3,), "epochs": (1,)}
_LESS_DATA = {**_CYCLE, "train_examples": (40_000,)}
_HALVED = {
    **_CYCLE,
    "variant": ("lstm",),
    "implementation": ("native",),
    "precision": ("bfloat16",),
    "learning_rate": (1e-2,),
    "train_examples": (26_000,),
}
SUITES.register("speedrun")(
    Suite(
        "shortest training time to the notebook's 95.04 %, one change after the other",
        *(_SPEEDRUN, _FUSED, _ORTHOGONAL, _MAX, _CYCLE, _LESS_DATA, _HALVED),
    )
)
_RACE = {"task": ("row-mnist",), "seed": (0, 1, 2), "epochs": (0,)}
_OF_TORCH = {**_RACE, "variant": ("rnn", "gru", "lstm")}
_OF_OURS = {**_RACE, "variant": ("rnn", "gru"), "implementation": ("fused",)}
_LESS_PRECISE = ("tf32", "bfloat16", "float16")
SUITES.register("implementations")(
    Suite(
        "comparison of implementation, precision and number of threads",
        {**_OF_TORCH, "implementation": ("native", "compiled", "reference")},
        {**_OF_TORCH, "implementation": ("native",), "precision": _LESS_PRECISE},
        {**_OF_TORCH, "implementation": ("native",), "cuda_graph": (True,)},
        {**_OF_TORCH, "implementation": ("native",), "threads": (1,)},
        {**_RACE, "variant": ("birnn", "bigru", "bilstm"), "implementation": ("native",)},
        _OF_OURS,
        {**_OF_OURS, "precision": _LESS_PRECISE},
        {**_OF_OURS, "threads": (1,)},
        {**_OF_OURS, "variant": ("birnn", "bigru")},
        {**_RACE, "variant": ("mingru", "lru"), "implementation": ("scan", "reference")},
        measure=True,
    )
)
SUITES.register("registry")(
    Suite(
        "everything registered, briefly, on the bundled digits: does it run, at what cost",
        {
            "task": ("row-digits",),
            "variant": ("*",),
            "seed": (0,),
            "epochs": (3,),
            "hidden_size": (32,),
        },
    )
)
