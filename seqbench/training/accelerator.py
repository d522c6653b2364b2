"""The devices that models run on: all that differs between them is asked of one object.

Nothing else names CUDA's interface, so a test can put an object in a device's place.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity

from seqbench.errors import UnsupportedError
from seqbench.free_memory import read_free_memory

Result = TypeVar("Result")

_TF32_FROM = (8, 0)  # compute capability: Ampere


class Event(Protocol):
    """A mark in a device's queue of work, whose differences are in milliseconds."""

    def record(self) -> None: ...

    def synchronize(self) -> None: ...

    def elapsed_time(self, end_event: Any) -> float: ...


class Accelerator:
    """The CPU, whose calls return when their work is done; other devices differ in what they say.

    ``torch_device`` is torch's name of it, ``queues`` whether calls return before their work is
    done, ``counts_memory`` whether its allocator counts, ``activities`` what the profiler watches.
    A timed sample takes ``least_sample_s`` and has ``least_calls``: each begins with an empty
    queue.
    """

    torch_device = "cpu"
    queues = False
    counts_memory = False
    least_sample_s, least_calls = 0.0, 1
    activities: tuple[ProfilerActivity, ...] = (ProfilerActivity.CPU,)

    def synchronize(self) -> None:
        """Wait until all work that was queued is done."""

    def make_event(self) -> Event:
        """Return a mark for its queue."""
        raise NotImplementedError

    def read_free_memory(self) -> int:
        """Return the bytes that a model may take."""
        return read_free_memory()

    def reset_peak(self) -> None:
        """Let the peak of its allocator begin anew."""
        raise NotImplementedError

    def read_memory(self) -> tuple[int, int]:
        """Return the bytes that its allocator holds, and the most that it held since."""
        raise NotImplementedError

    def describe(self) -> list[dict[str, Any]]:
        """Return the cards of the machine, ready for JSON."""
        return []

    def check_precision(self, precision: str) -> None:
        """Raise `UnsupportedError` if it has no products in ``precision``."""
        if precision == "tf32":
            raise UnsupportedError("tf32 is not supported on a CPU")
        if precision == "float16":
            raise UnsupportedError(
                "float16 training is supported on GPUs only: use bfloat16 on a CPU"
            )

    def products_in(self, precision: str) -> AbstractContextManager[object]:
        """Let products of float32 round to TF32 if ``precision`` is that, and only then."""
        return nullcontext()

    def read_stream(self) -> Tensor | None:
        """Return the state of its own random generator; None if it has none."""
        return None

    def set_stream(self, state: Tensor) -> None:
        """Restore that state."""

    def make_capture(self) -> "Capture":
        """Return what records work as a graph.

        Raises
        ------
        UnsupportedError
            If it has no graphs.
        """
        raise UnsupportedError("a CUDA graph needs --device cuda")


class Capture(Protocol):
    """Work, recorded once and replayed by one call."""

    def warm_up(self, work: Callable[[], object]) -> None:
        """Do ``work`` where it will be recorded, so that libraries have chosen and allocated."""

    def record(self, work: Callable[[], Tensor]) -> Tensor:
        """Record ``work``; return the tensor in which each replay leaves its result."""

    def replay(self) -> None:
        """Do what was recorded."""


class Cuda(Accelerator):
    """A card of NVIDIA's, or of AMD's with a torch for ROCm, which calls itself CUDA."""

    torch_device = "cuda"
    queues = True
    counts_memory = True
    least_sample_s, least_calls = 20e-3, 8
    activities = (ProfilerActivity.CPU, ProfilerActivity.CUDA)

    def synchronize(self) -> None:
        torch.cuda.synchronize()

    def make_event(self) -> Event:
        event: Event = torch.cuda.Event(enable_timing=True)
        return event

    def read_free_memory(self) -> int:
        return int(torch.cuda.mem_get_info()[0])

    def reset_peak(self) -> None:
        torch.cuda.reset_peak_memory_stats()

    def read_memory(self) -> tuple[int, int]:
        return torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()

    def describe(self) -> list[dict[str, Any]]:
        properties = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
        return [
            {
                "name": gpu.name,
                "memory_bytes": gpu.total_memory,
                "compute_capability": f"{gpu.major}.{gpu.minor}",
            }
            for gpu in properties
        ]

    def check_precision(self, precision: str) -> None:
        if precision == "tf32" and torch.cuda.get_device_capability() < _TF32_FROM:
            raise UnsupportedError("tf32 needs a GPU of compute capability 8.0 or more")
        if precision == "bfloat16" and not torch.cuda.is_bf16_supported():
            raise UnsupportedError("this GPU does not support bfloat16")

    @contextmanager
    def products_in(self, precision: str) -> Iterator[None]:
        cudnn: Any = torch.backends.cudnn
        places: list[Any] = [torch.backends.cuda.matmul, cudnn.rnn, cudnn.conv]
        before = [place.fp32_precision for place in places]
        for place in places:
            place.fp32_precision = "tf32" if precision == "tf32" else "ieee"
        try:
            yield
        finally:
            for place, value in zip(places, before, strict=True):
                place.fp32_precision = value

    def read_stream(self) -> Tensor | None:
        return torch.cuda.get_rng_state()

    def set_stream(self, state: Tensor) -> None:
        torch.cuda.set_rng_state(state)

    def make_capture(self) -> Capture:
        return CudaCapture()


class CudaCapture:
    """A CUDA graph; all that is recorded, and what comes before, goes through one stream."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._side = torch.cuda.Stream()

    def warm_up(self, work: Callable[[], object]) -> None:
        here = torch.cuda.current_stream()
        self._side.wait_stream(here)
        with torch.cuda.stream(self._side):
            work()
        here.wait_stream(self._side)

    def record(self, work: Callable[[], Tensor]) -> Tensor:
        with torch.cuda.graph(self._graph, stream=self._side):
            return work()

    def replay(self) -> None:
        self._graph.replay()


ACCELERATORS: dict[str, Accelerator] = {"cpu": Accelerator(), "cuda": Cuda()}
"""By the name in a spec."""


def accelerator_of(device: str) -> Accelerator:
    """Return what to ask of a device, by its name in a spec."""
    return ACCELERATORS[device]


def is_cuda_available() -> bool:
    """Return whether torch can use a card of CUDA's."""
    return torch.cuda.is_available()


def name_cuda_build() -> str | None:
    """Return the version of CUDA that torch is built for; None without."""
    return torch.version.cuda
