"""Whether a model and a task go together."""

from seqbench.errors import SettingError
from seqbench.models.model import VARIANTS, Variant
from seqbench.models.readout import READOUTS
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task


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
