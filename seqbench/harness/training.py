"""The only training loop: one model on its way through one task."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seqbench.harness.memory import keep_freed_memory
from seqbench.harness.seeding import GlobalStream, derive_seed
from seqbench.harness.sharing import Sharing, share_batches
from seqbench.harness.timing import Stopwatch
from seqbench.models.sequence_model import build_model, check_encoding
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
        What to train; its device and thread count are applied.
    task
        Gives sizes, loss and score.
    data
        The task's data, on the spec's device already.
    """

    def __init__(self, spec: RunSpec, task: Task, data: TaskData) -> None:
        keep_freed_memory()
        self.spec = spec
        self.task = task
        self.data = data
        with GlobalStream(derive_seed(spec.seed, "initialisation"), spec.device).active():
            model = build_model(spec, features=task.features, outputs=task.outputs, time=task.time)
        self.model = model.to(spec.device)
        self._parameters = [each for each in self.model.parameters() if each.requires_grad]
        self.optimizer = torch.optim.Adam(self._parameters, lr=spec.learning_rate, fused=True)
        self._order = torch.Generator().manual_seed(derive_seed(spec.seed, "order"))
        self._dropout = GlobalStream(derive_seed(spec.seed, "dropout"), spec.device)
        with torch.random.fork_rng(self._dropout.devices), torch.no_grad():
            before = torch.get_rng_state()
            check_encoding(spec, self.model.encoder, self.model.as_real(data.train.inputs[:1]))
            draws = not torch.equal(before, torch.get_rng_state())
        shared = spec.device == "cpu" and not draws
        self._sharing = (
            share_batches(spec.threads, spec.batch_size) if shared else Sharing(spec.threads, 1)
        )

    def train_epoch(self) -> tuple[float, float]:
        """Train on every training example once, in the next random order.

        Returns
        -------
        loss, seconds
            The mean loss over the epoch's examples, each seen before the step that learns from
            it, and the seconds from the first batch to the end of the last step.
        """
        self.model.train()
        losses: list[Tensor] = []
        active = self._dropout.active(), self._sharing.active()
        with active[0], active[1], Stopwatch(self.spec.device) as watch:
            order = torch.randperm(len(self.data.train), generator=self._order)
            batches = order.to(self.spec.device).split(self.spec.batch_size)
            for batch in batches:
                losses.append(self._step(batch))
        sizes = torch.tensor([len(batch) for batch in batches], dtype=torch.float64)
        loss = torch.stack(losses).cpu().double() @ sizes / sizes.sum()
        return loss.item(), watch.seconds

    def _step(self, batch: Tensor) -> Tensor:
        """Learn from the training examples numbered in ``batch``; return their mean loss."""

        def differentiate(share: Tensor) -> tuple[Tensor, tuple[Tensor | None, ...]]:
            inputs = self.data.train.inputs.index_select(0, share)
            targets = self.data.train.targets.index_select(0, share)
            loss = self.task.loss(self.model(inputs), targets) * (len(share) / len(batch))
            return loss.detach(), torch.autograd.grad(loss, self._parameters, allow_unused=True)

        shares = self._sharing.map(differentiate, batch.chunk(self._sharing.shares))
        losses, gradients = zip(*shares, strict=True)
        for parameter, *parts in zip(self._parameters, *gradients, strict=True):
            if parts[0] is not None:
                for part in parts[1:]:
                    parts[0].add_(part)
            parameter.grad = parts[0]
        if self.spec.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self.spec.clip_norm)
        self.optimizer.step()
        return torch.stack(losses).sum()

    def evaluate(self, split: Split) -> Evaluation:
        """Return loss and score over ``split``; the clock covers the forward passes alone."""
        self.model.eval()
        with torch.inference_mode():
            with self._sharing.active(), Stopwatch(self.spec.device) as watch:
                batches = split.inputs.split(self.spec.batch_size)  # type: ignore[no-untyped-call]
                outputs = torch.cat(self._sharing.map(self.model, batches))
            loss = self.task.loss(outputs, split.targets)
            score = self.task.score(outputs, split.targets)
        return Evaluation(loss.item(), score, watch.seconds)


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
