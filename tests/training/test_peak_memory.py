"""Memory: the peak of a training step, in bytes worked out from shapes; freed memory is kept."""

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqbench.spec import RunSpec
from seqbench.tasks.task import Split, Task, TaskData
from seqbench.training.loop import Training
from seqbench.training.observation import observe
from seqbench.training.peak_memory import measure_step_memory

MakeSpec = Callable[..., RunSpec]

FLOAT = 4
BYTES = 20 * 2**20
PIECES = 4  # together more than glibc keeps by itself

ROUNDS = f"""
import json, resource
import numpy
from seqbench.training.allocator import keep_freed_memory

def count_pages():
    asked = []
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        pieces = [numpy.ones({BYTES // 8}) for _ in range({PIECES})]
        del pieces
        asked.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return asked

by_itself = count_pages()
keep_freed_memory()
print(json.dumps([by_itself, count_pages()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the pages of glibc's malloc")
def test_freed_memory_is_had_again_without_asking_the_system() -> None:
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("not glibc")
    # in a process of its own, where nothing has set it before and no other tensors lie about
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS], capture_output=True, text=True, check=True
    )
    by_itself, kept = json.loads(done.stdout)
    # pages may be huge ones; left to itself, glibc asks for as many in each round
    assert max(kept[1:]) < min(by_itself) / 10


def measure(
    *shares: Callable[[], object],
    finish: Callable[[list[Any]], object] = lambda results: None,
    held: Iterable[Tensor] = (),
) -> int:
    return measure_step_memory(shares, finish, lambda: held, "cpu")


def test_what_is_held_at_once_is_counted_and_not_what_is_allocated_in_all() -> None:
    def share() -> Tensor:
        first, second = torch.empty(1000), torch.empty(2000)
        del first
        third = torch.empty(1500)
        del second, third
        return torch.empty(10)

    assert measure(share) == FLOAT * (2000 + 1500)


def test_shares_count_as_if_all_were_at_their_peaks_together() -> None:
    def share(size: int) -> Callable[[], Tensor]:
        def work() -> Tensor:
            torch.empty(3 * size)
            return torch.empty(size)

        return work

    assert measure(share(1000), share(500)) == FLOAT * (3 * 1000 + 3 * 500)


def test_the_end_of_a_step_counts_on_top_of_what_the_shares_leave() -> None:
    def finish(results: list[Tensor]) -> None:
        assert len(results) == 2
        torch.empty(5000)

    assert measure(lambda: torch.empty(70), lambda: torch.empty(30), finish=finish) == FLOAT * 5100


def test_what_a_step_frees_of_the_one_before_makes_room() -> None:
    gradients: list[Tensor] = []

    def finish(results: list[Tensor]) -> None:
        gradients[:] = results  # frees those of the step before
        torch.empty(1500)

    # new gradients beside the held ones, then 1500 in the place of these
    assert measure(lambda: torch.empty(1000), finish=finish, held=[torch.empty(1000)]) == FLOAT * (
        1000 + 1000 + 500
    )


def test_what_is_held_is_counted_by_storage() -> None:
    weights = torch.empty(1000)
    held = [weights, weights[:10], weights.view(10, 100).T, torch.empty(5, dtype=torch.float64)]
    assert measure(lambda: None, held=held) == 1000 * FLOAT + 5 * 8


def test_a_linear_layer_holds_what_its_shapes_say() -> None:
    layer, inputs, gradient = nn.Linear(100, 50), torch.randn(32, 100), torch.ones(32, 50)

    def share() -> tuple[Tensor, ...]:
        return torch.autograd.grad(layer(inputs), list(layer.parameters()), gradient)

    weights = 100 * 50 + 50
    outputs = 32 * 50
    held = list(layer.parameters())
    assert measure(share, held=held) == FLOAT * (weights + outputs + weights)


def test_a_row_of_products_keeps_every_output_for_the_backward_pass() -> None:
    steps, size = 50, 1000
    start = torch.randn(size, requires_grad=True)

    def share() -> tuple[Tensor, ...]:
        state = start
        for _ in range(steps):
            state = torch.tanh(state)
        return torch.autograd.grad(state.sum(), [start])

    # the outputs, a step's gradient and the one before; the sum and its gradient
    assert measure(share) == FLOAT * (steps * size + 2 * size + 2)


def test_a_long_lstm_keeps_seven_tensors_a_step() -> None:
    batch, size = 8, 64
    weights = torch.randn(size, 4 * size, requires_grad=True)

    def share(steps: int) -> Callable[[], tuple[Tensor, ...]]:
        def work() -> tuple[Tensor, ...]:
            state = cell = torch.zeros(batch, size)
            for _ in range(steps):
                into, forget, new, out = (state @ weights).chunk(4, 1)
                cell = torch.sigmoid(forget) * cell + torch.sigmoid(into) * torch.tanh(new)
                state = torch.sigmoid(out) * torch.tanh(cell)
            return torch.autograd.grad(state.sum(), [weights])

        return work

    # four gates, the cell, its tanh and the state; the rest does not grow with the length
    growth = measure(share(60)) - measure(share(20))
    assert growth == 40 * 7 * batch * size * FLOAT


MALLOC_FIELDS = ["arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks"]
MALLOC_FIELDS += ["uordblks", "fordblks", "keepcost"]


class MallocInfo(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = [(name, ctypes.c_size_t) for name in MALLOC_FIELDS]


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_what_torchs_own_layers_keep_is_what_malloc_says(layer: Callable[..., nn.RNNBase]) -> None:
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        pytest.skip("needs mallinfo2, of glibc")
    library.mallinfo2.restype = MallocInfo

    def in_use() -> int:
        told = library.mallinfo2()
        return int(told.uordblks) + int(told.hblkhd)

    network, inputs = layer(8, 128, batch_first=True), torch.randn(256, 50, 8)
    network(inputs)
    before = in_use()
    outputs = network(inputs)
    known = in_use() - before
    del outputs
    large = 10 * known
    counted = measure(lambda: network(inputs), finish=lambda results: torch.empty(large // FLOAT))
    # malloc's figure has the objects of autograd's graph in it too
    assert counted - large == pytest.approx(known, rel=0.02)


@pytest.fixture
def train_long(make_spec: MakeSpec, tiny_task: Task) -> Callable[..., Training]:
    """Return a maker of trainings that took two steps, on random sequences of 40 steps."""

    def make(**settings: Any) -> Training:
        inputs = torch.rand(128, 40, 3, generator=torch.Generator().manual_seed(0))
        split = Split(inputs, torch.arange(128) % 2)
        spec, data = make_spec(**settings), TaskData(split, split)
        training = Training(spec, tiny_task, data, observe(spec, tiny_task, data).shares)
        training.model.train()
        with training.active():
            for batch in training.draw_batches()[:2]:
                training.step(batch)
        return training

    return make


def measure_training(training: Training) -> int:
    with training.active():
        return training.measure_memory(training.draw_batches()[0])


def held_between_steps(training: Training) -> int:
    """Weights, gradients and Adam's two moments; a number of steps taken for each parameter."""
    sizes = [each.numel() for each in training.model.parameters()]
    return FLOAT * (4 * sum(sizes) + len(sizes))


