"""The only training loop: one model on its way through one task."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqbench.errors import UnsupportedError
from seqbench.harness.memory import keep_freed_memory, measure_step_memory
from seqbench.harness.precision import DTYPES, autocast, check_precision, products_in
from seqbench.harness.seeding import GlobalStream, derive_seed
from seqbench.harness.sharing import Sharing, share_batches
from seqbench.harness.stepping import CapturedStep, Gradients, Update
from seqbench.harness.timing import Stopwatch
from seqbench.models.sequence_model import build_model, encode_checked
from seqbench.spec import RunSpec
from seqbench.tasks.task import Split, Task, TaskData

WARM_UP_BATCHES = 3


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

    Raises
    ------
    UnsupportedError
        If the spec's settings do not go together here.
    ContractError
        If the variant's encoder gives a wrong shape.
    """

    def __init__(self, spec: RunSpec, task: Task, data: TaskData) -> None:
        check_precision(spec.precision, spec.device)
        keep_freed_memory()
        self.spec = spec
        self.task = task
        self.data = data
        with GlobalStream(derive_seed(spec.seed, "initialisation"), spec.device).active():
            model = build_model(spec, features=task.features, outputs=task.outputs, time=task.time)
        self.model = model.to(spec.device)
        self.parameters = [each for each in self.model.parameters() if each.requires_grad]
        self._order = torch.Generator().manual_seed(derive_seed(spec.seed, "order"))
        self._dropout = GlobalStream(derive_seed(spec.seed, "dropout"), spec.device)
        draws = self._try_out()
        shared = spec.device == "cpu" and self.model.encoder.reentrant and not draws
        self._sharing = (
            share_batches(spec.threads, spec.batch_size) if shared else Sharing(spec.threads, 1)
        )
        batches = -(-len(data.train) // spec.batch_size)
        self._update = Update(spec, self.parameters, max(1, spec.epochs) * batches)
        self._learn = CapturedStep(self._step, spec) if spec.cuda_graph else self._step

    def _try_out(self) -> bool:
        """Encode one example and check what comes of it; tell whether that drew random numbers."""
        spec, example = self.spec, self.model.as_real(self.data.train.inputs[:1])
        with torch.random.fork_rng(self._dropout.devices), torch.no_grad():
            before = torch.get_rng_state()
            with autocast(spec.precision, spec.device):
                encoding = encode_checked(spec, self.model.encoder, example)
            draws = not torch.equal(before, torch.get_rng_state())
        if encoding.steps.dtype != DTYPES[spec.precision]:
            raise UnsupportedError(
                f"{spec.variant} ({spec.implementation}) does not compute in {spec.precision} "
                f"here: it gives {encoding.steps.dtype}"
            )
        return draws

    @property
    def shares(self) -> int:
        """How many threads share a batch in training; in inference each takes one of its own."""
        return self._sharing.shares

    def state_dict(self) -> dict[str, Any]:
        """Return all that the epochs to come depend on: weights, optimiser, random streams."""
        return {
            "model": self.model.state_dict(),
            "update": self._update.state_dict(),
            "order": self._order.get_state(),
            "dropout": self._dropout.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another training of an equal spec stood, to the last bit."""
        self.model.load_state_dict(state["model"])
        self._update.load_state_dict(state["update"])
        self._order.set_state(state["order"])
        self._dropout.load_state_dict(state["dropout"])

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
            The mean loss over the epoch's examples, each seen before the step that learns from
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
        sizes = torch.tensor([len(batch) for batch in batches], dtype=torch.float64)
        loss = torch.stack(losses).cpu().double() @ sizes / sizes.sum()
        return loss.item(), watch.seconds

    def draw_batches(self) -> tuple[Tensor, ...]:
        """Return the numbers of the training examples, batch by batch, in the next order."""
        order = torch.randperm(len(self.data.train), generator=self._order)
        return torch.split(order.to(self.spec.device), self.spec.batch_size)

    def step(self, batch: Tensor) -> Tensor:
        """Learn from the training examples numbered in ``batch``; return their mean loss."""
        loss = self._learn(batch)
        self._update.advance()
        return loss

    def forward(self, batch: Tensor) -> list[Tensor]:
        """Return the loss of each share of ``batch``, weighted so that their sum is the mean."""
        return self._sharing.map(self._loss_of(batch), batch.chunk(self._sharing.shares))

    def backward(self, losses: list[Tensor], *, keep: bool = False) -> list[Gradients]:
        """Return the gradients of each share's loss; ``keep`` lets it be done once more."""
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
            loss = self.task.loss(outputs, split.targets)
            score = self.task.score(outputs, split.targets)
        return Evaluation(loss.item(), score, watch.seconds)

    def measure_memory(self, batch: Tensor) -> int:
        """Return the most bytes held at once for the model and a training step on ``batch``.

        See `measure_step_memory`. To be called within `active`, off the clock, after the first
        steps; the model learns from ``batch`` twice more.
        """
        work = self._differentiator(batch)

        def finish(shares: list[tuple[Tensor, Gradients]]) -> None:
            self._update.apply(_join(shares)[1])

        def held() -> Iterator[Tensor]:
            yield from self.model.parameters()
            yield from self.model.buffers()
            yield from (each.grad for each in self.parameters if each.grad is not None)
            yield from self._update.tensors

        for parameter in self.parameters:
            parameter.grad = None
        shares = [partial(work, share) for share in batch.chunk(self._sharing.shares)]
        return measure_step_memory(shares, finish, held, self.spec.device)

    def _differentiator(self, batch: Tensor) -> Callable[[Tensor], tuple[Tensor, Gradients]]:
        loss_of = self._loss_of(batch)

        def both(share: Tensor) -> tuple[Tensor, Gradients]:
            loss = loss_of(share)
            return loss.detach(), self._gradients_of(loss)

        return both

    def _step(self, batch: Tensor) -> Tensor:
        loss, gradients = self.differentiate(batch)
        self._update.apply(gradients)
        return loss

    def _loss_of(self, batch: Tensor) -> Callable[[Tensor], Tensor]:
        def loss_of(share: Tensor) -> Tensor:
            inputs = self.data.train.inputs.index_select(0, share)
            targets = self.data.train.targets.index_select(0, share)
            return self.task.loss(self._outputs(inputs), targets) * (len(share) / len(batch))

        return loss_of

    def _outputs(self, inputs: Tensor) -> Tensor:
        with autocast(self.spec.precision, self.spec.device):
            outputs: Tensor = self.model(inputs)
        return outputs.float()

    def _gradients_of(self, loss: Tensor, *, keep: bool = False) -> Gradients:
        loss = self._update.scale(loss)
        return torch.autograd.grad(loss, self.parameters, retain_graph=keep, allow_unused=True)


def _join(shares: list[tuple[Tensor, Gradients]]) -> tuple[Tensor, list[Gradients]]:
    """Return the loss of a batch and each share's gradients, from those of its shares."""
    losses, gradients = zip(*shares, strict=True)
    return torch.stack(losses).sum(), list(gradients)


def warm_up(spec: RunSpec, task: Task, data: TaskData) -> None:
    """Pay for loading kernels and filling caches, before the clock runs and memory is watched.

    A training of its own does that, with few examples, and is thrown away: what it learns and
    draws cannot reach the one that is measured.
    """
    examples = WARM_UP_BATCHES * spec.batch_size
    few = data.train.first(examples)
    rehearsal = Training(spec, task, TaskData(train=few, test=few))
    rehearsal.train_epoch()
    rehearsal.evaluate(few)
