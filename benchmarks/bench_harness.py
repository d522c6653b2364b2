"""Cost of the harness: an epoch compared with a bare loop, a suite in a worker with one in-process.

The bare loop is the fastest that one would write by hand: the same model, kernels and optimiser,
batches gathered from tensors in memory, nothing recorded.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.conftest import Compare
from seqbench.models.sequence_model import build_model
from seqbench.spec import RunSpec
from seqbench.tasks.task import TASKS, Task, TaskData
from seqbench.training.loop import Training
from seqbench.training.observation import observe


class BareLoop:
    """A training loop over tensors in memory, with nothing around it."""

    def __init__(self, spec: RunSpec, task: Task, data: TaskData) -> None:
        self.inputs, self.targets = data.train.inputs, data.train.targets
        self.batch_size = spec.batch_size
        self.model = build_model(spec, features=task.features, outputs=task.outputs)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=spec.learning_rate, fused=True
        )

    def train_epoch(self) -> None:
        """Train for one epoch."""
        for batch in torch.randperm(len(self.inputs)).split(self.batch_size):
            self.optimizer.zero_grad()
            outputs = self.model(self.inputs[batch])
            nn.functional.cross_entropy(outputs, self.targets[batch]).backward()
            self.optimizer.step()


@pytest.mark.parametrize(
    ("task_name", "rounds", "epochs"), [("row-mnist", 7, 1), ("row-digits", 30, 4)]
)
def bench_epoch_against_a_bare_loop(
    compare: Compare,
    request: pytest.FixtureRequest,
    task_name: str,
    rounds: int,
    epochs: int,
) -> None:
    threads = torch.get_num_threads()
    spec = RunSpec(task=task_name, variant="rnn", seed=0, device="cpu", threads=threads)
    task = TASKS[task_name]()
    needs_files = task_name == "row-mnist"
    data = task.load(request.getfixturevalue("data_folder") if needs_files else Path())
    ours = Training(spec, task, data, observe(spec, task, data).shares)
    bare = BareLoop(spec, task, data)

    def repeat(epoch: object) -> object:
        return lambda: [epoch() for _ in range(epochs)]  # type: ignore[operator]

    compare(repeat(ours.train_epoch), repeat(bare.train_epoch), rounds=rounds)


def bench_isolation_of_the_quick_suite(compare: Compare, tmp_path: Path) -> None:
    """Compare the whole command, whose runs have a separate process, with one that has none."""
    folders = (tmp_path / f"results-{number}" for number in range(10))

    def start(*words: str) -> None:
        command = [sys.executable, "-m", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    compare(
        lambda: start("seqbench", "run", "--suite", "quick", "--results", str(next(folders))),
        lambda: start("benchmarks.unisolated", "quick", str(next(folders) / "quick")),
        rounds=3,
    )
