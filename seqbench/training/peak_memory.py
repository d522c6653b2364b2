"""The most memory that a training step takes at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor
from torch.profiler import ProfilerActivity, profile, record_function

from seqbench.training.accelerator import Accelerator, accelerator_of
from seqbench.training.allocator import no_garbage_collection
from seqbench.training.kineto import silence_kineto

Result = TypeVar("Result")

_MARK = "seqbench: a part of a training step"
_ALLOCATION = "[memory]"  # the profiler's name, of what is freed too


@dataclass(frozen=True)
class _Part:
    """Bytes of one part of a step, above the level that it began at."""

    peak: int
    left: int


_Mark = Callable[[], AbstractContextManager[object]]
"""Makes the context that marks one part of a step."""


def measure_step_memory(
    shares: Sequence[Callable[[], Result]],
    finish: Callable[[list[Result]], object],
    held: Callable[[], Iterable[Tensor]],
    device: str,
) -> int:
    """Return the most bytes that torch's allocator holds at once for a model and a training step.

    That is the storages of ``held``, each counted once, plus the peak of what a step allocates. The
    peak of the shares is the sum of their own peaks, which does not depend on how their threads
    interleave: no interleaving needs more, and threads in step need as much. So the shares are
    measured one after the other, on the calling thread; the same step gives the same number.

    Counted is every tensor, also inside TorchScript and autograd. Not counted is what libraries
    allocate for themselves past torch's allocator (packed weights and scratch space of MKL and
    oneDNN), a workspace that was there before the step (cuBLAS), code, and the data set. On the CPU
    bytes are those requested; CUDA's allocator rounds each allocation up to 512.

    Parameters
    ----------
    shares
        Each does forward and backward pass of its share of a full batch. Called twice; the second
        step is measured. What a step frees of the one before it is seen only if that was watched
        too, so no gradients should be held at the beginning.
    finish
        Is given what the shares returned, and takes the step.
    held
        Returns what is held between steps, after a step: parameters, buffers, gradients, and the
        optimiser's state.
    device
        ``cpu`` or ``cuda``.
    """

    def step(mark: _Mark) -> None:
        results = []
        for share in shares:
            with mark():
                results.append(share())
        with mark():
            finish(results)

    with no_garbage_collection():
        accelerator = accelerator_of(device)
        counted = accelerator.counts_memory
        parts = _watch_counters(step, accelerator) if counted else _watch_profiler(step)
    *own, last = parts[-len(shares) - 1 :]
    in_shares = sum(each.peak for each in own)
    at_the_end = sum(each.left for each in own) + last.peak
    return _count_bytes(held()) + max(in_shares, at_the_end)


def _count_bytes(tensors: Iterable[Tensor]) -> int:
    storages = (each.untyped_storage() for each in tensors)
    return sum({each.data_ptr(): each.nbytes() for each in storages}.values())


def _watch_counters(step: Callable[[_Mark], object], accelerator: Accelerator) -> list[_Part]:
    """Take ``step`` twice and return its parts, by the counters of the device's allocator."""
    parts: list[_Part] = []

    @contextmanager
    def mark() -> Iterator[None]:
        accelerator.reset_peak()
        level, _ = accelerator.read_memory()
        yield
        left, peak = accelerator.read_memory()
        parts.append(_Part(peak - level, left - level))

    step(mark)
    step(mark)
    return parts


def _watch_profiler(step: Callable[[_Mark], object]) -> list[_Part]:
    """Take ``step`` twice and return its parts, by the allocations that torch's profiler sees."""
    silence_kineto()
    # of this thread alone: with `profile_all_threads` there are no events of memory
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step(lambda: record_function(_MARK))
        step(lambda: record_function(_MARK))
    results: Any = profiler.profiler
    return _read_parts(results.kineto_results.experimental_event_tree())


def _read_parts(tree: Iterable[Any]) -> list[_Part]:
    """Return the parts that are marked in a tree of the profiler's events, in order of time."""
    parts: list[_Part] = []
    sizes: dict[int, int] = {}  # of what was allocated since the beginning, by address
    level = start = peak = 0
    end = None
    for event in _list_events(tree):
        if end is not None and event.start_time_ns > end:
            parts.append(_Part(peak - start, level - start))
            end = None
        if event.name == _MARK:
            start = peak = level
            end = event.end_time_ns
            continue
        allocation = event.typed[1]
        if allocation.alloc_size > 0:
            sizes[allocation.ptr] = allocation.alloc_size
            level += allocation.alloc_size
        else:
            level -= sizes.pop(allocation.ptr, 0)
        peak = max(peak, level)
    return parts if end is None else [*parts, _Part(peak - start, level - start)]


def _list_events(tree: Iterable[Any]) -> list[Any]:
    """Return marks and allocations of the CPU in order of time."""
    found, waiting = [], list(tree)
    while waiting:
        event = waiting.pop()
        waiting.extend(event.children)
        if event.name in (_MARK, _ALLOCATION):
            found.append(event)
    return sorted(found, key=lambda event: event.start_time_ns)
