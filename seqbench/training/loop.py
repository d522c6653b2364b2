"""The only training loop: one model on its way through one task."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seqbench.errors import UnsupportedError
from seqbench.models.model import list_projections
from seqbench.models.sequence_model import build_model
from seqbench.spec import RunSpec
from seqbench.tasks.contract import as_score, check_loss
from seqbench.tasks.task import Split, Task, TaskData
from seqbench.training.accelerator import accelerator_of
from seqbench.training.allocator import keep_freed_memory
from seqbench.training.clock import Stopwatch
from seqbench.training.optimizer import CapturedStep, Gradients, Update
from seqbench.training.peak_memory import measure_step_memory
from seqbench.training.precision import autocast, check_precision, products_in
from seqbench.training.random_streams import (
    GlobalStream,
    derive_seed,
    read_streams,
    set_streams,
)
from seqbench.training.threads import Sharing


@dataclass(frozen=True)
class Evaluation:
    """Mean loss and score over a split, and the seconds that getting the outputs took."""

    loss: float
    score: float
    seconds: float


class Training:
    """A model, its optimiser and its random streams, ready to train epoch by epoch.

    Parameters
    ----------
    spec
        What to train; its device, precision and thread count are applied.
    task
        Gives sizes, loss and score.
    data
        The task's data, on the spec's device already.
    shares
        How many threads share a batch in training; in inference each takes one of its own. What a
        model allows is found by `observation.choose_shares`.

    Raises
    ------
    UnsupportedError
        If the spec's settings are incompatible here.
    """

    def __init__(self, spec: RunSpec, task: Task, data: TaskData, shares: int = 1) -> None:
        check_precision(spec.precision, spec.device)
        keep_freed_memory()
        self.spec = spec
        self.task = task
        self.data = data
        with GlobalStream(derive_seed(spec.seed, "initialisation"), spec.device).active():
            model = build_model(spec, features=task.features, outputs=task.outputs, time=task.time)
        self.model = model.to(accelerator_of(spec.device).torch_device)
        self.parameters = [each for each in self.model.parameters() if each.requires_grad]
        self._order = torch.Generator().manual_seed(derive_seed(spec.seed, "order"))
        self._dropout = GlobalStream(derive_seed(spec.seed, "dropout"), spec.device)
        self.shares = shares
        self._sharing = Sharing(spec.threads, shares)
        batches = -(-len(data.train) // spec.batch_size)
        steps = max(1, spec.epochs) * batches
        self.update = Update(spec, self.parameters, steps, list_projections(self.model))
        self._captured = CapturedStep(self._step, spec) if spec.cuda_graph else None

    @property
    def drawn(self) -> bool:
        """Whether anything drew random numbers in training or evaluation so far."""
        return self._dropout.drawn

    def state_dict(self) -> dict[str, Any]:
        """Return all that the epochs to come depend on: weights, optimiser, random streams."""
        return {
            "model": self.model.state_dict(),
            "update": self.update.state_dict(),
            "order": self._order.get_state(),
            "dropout": self._dropout.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of another training of an equal spec, to the last bit."""
        self.model.load_state_dict(state["model"])
        self.update.load_state_dict(state["update"])
        self._order.set_state(state["order"])
        self._dropout.load_state_dict(state["dropout"])

    def prepare(self) -> None:
        """Record the step as a graph, if the spec says so; nothing is learnt. Off the clock.

        Raises
        ------
        UnsupportedError
            If there are too few examples for a full batch, or the model has torch's own layers
            with dropout between them: cuDNN keeps its state where a graph would not find it again.
        """
        if self._captured is None:
            return
        layers = [each for each in self.model.modules() if isinstance(each, nn.RNNBase)]
        if self.spec.implementation == "native" and any(each.dropout for each in layers):
            raise UnsupportedError("a CUDA graph cannot hold the dropout between native layers")
        examples, size = len(self.data.train), self.spec.batch_size
        if examples < size:
            raise UnsupportedError(
                f"a CUDA graph needs a full batch: {examples} of {size} examples"
            )
        self.model.train()
        with self.active():
            streams = read_streams(self._dropout.devices)
            batch = torch.arange(size, device=self.data.train.targets.device)
            self._captured.prepare(batch, self._list_held)
            set_streams(streams)

    def active(self) -> ExitStack:
        """Return the context in which steps run: random streams, threads, precision."""
        stack = ExitStack()
        stack.enter_context(self._dropout.active())
        stack.enter_context(self._sharing.active())
        stack.enter_context(products_in(self.spec.precision, self.spec.device))
        return stack

    def train_epoch(
        self,
        pause_every: int | None = None,
        pause: Callable[[int, float], object] = lambda batches, seconds: None,
    ) -> tuple[float, float]:
        """Train on every training example once, in the next random order.

        Parameters
        ----------
        pause_every
            Batches after which the clock stops for ``pause``; None for never.
        pause
            Is given the batches and seconds of the epoch so far.

        Returns
        -------
        loss, seconds
            The mean loss over the epoch's answers, each seen before the step that learns from
            it, and the seconds from the first batch to the end of the last step.
        """
        self.model.train()
        losses: list[Tensor] = []
        watch = Stopwatch(self.spec.device)
        with self.active():
            with watch:
                batches = self.draw_batches()
            parts = pause_every or len(batches)
            for start in range(0, len(batches), parts):
                with watch:
                    losses += [self.step(batch) for batch in batches[start : start + parts]]
                if len(losses) < len(batches):
                    pause(len(losses), watch.seconds)
                    self.model.train()
        answers = torch.stack([self._count_answers(batch) for batch in batches]).cpu().double()
        loss = torch.stack(losses).cpu().double() @ answers / answers.sum()
        return loss.item(), watch.seconds

    def draw_batches(self) -> tuple[Tensor, ...]:
        """Return the numbers of the training examples, batch by batch, in the next order."""
        order = torch.randperm(len(self.data.train), generator=self._order)
        device = self.data.train.targets.device
        return torch.split(order.to(device), self.spec.batch_size)

    def step(self, batch: Tensor) -> Tensor:
        """Learn from the training examples numbered in ``batch``; return their mean loss."""
        loss = (self._captured or self._step)(batch)
        self.update.advance()
        return loss

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the task's loss, 0-d."""
        return check_loss(self.spec.task, self.task.loss(outputs, targets))

    def forward(self, batch: Tensor) -> list[Tensor]:
        """Return the loss of each share of ``batch``, weighted so that their sum is the mean."""
        return self._sharing.map(self._loss_of(batch), batch.chunk(self._sharing.shares))

    def backward(self, losses: list[Tensor], *, keep: bool = False) -> list[Gradients]:
        """Return the gradients of each share's loss; ``keep`` lets it be done again."""
        return self._sharing.map(partial(self._gradients_of, keep=keep), losses)

    def differentiate(self, batch: Tensor) -> tuple[Tensor, list[Gradients]]:
        """Return the mean loss of ``batch`` and the gradients of each of its shares.

        Like `backward` after `forward`, but a thread that is done with the one goes on to the
        other at once.
        """
        shares = batch.chunk(self._sharing.shares)
        return _join(self._sharing.map(self._differentiator(batch), shares))

    def infer(self, inputs: Tensor) -> Tensor:
        """Return the model's outputs for ``inputs``, batch by batch, without gradients."""
        batches = torch.split(inputs, self.spec.batch_size)
        return torch.cat(self._sharing.map(self._outputs, batches))

    def evaluate(self, split: Split) -> Evaluation:
        """Return loss and score over ``split``; the clock covers the forward passes alone."""
        self.model.eval()
        with torch.inference_mode(), self.active():
            with Stopwatch(self.spec.device) as watch:
                outputs = self.infer(split.inputs)
            loss = self.loss(outputs, split.targets).item()
            given = self.task.score(outputs, split.targets)
        score = as_score(self.spec.task, self.task.metric, given, finite=math.isfinite(loss))
        return Evaluation(loss, score, watch.seconds)

    def measure_memory(self, batch: Tensor) -> int:
        """Return the most bytes held at once for the model and a training step on ``batch``.

        See `measure_step_memory`. To be called within `active`, off the clock, after the first
        steps; the model learns from ``batch`` twice more.
        """
        work = self._differentiator(batch)

        def finish(shares: list[tuple[Tensor, Gradients]]) -> None:
            self.update.apply(_join(shares)[1])

        shares = [partial(work, share) for share in batch.chunk(self._sharing.shares)]
        return measure_step_memory(shares, finish, self._list_held, self.spec.device)

    def _list_held(self) -> Iterator[Tensor]:
        """Yield what is held between steps."""
        yield from self.model.parameters()
        yield from self.model.buffers()
        yield from self.update.tensors

    def _differentiator(self, batch: Tensor) -> Callable[[Tensor], tuple[Tensor, Gradients]]:
        loss_of = self._loss_of(batch)

        def both(share: Tensor) -> tuple[Tensor, Gradients]:
            loss = loss_of(share)
            return loss.detach(), self._gradients_of(loss)

        return both

    def _step(self, batch: Tensor) -> Tensor:
        loss, gradients = self.differentiate(batch)
        self.update.apply(gradients)
        return loss

    def _loss_of(self, batch: Tensor) -> Callable[[Tensor], Tensor]:
        whole = self._count_answers(batch) if self.shares > 1 else None

        def loss_of(share: Tensor) -> Tensor:
            inputs = self.data.train.inputs.index_select(0, share)
            targets = self.data.train.targets.index_select(0, share)
            loss = self.loss(self._outputs(inputs), targets)
            return loss if whole is None else loss * (self.task.count_answers(targets) / whole)

        return loss_of

    def _count_answers(self, batch: Tensor) -> Tensor:
        """Return how many answers the loss of a batch is a mean over, at least 1."""
        targets = self.data.train.targets.index_select(0, batch)
        return self.task.count_answers(targets).clamp(min=1)

    def _outputs(self, inputs: Tensor) -> Tensor:
        with autocast(self.spec.precision, self.spec.device, shared=self.shares > 1):
            outputs: Tensor = self.model(inputs)
        return outputs.to(self.model.head.weight.dtype)

    def _gradients_of(self, loss: Tensor, *, keep: bool = False) -> Gradients:
        loss = self.update.scale(loss)
        return torch.autograd.grad(loss, self.parameters, retain_graph=keep, allow_unused=True)


def _join(shares: list[tuple[Tensor, Gradients]]) -> tuple[Tensor, list[Gradients]]:
    """Return the loss of a batch and each share's gradients, from those of its shares."""
    losses, gradients = zip(*shares, strict=True)
    return torch.stack(losses).sum(), list(gradients)
