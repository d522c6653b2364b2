"""Whether the rule of `products` sees what a model does: compared with what torch executes.

The rule counts each weight once for each step. It is silent about work of another kind, such as a
solver that goes over its state number by number, and about weights that are used more often than it
thinks, or not at all. Then there is no figure that is worth recording.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from seqbench.models.products import count_flops
from seqbench.models.torch_flops import count_run

LONGEST = 32
"""Time steps that are tried: what is done for each of them is the same in a longer sequence."""

_MORE, _LESS = 1.5, 0.2
"""How many times the rule's products torch may count, and operations may be element-wise.

Torch counts a complex product as 2 operations where it is 8, and an implementation may spare the
first step."""

_COMPLEX = 8
"""Operations that a number may be worth which is written element by element: torch does so where a
product has one number to sum over, as with a single feature, and it may be complex."""


class _ElementWise(TorchDispatchMode):
    """Counts the numbers that element-wise operations write while it is active."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numbers = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if torch.Tag.pointwise in getattr(func, "tags", ()):
            written = result if isinstance(result, tuple | list) else (result,)
            self.numbers += sum(each.numel() for each in written if isinstance(each, Tensor))
        return result


def find_unseen_work(model: nn.Module, inputs: Tensor) -> str | None:
    """Return what the rule does not see of a model's work, in a sentence; None if it sees it.

    Parameters
    ----------
    model
        A `SequenceModel`, in evaluation mode.
    inputs
        One sequence, real or tokens; only its first steps are tried. A model that takes no shorter
        sequence than the task's is believed.
    """
    steps = min(inputs.shape[1], LONGEST)
    few = inputs[:1, :steps].clone()
    counting = _ElementWise()
    try:
        with torch.inference_mode(), counting:
            done = count_run(lambda: model(few))
    except Exception:  # it takes no shorter sequence, or does what cannot be watched
        return None
    counted = count_flops(model, steps)
    if counting.numbers > _MORE * max(counted, done):
        return (
            f"most of its operations are element-wise: {counting.numbers:,} operations in "
            f"{steps} steps, compared with {counted:,} of matrix products"
        )
    if not (done <= _MORE * counted and _LESS * counted <= done + _COMPLEX * counting.numbers):
        return (
            f"the rule counts {counted:,} operations of matrix products in {steps} steps, torch "
            f"counts {done:,}: a module with other operations declares them with `products`"
        )
    return None
