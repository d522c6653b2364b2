"""What the fused recurrences have in common: all of a layer but its two functions of tensors.

torch.nn's own forward pass allocates tensors at each step and its backward pass forms a product of
weight gradients for each. A fused layer does together what need not wait for the step before: the
input's product with its weights, the gradients of all weights and of the input. What is left inside
the loop works in place, and without Python, whose GIL only one of the threads that share a batch
can hold.
"""

import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seqbench.errors import UnsupportedError
from seqbench.models.native import NativeEncoder
from seqbench.models.readout import Encoding

Outputs = tuple[Tensor, Tensor, Tensor]
"""States (time, batch, hidden), and again those at the first and at the last time step.

A loss that needs only one of the ends has no gradient for the others then, and what need not be
computed for them is not.
"""

BLOCK = 7
"""Steps that are computed together: few enough to stay in the cache."""


class Scripted:
    """A function of tensors in TorchScript, which runs it without the GIL: a decorator.

    It does the same as the function unchanged, which is what runs where a torch has no TorchScript
    any more. Its types are plain ones, for TorchScript reads them. It is compiled when it is first
    called: whoever imports this does not wait for it.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.compiled(*arguments, **named)

    @cached_property
    def compiled(self) -> Callable[..., Any]:
        """The function that runs, a ``torch.jit.ScriptFunction`` where there is one."""
        if not hasattr(torch.jit, "script"):
            return self._function
        with warnings.catch_warnings():  # deprecated; nothing that needs no compiler follows it
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.script(self._function)  # type: ignore[no-any-return]


class FusedLayer(NamedTuple):
    """One direction of one layer, h_0 = 0: what a fused recurrence brings.

    Both functions are `Scripted`. ``weights`` are those of input and state and their biases, as
    torch.nn has them, ``reverse`` states whether the sequence is read from its end, ``block`` is
    `BLOCK`.

    Parameters
    ----------
    run
        (inputs, weights, reverse, block) → the states (time, batch, hidden), and what
        ``differentiate`` needs besides. Inputs are (time, batch, features).
    differentiate
        (inputs, weights, states, kept, from_above, from_first, from_last, reverse, wants_inputs,
        block) → the gradient of the inputs, None if it is not requested, and those of the weights.
        ``kept`` is what ``run`` handed on, ``from_…`` are the gradients of `Outputs`, None where
        the loss does not depend on one.
    """

    run: Callable[..., tuple[Tensor, list[Tensor]]]
    differentiate: Callable[..., tuple[Tensor | None, list[Tensor]]]


class _Reading(torch.autograd.Function):
    """A `FusedLayer` as a function that autograd knows."""

    @staticmethod
    def forward(
        ctx: Any,
        layer: FusedLayer,
        reverse: bool,
        inputs: Float[Tensor, "time batch features"],
        *weights: Tensor,
    ) -> Outputs:
        states, kept = layer.run(inputs, list(weights), reverse, BLOCK)
        ctx.save_for_backward(inputs, states, *weights, *kept)
        ctx.layer, ctx.reverse, ctx.weights = layer, reverse, len(weights)
        ctx.set_materialize_grads(False)
        return states, states[0].clone(), states[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,
        from_above: Float[Tensor, "time batch hidden"] | None,
        from_first: Float[Tensor, "batch hidden"] | None,
        from_last: Float[Tensor, "batch hidden"] | None,
    ) -> tuple[Tensor | None, ...]:
        inputs, states, *others = ctx.saved_tensors
        weights, kept = others[: ctx.weights], others[ctx.weights :]
        outside = from_above, from_first, from_last
        wants_inputs = ctx.needs_input_grad[2]
        of_inputs, of_weights = ctx.layer.differentiate(
            inputs, weights, states, kept, *outside, ctx.reverse, wants_inputs, BLOCK
        )
        return None, None, of_inputs, *of_weights


class FusedEncoder(NativeEncoder):
    """`NativeEncoder` in another implementation: equal weights, names and initial values.

    Outputs and gradients equal torch.nn's own to rounding.

    Raises
    ------
    UnsupportedError
        Under autocast: what works in place has the type of the weights.
    """

    @property
    @abstractmethod
    def layer(self) -> FusedLayer:
        """What reads a sequence with one direction of one layer."""

    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        if torch.is_autocast_enabled(inputs.device.type):
            raise UnsupportedError("the fused implementation computes in float32 only")
        steps = inputs.transpose(0, 1).contiguous()
        drops = self.training and self.recurrence.dropout > 0
        for layer, weights in enumerate(self.weights()):
            if layer > 0 and drops:
                steps = nn.functional.dropout(steps, self.recurrence.dropout)
            if len(weights) == 1:
                steps, _, at_end = self._read(steps, weights[0], False)
                final = at_end[None]
            else:
                forwards, _, end = self._read(steps, weights[0], False)
                backwards, start, first_read = self._read(steps, weights[1], True)
                steps = torch.cat([forwards, backwards], dim=2)
                final, at_end = torch.stack([end, start]), torch.cat([end, first_read], dim=1)
        return Encoding(steps.transpose(0, 1), final, at_end)

    def _read(
        self, steps: Float[Tensor, "time batch features"], weights: Sequence[Tensor], reverse: bool
    ) -> Outputs:
        read: Callable[..., Outputs] = _Reading.apply
        return read(self.layer, reverse, steps, *weights)


def block_of(done: int, size: int, time: int, from_end: bool) -> tuple[int, int]:
    """Return the first step of the block that follows ``done`` steps, and the one after its last.

    Steps are counted in time; those done are at the beginning or, ``from_end``, at the end.
    """
    if from_end:
        return max(0, time - done - size), time - done
    return done, min(time, done + size)


def in_order(values: Tensor, reverse: bool) -> list[Tensor]:
    """Return ``values`` step by step, first to last in time or, if ``reverse``, last to first."""
    steps = list(values.unbind(0))
    return steps[::-1] if reverse else steps


def find_earlier(low: int, high: int, time: int, reverse: bool) -> tuple[int, int, int]:
    """Return which steps of a block have an earlier state, and its distance in time.

    Those are all from the first number up to, but without, the second: all but the step that was
    read first. Its earlier state is 0, so hidden weights get no gradient from it, and since it is
    left out of the sum no rounding either.
    """
    if reverse:
        return low, min(high, time - 1), 1
    return max(low, 1), high, -1


def reach(
    time: int,
    reverse: bool,
    from_above: Tensor | None,
    from_first: Tensor | None,
    from_last: Tensor | None,
) -> tuple[int, int]:
    """Return the first step that a gradient reaches, and the one after the last, in time.

    ``reverse`` is the order of reading; the gradients are those of `Outputs`, None where the loss
    does not depend on an output. Of a backward direction that is read out at the last time step
    that is one step: the one that was read first.
    """
    at_end = from_first if reverse else from_last
    if from_above is not None or at_end is not None:
        return 0, time
    return (time - 1, time) if reverse else (0, 1)
