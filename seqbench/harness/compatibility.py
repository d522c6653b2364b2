"""Whether the settings of a run go together."""

from seqbench.errors import SettingError
from seqbench.models.model import VARIANTS, Variant
from seqbench.models.readout import READOUTS
from seqbench.spec import WITH_MOMENTUM, RunSpec
from seqbench.tasks.task import Task


def check_settings(spec: RunSpec, task: Task) -> None:
    """Raise `UsageError` if settings of ``spec`` contradict each other, or see `check_model`.

    A `SettingError` for dropout between the layers of a single one, and for momentum of an
    optimiser that does not take it.
    """
    if spec.dropout > 0 and spec.num_layers == 1:
        raise SettingError("dropout", spec.dropout, "0 with one layer: it acts between layers")
    if spec.momentum > 0 and spec.optimizer not in WITH_MOMENTUM:
        expected = f"0 with {spec.optimizer}: it is a setting of {' and '.join(WITH_MOMENTUM)}"
        raise SettingError("momentum", spec.momentum, expected)
    check_model(spec, task)


def check_model(spec: RunSpec, task: Task) -> None:
    """Raise `UsageError` if the model that ``spec`` names does not exist or does not fit ``task``.

    An `UnknownNameError` for a variant or a read-out that is not registered, a `SettingError` for
    a read-out that does not give what the task takes, and for a bidirectional variant where it
    would read the answer.
    """
    variant = VARIANTS[spec.variant]
    _ = READOUTS[spec.readout]
    if spec.readout not in task.readouts:
        raise SettingError("readout", spec.readout, f"{' or '.join(task.readouts)} for {spec.task}")
    if not fits_task(variant, task):
        expected = f"a unidirectional one for {spec.task}: the next step is the target"
        raise SettingError("variant", spec.variant, expected)


def fits_task(variant: Variant, task: Task) -> bool:
    """Return whether a variant reads no more of a sequence than the task allows."""
    return task.looks_ahead or not variant.bidirectional
