"""`RunSpec`: everything that decides one run, and grids of them.

A spec says what is trained, not how: two runs of equal specs in equal environments give equal
losses. Every field is a column of ``runs.csv`` and an axis that a suite or an option can vary.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from seqbench.columns import (
    Value,
    above,
    at_least,
    column,
    columns,
    finite,
    in_range,
    matching,
    one_of,
)
from seqbench.errors import SettingError
from seqbench.registry import NAME

IMPLEMENTATIONS = ("native", "fused", "compiled", "scan", "reference")
FASTEST = "fastest"
"""What a grid may say for an implementation; `plan` puts the name of the fastest in its place."""

PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
WITH_MOMENTUM = ("sgd", "rmsprop")
SCHEDULES = ("constant", "one-cycle")
MOST_LAYERS = 1000

GROUPS = WHAT, TRAINING, MODEL, MEASURING = "What is run", "Training", "Model", "Measuring"
"""Of settings."""

_REGISTERED = matching(NAME.pattern, "a registered name")
_SHOWN = 80  # characters of a name in an id, which names files too


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training run. The defaults are the notebook's.

    A default never changes: a run is named by what differs from it, see `chosen`. Defaults that
    depend on the task or the device are the plan's.

    Raises
    ------
    SettingError
        If a value is out of its range; it carries the setting's name and what was expected.
    """

    task: str = column("task, by its registry key", check=_REGISTERED, group=WHAT)
    length: int | None = column(
        "the task's length, mostly time steps of a sequence; empty where the data decide",
        check=at_least(1),
        default=None,
        since=2,
        group=WHAT,
        note="Default: the task's.",
    )
    train_examples: int | None = column(
        "number of training examples, the first ones; empty for all",
        check=at_least(1),
        default=None,
        since=2,
        group=WHAT,
        note="Default: all.",
    )
    variant: str = column(
        "model variant, by its registry key",
        check=_REGISTERED,
        group=WHAT,
        note="`*` in a name stands for any text. Default: the default variants, see "
        "`seqbench list`.",
    )
    seed: int = column(
        "seed of every random stream of the run",
        check=in_range(0, 2**31),
        group=WHAT,
        note="How many seeds (5: seeds 0 to 4), or which ones (3,7). Default: 1, which is seed 0.",
    )
    device: str = column(
        "device that the model is trained on",
        check=one_of("cpu", "cuda"),
        group=MEASURING,
        note="`auto` takes the GPU if there is one. Default: auto.",
    )
    threads: int = column(
        "CPU threads", check=at_least(1), group=MEASURING, note="Default: torch's choice."
    )
    epochs: int = column(
        "passes over the training set; 0 where only speed is measured",
        check=at_least(0),
        default=3,
        group=TRAINING,
    )
    batch_size: int = column("examples in a batch", check=at_least(1), default=128, group=TRAINING)
    optimizer: str = column(
        "optimiser; `sgd` and `rmsprop` with `momentum`",
        check=one_of(*OPTIMIZERS),
        default="adam",
        since=8,
        group=TRAINING,
    )
    learning_rate: float = column(
        "learning rate; the highest one under a schedule",
        check=above(0),
        default=1e-3,
        group=TRAINING,
    )
    momentum: float = column(
        "momentum of `sgd` and `rmsprop`; 0 for the optimisers that have their own",
        check=in_range(0, 1),
        default=0.0,
        since=8,
        group=TRAINING,
    )
    weight_decay: float = column(
        "weight decay of all parameters: decoupled with `adamw`, else an L2 penalty",
        check=at_least(0),
        default=0.0,
        since=8,
        group=TRAINING,
    )
    schedule: str = column(
        "learning-rate schedule: `constant`, or `one-cycle` over the whole run (Smith and Topin, "
        "2019)",
        check=one_of(*SCHEDULES),
        default="constant",
        since=3,
        group=TRAINING,
    )
    clip_norm: float | None = column(
        "gradient-clipping norm; empty for no clipping",
        check=above(0),
        default=None,
        since=2,
        group=TRAINING,
    )
    hidden_size: int = column(
        "hidden size per direction", check=at_least(1), default=128, group=MODEL
    )
    num_layers: int = column(
        "stacked layers, of variants that stack",
        check=in_range(1, MOST_LAYERS + 1),
        default=2,
        group=MODEL,
    )
    dropout: float = column(
        "dropout probability between layers", check=in_range(0, 1), default=0.0, group=MODEL
    )
    readout: str = column(
        "read-out, by its registry key: how the sequence of outputs becomes one vector",
        check=_REGISTERED,
        default="last",
        group=MODEL,
        note="Default: the task's first one.",
    )
    implementation: str = column(
        "`native`: the variant's default code, torch.nn's where it has it; `fused`: the same "
        "with fewer, larger operations; `compiled`: the equations, through torch.compile; `scan`: "
        "a parallel scan over time; `reference`: the equations, step by step",
        check=one_of(*IMPLEMENTATIONS),
        default="native",
        group=MODEL,
        note=f"`{FASTEST}` stands for the fastest one on this device. Default: the variant's.",
    )
    precision: str = column(
        "precision of matrix products: `float32`; `tf32`, float32 rounded to 10 bits of "
        "fraction inside the product; `bfloat16` or `float16` by autocast, weights in float32",
        check=one_of(*PRECISIONS),
        default="float32",
        since=3,
        group=MEASURING,
    )
    cuda_graph: bool = column(
        "whether the training step is captured once as a CUDA graph and then replayed",
        default=False,
        since=3,
        group=MEASURING,
    )
    eval_every: int | None = column(
        "batches between evaluations within an epoch, which are not timed; empty for none",
        check=at_least(1),
        default=None,
        since=3,
        group=MEASURING,
    )
    target: float | None = column(
        "target score, whose training time is `target_time_s`; empty for none",
        check=finite(),
        default=None,
        since=3,
        group=MEASURING,
    )

    def __post_init__(self) -> None:
        for declared in columns(type(self)):
            value = getattr(self, declared.name)
            if not declared.accepts(value):
                raise SettingError(declared.name, value, declared.expected)

    @property
    def chosen(self) -> dict[str, Value]:
        """The settings that differ from their defaults, or have none, each in its column's type.

        They tell any two runs apart, and a setting that is added later changes those of no run
        that does not use it.
        """
        chosen = {}
        for field, declared in zip(fields(self), columns(type(self)), strict=True):
            value = declared.canonical(getattr(self, field.name))
            if field.default is MISSING or value != field.default:
                chosen[field.name] = value
        return chosen

    @property
    def run_id(self) -> str:
        """A readable name for a new run: task, variant, seed and a digest of `chosen`.

        A stored row keeps the name that it has, and is found by its settings.
        """
        settings = json.dumps(self.chosen, sort_keys=True)
        digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
        task, variant = (name[:_SHOWN] for name in (self.task, self.variant))
        return f"{task}-{variant}-s{self.seed}-{digest}"


def expand(axes: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """Return the settings of one run for each combination of the axes' values.

    Seeds vary slowest and variants fastest, so that a slow spell of the machine falls on one
    round of all variants rather than on all rounds of one variant.

    Parameters
    ----------
    axes
        Values by `RunSpec` field.

    Raises
    ------
    SettingError
        If an axis is given twice the same value or none.
    """
    values = {name: tuple(choices) for name, choices in axes.items()}
    for name, choices in values.items():
        if not choices or len(set(choices)) < len(choices):
            raise SettingError(name, ",".join(map(str, choices)), "one or more different values")
    order = sorted(values, key=lambda name: {"seed": 0, "variant": 2}.get(name, 1))
    return [
        dict(zip(order, combination, strict=True))
        for combination in itertools.product(*(values[name] for name in order))
    ]
