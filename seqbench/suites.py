"""The named suites, as data: each is a grid over `RunSpec` fields.

An axis that a suite does not name keeps the default of `RunSpec`, except ``variant``: a suite
without that axis runs every registered variant, so that a new one joins it by being registered.
Options of the command line replace axes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from seqbench.registry import Registry


@dataclass(frozen=True)
class Suite:
    """A question worth a result folder, and the grid of runs that answers it."""

    summary: str
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", MappingProxyType(dict(self.axes)))


SUITES: Registry[Suite] = Registry("suite")

SUITES.register("quick")(
    Suite(
        "every variant on scikit-learn's bundled digits: minutes on a laptop, no download",
        {"task": ("row-digits",), "seed": (0, 1, 2), "epochs": (20,)},
    )
)
SUITES.register("notebook")(
    Suite(
        "the teaching notebook's two experiments on MNIST, repeated over seeds",
        {
            "task": ("row-mnist",),
            "variant": ("rnn", "birnn"),
            "seed": (0, 1, 2),
            "epochs": (3,),
        },
    )
)
SUITES.register("mnist")(
    Suite(
        "every variant on MNIST read row by row, with the notebook's settings",
        {"task": ("row-mnist",), "seed": (0, 1, 2), "epochs": (3,)},
    )
)
