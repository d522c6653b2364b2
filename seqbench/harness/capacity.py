"""Whether a run is too large for this machine: estimated before anything of it is allocated."""

from seqbench.errors import UnsupportedError
from seqbench.free_memory import format_memory
from seqbench.models.sequence_model import SequenceModel, count_parameters
from seqbench.spec import RunSpec
from seqbench.tasks.task import TaskData
from seqbench.training.accelerator import accelerator_of

_MOMENTS = {"adam": 2, "adamw": 2, "rmsprop": 1, "sgd": 0}

_BYTES_PER_OUTPUT = 8  # of the encoder at one step, and its gradient


def count_bytes_per_parameter(spec: RunSpec) -> int:
    """Return what a parameter takes in training, in bytes of float32.

    Itself, its gradient from autograd and as the optimiser gets it, and the optimiser's state.
    """
    return 4 * (3 + _MOMENTS[spec.optimizer] + (spec.momentum > 0))


def check_memory(spec: RunSpec, model: SequenceModel, data: TaskData, time: int) -> None:
    """Raise `UnsupportedError` if training needs more memory than is free, for any variant.

    Counted are the weights, and what the encoder gives at each step of a full batch. All else comes
    on top, so what passes may still run out of memory.

    Parameters
    ----------
    spec, data
        Of the run.
    model
        On the meta device.
    time
        Steps of a sequence.
    """
    free = accelerator_of(spec.device).read_free_memory()
    parameters = count_parameters(model)
    examples = min(spec.batch_size, len(data.train))
    outputs = examples * time * model.encoder.width
    needed = parameters * count_bytes_per_parameter(spec) + outputs * _BYTES_PER_OUTPUT
    if needed > free:
        raise UnsupportedError(
            f"training {parameters:,} parameters on batches of {examples} sequences, {time} "
            f"steps, needs more than {format_memory(needed)} of memory, and "
            f"{format_memory(free)} are free"
        )
