"""Profiles: which operators the time of a step goes into, by torch's own profiler."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch._C._autograd import DeviceType
from torch.profiler import profile

from seqbench.training.accelerator import accelerator_of
from seqbench.training.clock import SampleClock
from seqbench.training.kineto import silence_kineto

STEPS = 2


class Event(Protocol):
    """What is read of an entry of torch's `key_averages`; times in microseconds."""

    key: str
    count: int
    device_type: DeviceType
    is_user_annotation: bool
    self_cpu_time_total: float
    self_device_time_total: float


@dataclass(frozen=True)
class OperatorTime:
    """Calls of an operator and the seconds in it, what it called itself not in them."""

    operator: str
    calls: int
    seconds: float


@dataclass(frozen=True)
class Profile:
    """What a number of steps spent, operator by operator.

    ``seconds`` is what as many steps took without the profiler, which adds something to every
    operator: the faster of those right before and right after.
    """

    steps: int
    seconds: float
    operators: list[OperatorTime]


def profile_steps(work: Callable[[], object], clock: SampleClock) -> Profile:
    """Profile ``work``, warm already, done `STEPS` times.

    Parameters
    ----------
    work
        One step.
    clock
        Times the steps; its device decides whether operators or kernels are listed.
    """
    silence_kineto()
    accelerator = accelerator_of(clock.device)
    every_thread = torch._C._profiler._ExperimentalConfig(profile_all_threads=True)
    before = clock.time(work, STEPS)
    with profile(activities=accelerator.activities, experimental_config=every_thread) as profiler:
        clock.time(work, STEPS)
    after = clock.time(work, STEPS)
    events: Any = profiler.key_averages()
    operators = list_operators(events, on_gpu=accelerator.queues)
    return Profile(STEPS, min(before, after), operators)


def list_operators(events: Iterable[Event], *, on_gpu: bool) -> list[OperatorTime]:
    """Return operators of the CPU, or kernels of the GPU, that took time; the costliest first."""
    times: dict[str, OperatorTime] = {}
    for event in events:
        if (event.device_type != DeviceType.CPU) != on_gpu:
            continue
        if on_gpu and event.is_user_annotation:  # a span over kernels that are listed themselves
            continue
        name = shorten_name(event.key)
        spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        before = times.get(name, OperatorTime(name, 0, 0.0))
        times[name] = OperatorTime(
            name, before.calls + event.count, before.seconds + max(0.0, spent) / 1e6
        )
    return sorted(times.values(), key=lambda each: (-each.seconds, each.operator))


_FUNCTOR = re.compile(r"\b(\w+_kernel_cuda|\w*Functor)\b")
_GENERIC = re.compile(r"elementwise_kernel|multi_tensor_apply|reduce_kernel")


def shorten_name(name: str) -> str:
    """Return a kernel's name without return type, template's and function's arguments.

    Of torch's kernels for anything done to each number, what is done is in the arguments: the
    innermost function object is kept.
    """
    plain, functors = name, _FUNCTOR.findall(name)
    if functors and (generic := _GENERIC.search(name)):
        return f"{generic[0]}: {functors[-1]}"
    for prefix in ("void ", "autograd::engine::evaluate_function: ", "## Call "):
        plain = plain.removeprefix(prefix)
    while (shorter := re.sub(r"<[^<>]*>", "", plain)) != plain:
        plain = shorter
    return re.sub(r"\(.*|[<>\s].*", "", plain.replace("(anonymous namespace)", "")) or name
