"""The only training loop: one model on its way through one task."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seqbench.harness.seeding import GlobalStream, derive_seed
from seqbench.harness.timing import Stopwatch
from seqbench.models.model import build_model
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
        torch.set_num_threads(spec.threads)
        self.spec = spec
        self.task = task
        self.data = data
        with GlobalStream(derive_seed(spec.seed, "initialisation"), spec.device).active():
            model = build_model(spec, features=task.features, outputs=task.outputs)
        self.model = model.to(spec.device)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=spec.learning_rate, fused=True
        )
        self._order = torch.Generator().manual_seed(derive_seed(spec.seed, "order"))
        self._dropout = GlobalStream(derive_seed(spec.seed, "dropout"), spec.device)

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
        with self._dropout.active(), Stopwatch(self.spec.device) as watch:
            order = torch.randperm(len(self.data.train), generator=self._order)
            batches = order.to(self.spec.device).split(self.spec.batch_size)
            for batch in batches:
                losses.append(self._step(batch))
        sizes = torch.tensor([len(batch) for batch in batches], dtype=torch.float64)
        loss = torch.stack(losses).cpu().double() @ sizes / sizes.sum()
        return loss.item(), watch.seconds

    def _step(self, batch: Tensor) -> Tensor:
        """Learn from the training examples numbered in ``batch``; return their mean loss."""
        inputs = self.data.train.inputs.index_select(0, batch)
        targets = self.data.train.targets.index_select(0, batch)
        self.optimizer.zero_grad()
        loss = self.task.loss(self.model(inputs), targets)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def evaluate(self, split: Split) -> Evaluation:
        """Return loss and score over ``split``; the clock covers the forward passes alone."""
        self.model.eval()
        with torch.inference_mode():
            with Stopwatch(self.spec.device) as watch:
                outputs = torch.cat(
                    [self.model(inputs) for inputs in split.inputs.split(self.spec.batch_size)]
                )
            loss = self.task.loss(outputs, split.targets)
            score = self.task.score(outputs, split.targets).double().mean()
        return Evaluation(loss.item(), score.item(), watch.seconds)


def warm_up(spec: RunSpec, task: Task, data: TaskData) -> None:
    """Pay for loading kernels and filling caches, before the clock runs and memory is watched.

    A training of its own does that, with few examples, and is thrown away: what it learns and
    draws cannot reach the one that is measured.
    """
    examples = WARM_UP_BATCHES * spec.batch_size
    few = Split(data.train.inputs[:examples], data.train.targets[:examples])
    rehearsal = Training(spec, task, TaskData(train=few, test=few))
    rehearsal.train_epoch()
    rehearsal.evaluate(few)
