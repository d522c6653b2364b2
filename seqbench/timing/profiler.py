"""Profiles: which operators the time of a step goes into, by torch's own profiler."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from seqbench.training.clock import SampleClock
from seqbench.training.kineto import silence_kineto

STEPS = 2


class Event(Protocol):
    """What is read of an entry of torch's `key_averages`; times in microseconds."""

    key: str
    count: int
    device_type: DeviceType
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
    on_gpu = clock.device != "cpu"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    every_thread = torch._C._profiler._ExperimentalConfig(profile_all_threads=True)
    before = clock.time(work, STEPS)
    with profile(activities=activities, experimental_config=every_thread) as profiler:
        clock.time(work, STEPS)
    after = clock.time(work, STEPS)
    events: Any = profiler.key_averages()
    return Profile(STEPS, min(before, after), list_operators(events, on_gpu=on_gpu))


def list_operators(events: Iterable[Event], *, on_gpu: bool) -> list[OperatorTime]:
    """Return operators of the CPU, or kernels of the GPU, that took time; the costliest first."""
    times: dict[str, OperatorTime] = {}
    for event in events:
        if (event.device_type != DeviceType.CPU) != on_gpu:
            continue
        name = shorten_name(event.key)
        spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        before = times.get(name, OperatorTime(name, 0, 0.0))
        times[name] = OperatorTime(
            name, before.calls + event.count, before.seconds + max(0.0, spent) / 1e6
        )
    return sorted(times.values(), key=lambda each: (-each.seconds, each.operator))


def shorten_name(name: str) -> str:
    """Return a kernel's name without return type, template's and function's arguments."""
    plain = name
    for prefix in ("void ", "autograd::engine::evaluate_function: ", "## Call "):
        plain = plain.removeprefix(prefix)
    while (shorter := re.sub(r"<[^<>]*>", "", plain)) != plain:
        plain = shorter
    return re.sub(r"\(.*|[<>\s].*", "", plain.replace("(anonymous namespace)", "")) or name
