"""Read-outs: what of an encoded sequence the head gets to see."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from seqbench.registry import Registry


class Encoding(NamedTuple):
    """What an encoder makes of a batch of sequences.

    ``steps`` is the last layer's output at every time step, the directions side by side in
    ``width``. ``final`` is each direction's own last state in the last layer: after the last step
    for the forward direction, after the first for the backward one, which reads from the end.
    ``at_end`` is ``steps[:, -1]`` again, from an encoder that learns faster if it is taken from
    there: a gradient of that one step needs none of the others.
    """

    steps: Float[Tensor, "batch time width"]
    final: Float[Tensor, "directions batch hidden"]
    at_end: Float[Tensor, "batch width"] | None = None


Readout = Callable[[Encoding], Tensor]

READOUTS: Registry[Readout] = Registry("read-out")


@READOUTS.register("last")
def last(encoding: Encoding) -> Float[Tensor, "batch width"]:
    """Take the output at the last time step, ``out[:, -1]``: the notebook's read-out.

    Of a bidirectional encoder it takes the backward direction after one step only: the recurrent
    weights of that direction in the last layer never get a gradient, and stay as they were drawn.
    """
    return encoding.steps[:, -1] if encoding.at_end is None else encoding.at_end


@READOUTS.register("final")
def final(encoding: Encoding) -> Float[Tensor, "batch width"]:
    """Each direction's own last state: both have read the whole sequence."""
    return encoding.final.transpose(0, 1).flatten(start_dim=1)


@READOUTS.register("mean")
def mean(encoding: Encoding) -> Float[Tensor, "batch width"]:
    """Take the mean of the outputs over time."""
    return encoding.steps.mean(dim=1)


@READOUTS.register("each")
def each(encoding: Encoding) -> Float[Tensor, "batch time width"]:
    """Keep the output of every time step: for tasks that want an answer at each."""
    return encoding.steps


@READOUTS.register("max")
def greatest(encoding: Encoding) -> Float[Tensor, "batch width"]:
    """Take the greatest output over time, unit by unit."""
    return encoding.steps.amax(dim=1)
