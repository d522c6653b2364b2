"""Kernels: forward, backward and training step of every variant, in every implementation.

Batch 128, 28 steps of 28 features, 128 units, 2 layers: a batch of row-mnist. In the passes all
threads work inside torch's operators; steps use the harness's own loop, whose threads share the
batch. Set ``OMP_NUM_THREADS`` for another number of threads.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from benchmarks.conftest import Compare
from benchmarks.rows import Rows
from seqbench.models.model import VARIANTS
from seqbench.models.sequence_model import SequenceModel, build_model
from seqbench.spec import RunSpec
from seqbench.training.loop import Training
from seqbench.training.observation import observe

BATCH = 128
ROUNDS = 5
ROUNDS_ON_REQUEST = 2  # there are many of those, and the zoo's are slow
ROUNDS_SIDE_BY_SIDE = 30

IMPLEMENTED = [(name, each) for name in VARIANTS for each in VARIANTS[name].implementations]
FUSED = [name for name in VARIANTS if "fused" in VARIANTS[name].implementations]


def make_spec(variant: str, implementation: str) -> RunSpec:
    """Return a spec with the defaults of `RunSpec`, on the CPU with torch's number of threads."""
    return RunSpec(
        task="row-mnist",
        variant=variant,
        seed=0,
        device="cpu",
        threads=torch.get_num_threads(),
        batch_size=BATCH,
        implementation=implementation,
    )


def make_model(variant: str, implementation: str) -> SequenceModel:
    """Return a model as the harness builds it for `Rows`."""
    spec = make_spec(variant, implementation)
    return build_model(spec, features=Rows.features, outputs=Rows.outputs, time=Rows.time)


def make_training(variant: str, implementation: str) -> Training:
    """Return a training whose epoch is one step."""
    task = Rows(BATCH)
    spec, data = make_spec(variant, implementation), task.load(Path())
    return Training(spec, task, data, observe(spec, task, data).shares)


def make_bare_step(variant: str, implementation: str) -> Callable[[], None]:
    """Return a training step without the harness."""
    task, model = Rows(BATCH), make_model(variant, implementation)
    examples = task.load(Path()).train
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        task.loss(model(examples.inputs), examples.targets).backward()
        optimizer.step()

    return step


def count_rounds(variant: str) -> int:
    """Return how many rounds to time."""
    return ROUNDS_ON_REQUEST if VARIANTS[variant].on_request else ROUNDS


@pytest.fixture(params=IMPLEMENTED, ids="-".join)
def implemented(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return the names of a variant and of one of its implementations."""
    names: tuple[str, str] = request.param
    return names


@pytest.mark.benchmark(group="forward")
def bench_forward(benchmark: BenchmarkFixture, implemented: tuple[str, str]) -> None:
    model, inputs = make_model(*implemented), Rows(BATCH).load(Path()).train.inputs
    with torch.inference_mode():
        benchmark.pedantic(model, (inputs,), rounds=count_rounds(implemented[0]), warmup_rounds=1)


@pytest.mark.benchmark(group="backward")
def bench_backward(benchmark: BenchmarkFixture, implemented: tuple[str, str]) -> None:
    task, model = Rows(BATCH), make_model(*implemented)
    examples = task.load(Path()).train
    weights = list(model.parameters())

    def run_forward() -> tuple[tuple[Tensor], dict[str, object]]:
        return (task.loss(model(examples.inputs), examples.targets),), {}

    def run_backward(loss: Tensor) -> None:
        torch.autograd.grad(loss, weights, allow_unused=True)

    benchmark.pedantic(
        run_backward, setup=run_forward, rounds=count_rounds(implemented[0]), warmup_rounds=1
    )


@pytest.mark.benchmark(group="step")
def bench_step(benchmark: BenchmarkFixture, implemented: tuple[str, str]) -> None:
    training = make_training(*implemented)
    benchmark.pedantic(training.train_epoch, rounds=count_rounds(implemented[0]), warmup_rounds=1)


@pytest.mark.parametrize("variant", FUSED)
def bench_fused_against_native(compare: Compare, variant: str) -> None:
    """Compare steps of the harness, whose threads share the batch, on both sides."""
    fused, native = (make_training(variant, each) for each in ("fused", "native"))
    compare(fused.train_epoch, native.train_epoch, rounds=ROUNDS_SIDE_BY_SIDE)


@pytest.mark.parametrize("variant", FUSED)
def bench_fused_against_native_in_a_bare_step(compare: Compare, variant: str) -> None:
    """Compare steps written by hand, all threads inside torch's operators, on both sides."""
    steps = [make_bare_step(variant, each) for each in ("fused", "native")]
    compare(*steps, rounds=ROUNDS_SIDE_BY_SIDE)
