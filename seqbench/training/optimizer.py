"""The end of a training step: gradients in, new weights out; and the whole step as a graph."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from seqbench.errors import UnsupportedError
from seqbench.spec import RunSpec
from seqbench.training.accelerator import accelerator_of

Gradients = tuple[Tensor | None, ...]
"""One for each parameter, None where the loss does not depend on it."""

_EAGER_STEPS = 3  # before a capture


class Update:
    """A spec's optimiser with its settings: clipping, a schedule, scaled losses.

    Gradients are summed into tensors of its own, with the memory layout of the parameters. So
    nothing is added into, or scaled in, a tensor that autograd or a model holds elsewhere: one
    tensor may well be the gradient of two parameters. And torch's fused kernels, which use both in
    the order of memory and ignore strides, find each number next to its weight.

    Parameters
    ----------
    spec
        Gives optimiser, learning rate, schedule, gradient-clipping norm and precision.
    parameters
        What is trained.
    steps
        How many steps the run has, for the schedule.
    projections
        Called after each step: what keeps weights within their bounds.
    """

    def __init__(
        self,
        spec: RunSpec,
        parameters: Sequence[torch.nn.Parameter],
        steps: int,
        projections: Sequence[Callable[[], object]] = (),
    ) -> None:
        self._parameters = parameters
        self._gradients = [torch.empty_like(each, requires_grad=False) for each in parameters]
        self._projections = projections
        self._clip_norm = spec.clip_norm
        self._optimizer = _make_optimizer(spec, parameters)
        self._schedule = (
            torch.optim.lr_scheduler.OneCycleLR(
                self._optimizer, spec.learning_rate, total_steps=steps, cycle_momentum=False
            )
            if spec.schedule == "one-cycle"
            else None
        )
        # half precision has too few small numbers for unscaled gradients
        half = spec.precision == "float16"
        kind = accelerator_of(spec.device).torch_device
        self._scaler = torch.amp.GradScaler(kind) if half else None

    def scale(self, loss: Tensor) -> Tensor:
        """Return what is to be differentiated in place of ``loss``."""
        return self._scaler.scale(loss) if self._scaler else loss

    def collect(self, shares: Sequence[Gradients]) -> None:
        """Give each parameter its gradient: the sum over a batch's shares, unscaled and clipped."""
        for parameter, own, *parts in zip(self._parameters, self._gradients, *shares, strict=True):
            known = [part for part in parts if part is not None]
            parameter.grad = _sum_into(own, known) if known else None
        if self._scaler:
            self._scaler.unscale_(self._optimizer)
        if self._clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)

    def apply(self, shares: Sequence[Gradients]) -> None:
        """Take one step along the sum of the gradients of a batch's shares."""
        self.collect(shares)
        if self._scaler:
            self._scaler.step(self._optimizer)
            self._scaler.update()
        else:
            self._optimizer.step()
        for project in self._projections:
            project()

    @property
    def tensors(self) -> list[Tensor]:
        """What is kept from step to step besides the parameters: gradients, optimiser state."""
        kept: list[Any] = [
            value for each in self._optimizer.state.values() for value in each.values()
        ]
        return [*self._gradients, *(value for value in kept if isinstance(value, Tensor))]

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next step depends on besides the parameters."""
        parts = {
            "optimizer": self._optimizer,
            "schedule": self._schedule,
            "scaler": self._scaler,
        }
        return {name: part.state_dict() for name, part in parts.items() if part is not None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of another optimiser of the same settings.

        A learning rate in a tensor stays in that tensor: a captured step reads it there.
        """
        kept = [group["lr"] for group in self._optimizer.param_groups]
        self._optimizer.load_state_dict(state["optimizer"])
        for group, rate in zip(self._optimizer.param_groups, kept, strict=True):
            if isinstance(rate, Tensor):
                group["lr"] = rate.copy_(group["lr"])
        if self._schedule:
            self._schedule.load_state_dict(state["schedule"])
        if self._scaler:
            self._scaler.load_state_dict(state["scaler"])

    def advance(self) -> None:
        """Apply the schedule's next learning rate."""
        if self._schedule:
            self._schedule.step()


def _make_optimizer(
    spec: RunSpec, parameters: Sequence[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    """Return torch's optimiser, by its fused kernel where it has one.

    The learning rate of a step that is captured is a tensor, which the graph reads when it runs.
    """
    rate = spec.learning_rate
    settings: dict[str, Any] = {
        "lr": torch.tensor(rate, device=parameters[0].device) if spec.cuda_graph else rate,
        "weight_decay": spec.weight_decay,
    }
    match spec.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, momentum=spec.momentum, fused=True, **settings)
        case "rmsprop":
            settings |= {"momentum": spec.momentum, "capturable": spec.cuda_graph}
            return torch.optim.RMSprop(parameters, foreach=True, **settings)
        case "adamw":
            kind: type[torch.optim.Adam] = torch.optim.AdamW
        case _:
            kind = torch.optim.Adam
    return kind(parameters, fused=True, capturable=spec.cuda_graph, **settings)


def _sum_into(own: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """Return ``own``, filled with the sum of ``parts`` in their order."""
    if len(parts) == 1:
        return own.copy_(parts[0])
    torch.add(parts[0], parts[1], out=own)
    for part in parts[2:]:
        own.add_(part)
    return own


class CapturedStep:
    """A training step that is recorded once as a graph of the device and from then on replayed.

    A graph is queued by one call, where the step alone takes hundreds. A batch of another size is
    learnt from step by step, with the same effect.

    Parameters
    ----------
    step
        Learns from the examples numbered in a batch and returns the mean loss.
    spec
        Gives the device and the size of a full batch.

    Raises
    ------
    UnsupportedError
        If the device has no graphs, or the precision needs the CPU to look at every step.
    """

    def __init__(self, step: Callable[[Tensor], Tensor], spec: RunSpec) -> None:
        self._capture = accelerator_of(spec.device).make_capture()
        if spec.precision == "float16":
            raise UnsupportedError("a CUDA graph cannot skip a step, as float16 may require")
        self._step = step
        self._batch_size = spec.batch_size
        self._batch: Tensor | None = None

    def prepare(self, batch: Tensor, tensors: Callable[[], Iterable[Tensor]]) -> None:
        """Record the step on a full batch; what it trained meanwhile is put back.

        Parameters
        ----------
        batch
            Numbers of examples.
        tensors
            Returns all that a step changes. What an optimiser makes in its first step is zero
            before it.
        """
        before = {id(each): each.detach().clone() for each in tensors()}
        read = batch.clone()
        for _ in range(_EAGER_STEPS):
            self._capture.warm_up(lambda: self._step(batch))
        self._loss = self._capture.record(lambda: self._step(read))
        self._batch = read
        with torch.no_grad():
            for each in tensors():
                known = before.get(id(each))
                each.zero_() if known is None else each.copy_(known)

    def __call__(self, batch: Tensor) -> Tensor:
        if self._batch is None or len(batch) != self._batch_size:
            return self._step(batch)
        self._batch.copy_(batch)
        self._capture.replay()
        return self._loss.clone()
