"""Hidden sizes for a target number of parameters, so that models of equal size are compared."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from seqbench.errors import ContractError, SeqbenchError, SettingError, describe_error
from seqbench.harness.suites import MATCH_TOLERANCE
from seqbench.models.model import VARIANTS
from seqbench.models.sequence_model import build_model, count_parameters
from seqbench.spec import RunSpec
from seqbench.tasks.task import make_task

GREATEST_HIDDEN_SIZE = 1 << 16

_MOST_STEPS = 1000  # of the search for a number that suits all
_SHOWN = 12  # models in a message


@dataclass
class Sizes:
    """The numbers of parameters that one model can have, by hidden size; they grow with it."""

    spec: RunSpec
    _counted: dict[int, int] = field(default_factory=dict)

    def count(self, hidden_size: int) -> int:
        """Return the parameters of the whole model, its head too; 0 for a size it refuses."""
        if hidden_size not in self._counted:
            try:
                self._counted[hidden_size] = count_for(self.spec, hidden_size)
            except SettingError:
                self._counted[hidden_size] = 0
        return self._counted[hidden_size]

    def find_nearest(self, parameters: int) -> int:
        """Return the hidden size whose number comes nearest to ``parameters``."""
        above = self._find_first(parameters)
        near = [above, *([above - 1] if above > 1 and self.count(above - 1) else [])]
        return min(near, key=lambda size: abs(self.count(size) - parameters))

    def allows(self, parameters: int, tolerance: float) -> bool:
        """Return whether a number is within ``tolerance`` of ``parameters``."""
        reached = self.count(self.find_nearest(parameters))
        return abs(reached - parameters) <= tolerance * parameters

    def find_allowed(self, parameters: int, tolerance: float, *, up: bool) -> int | None:
        """Return the nearest number from ``parameters`` up, or down, that `allows`; None for none.

        The numbers that a size allows reach from a little below what it has to a little above.
        """
        if self.allows(parameters, tolerance):
            return parameters
        above = self._find_first(parameters)
        if up:
            reached = self.count(above)
            return math.ceil(reached / (1 + tolerance)) if reached > parameters else None
        below = above if self.count(above) < parameters else above - 1
        return math.floor(self.count(below) / (1 - tolerance)) if below else None

    def _find_first(self, parameters: int) -> int:
        """Return the first hidden size with at least this number, or the greatest there is."""
        low, high = 0, 1
        while high < GREATEST_HIDDEN_SIZE and self.count(high) < parameters:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.count(middle) < parameters else (low, middle)
        return high


def match_hidden_sizes(
    specs: Iterable[RunSpec], parameters: int, tolerance: float = MATCH_TOLERANCE
) -> list[RunSpec]:
    """Return the specs, each with the hidden size whose model comes nearest to ``parameters``.

    Raises
    ------
    SettingError
        If the nearest of some is further away than ``tolerance``, relative; it names them all, and
        the nearest number that suits every model.
    ContractError
        If a model cannot be built.
    """
    specs = list(specs)
    sizes: dict[RunSpec, Sizes] = {}
    for spec in specs:
        sizes.setdefault(_shape_of(spec), Sizes(_shape_of(spec)))
    misfits = [each for each in sizes.values() if not each.allows(parameters, tolerance)]
    if misfits:
        message = _describe_misfits(misfits, sizes, parameters, tolerance)
        raise SettingError("match_parameters", parameters, message)
    return [
        replace(spec, hidden_size=sizes[_shape_of(spec)].find_nearest(parameters)) for spec in specs
    ]


def _shape_of(spec: RunSpec) -> RunSpec:
    """Return a spec with only what decides on the number of parameters as it is."""
    plain = VARIANTS[spec.variant].implementations[0]  # all have the same weights
    return RunSpec(
        task=spec.task,
        length=spec.length,
        variant=spec.variant,
        num_layers=spec.num_layers,
        readout=spec.readout,
        implementation=plain,
        seed=0,
        device="cpu",
        threads=1,
    )


def _describe_misfits(
    misfits: Sequence[Sizes],
    sizes: Mapping[RunSpec, Sizes],
    parameters: int,
    tolerance: float,
) -> str:
    """Return what a number must be, as text that completes "must be …"."""
    nearest = [
        f"{each.spec.variant} on {each.spec.task} {each.count(each.find_nearest(parameters)):,}"
        for each in misfits
    ]
    more = f" and {len(nearest) - _SHOWN} more" if len(nearest) > _SHOWN else ""
    message = (
        f"a number that every model reaches within {100 * tolerance:g} %; nearest are "
        f"{', '.join(nearest[:_SHOWN])}"
    )
    found = find_common(sizes.values(), parameters, tolerance)
    suits = "no number near it fits all models" if found is None else f"{found} fits all models"
    return f"{message}{more}; {suits}, or raise --match-tolerance"


def find_common(sizes: Iterable[Sizes], parameters: int, tolerance: float) -> int | None:
    """Return the number nearest to ``parameters`` that all ``sizes`` allow; None for none."""
    each_size = list(sizes)
    found = [_search(each_size, parameters, tolerance, up=up) for up in (True, False)]
    known = [each for each in found if each is not None]
    return min(known, key=lambda each: abs(each - parameters), default=None)


def _search(sizes: Sequence[Sizes], parameters: int, tolerance: float, *, up: bool) -> int | None:
    """Go up, or down, to the next number that one of them allows, until all allow it."""
    at = parameters
    for _ in range(_MOST_STEPS):
        moved = at
        for each in sizes:
            allowed = each.find_allowed(moved, tolerance, up=up)
            if allowed is None or allowed < 1:
                return None
            moved = allowed
        if moved == at:
            return at
        at = moved
    return None


def count_for(spec: RunSpec, hidden_size: int) -> int:
    """Return the parameters of the model of ``spec`` with another hidden size.

    Raises
    ------
    ContractError
        If it cannot be built.
    """
    task = make_task(spec)
    try:
        with torch.device("meta"):
            model = build_model(
                replace(spec, hidden_size=hidden_size),
                features=task.features,
                outputs=task.outputs,
                time=task.time,
            )
            return count_parameters(model)
    except (SeqbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a variant of the user's may raise anything
        fault = f"cannot be built for {spec.task}: {describe_error(error)}"
        raise ContractError("variant", spec.variant, fault) from error