@pytest.mark.parametrize("implementation", ["native", "fused"])
def test_two_threads_hold_two_shares(
    train_long: Callable[..., Training], implementation: str
) -> None:
    settings = {"hidden_size": 32, "implementation": implementation}
    whole = train_long(**settings, threads=2, batch_size=64)
    half = train_long(**settings, threads=1, batch_size=32)
    assert whole.shares == 2
    of_whole, of_half = (
        measure_training(each) - held_between_steps(each) for each in (whole, half)
    )
    assert of_whole == 2 * of_half
    assert of_half > 32 * 40 * 32 * FLOAT, "the states of all steps at least"


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_step_needs_the_same_memory(
    train_long: Callable[..., Training], threads: int
) -> None:
    training = train_long(variant="gru", threads=threads, batch_size=64)
    assert len({measure_training(training) for _ in range(3)}) == 1
    assert {measure_training(train_long(variant="gru", threads=threads, batch_size=64))} == {
        measure_training(training)
    }


def test_measuring_memory_is_a_step_as_any_other(train_long: Callable[..., Training]) -> None:
    measured, stepped = train_long(variant="lstm"), train_long(variant="lstm")
    batch = measured.draw_batches()[0]
    with measured.active():
        measured.measure_memory(batch)
        stepped.step(batch)
        stepped.step(batch)
    for one, other in zip(measured.model.parameters(), stepped.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert gc.isenabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_counts_the_same_to_the_rounding_of_its_allocator() -> None:
    def share() -> Tensor:
        first = torch.empty(2**20, device="cuda")
        second = torch.empty(2**20, device="cuda")
        del first, second
        return torch.empty(1, device="cuda")

    held = [torch.empty(100, device="cuda")]
    known = measure_step_memory([share, share], lambda results: None, lambda: held, "cuda")
    assert known == 4 * FLOAT * 2**20 + 100 * FLOAT
