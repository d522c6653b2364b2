"""Random streams: each use of randomness draws from a separate stream.

Initial weights, data order and dropout have separate streams, derived from the run's seed and
from nothing else. So all variants of a seed see the same batches in the same order, whatever
their initialisation or dropout drew before.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from seqbench.training.accelerator import ACCELERATORS, accelerator_of

Stream = Literal["initialisation", "order", "dropout"]


def derive_seed(seed: int, stream: Stream) -> int:
    """Return the start of one stream of a run: 63 bits of a hash of the seed and the name."""
    digest = hashlib.sha256(f"{seed}:{stream}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class GlobalStream:
    """A stream for code that can only draw from global generators: layers, dropout, plugins.

    While it is `active`, the global generators of torch, NumPy and Python's ``random`` have the
    state in which this stream stopped last; then they are restored. So two runs can alternate in
    one process, and no run depends on what drew random numbers before it.
    """

    def __init__(self, seed: int, device: str) -> None:
        self.devices = [] if device == "cpu" else [device]
        with self._put_back():
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002, it is the global one that is meant
            random.seed(seed)
            self._state = read_streams(self.devices)
        self._first = self._state

    @contextmanager
    def active(self) -> Iterator[None]:
        """Continue the global generators where this stream stopped."""
        with self._put_back():
            set_streams(self._state)
            try:
                yield
            finally:
                self._state = read_streams(self.devices)

    @property
    def drawn(self) -> bool:
        """Whether anything was drawn from it so far."""
        return not same_streams(self._first, self._state)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the stream."""
        return self._state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of another stream."""
        self._state = dict(state)

    @contextmanager
    def _put_back(self) -> Iterator[None]:
        before = read_streams(self.devices)
        try:
            yield
        finally:
            set_streams(before)


def read_streams(devices: Sequence[str] = ()) -> dict[str, Any]:
    """Return the state of the global generators, in tensors and plain numbers."""
    state: Any = np.random.get_state()  # noqa: NPY002
    name, key, *rest = state
    states: dict[str, Any] = {
        "cpu": torch.get_rng_state(),
        "numpy": (str(name), torch.from_numpy(key.astype(np.int64)), *rest),
        "python": random.getstate(),
    }
    own = {device: accelerator_of(device).read_stream() for device in devices}
    return states | {device: state for device, state in own.items() if state is not None}


def same_streams(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two states of the global generators are equal."""
    return bool(_to_plain(one) == _to_plain(other))


def _to_plain(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.tolist()
    if isinstance(state, Mapping):
        return {name: _to_plain(each) for name, each in state.items()}
    return tuple(map(_to_plain, state)) if isinstance(state, tuple | list) else state


def set_streams(state: Mapping[str, Any]) -> None:
    """Restore the global generators to the state of `read_streams`."""
    torch.set_rng_state(state["cpu"])
    name, key, *rest = state["numpy"]
    np.random.set_state((name, key.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    for device in set(state) & set(ACCELERATORS) - {"cpu"}:
        accelerator_of(device).set_stream(state[device])
