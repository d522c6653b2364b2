"""Random streams: each use of randomness draws from a stream of its own.

Initial weights, data order and dropout have separate streams, derived from the run's seed and
from nothing else. So all variants of a seed see the same batches in the same order, whatever
their initialisation or dropout drew before.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

Stream = Literal["initialisation", "order", "dropout"]


def derive_seed(seed: int, stream: Stream) -> int:
    """Return the start of one stream of a run: 63 bits of a hash of the seed and the name."""
    digest = hashlib.sha256(f"{seed}:{stream}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class GlobalStream:
    """A stream for code that can only draw from torch's global generators: layers and dropout.

    While it is `active`, torch's generators stand where this stream stopped the last time; then
    they are put back as they were. So two runs can take turns in one process, and no run depends
    on what drew random numbers before it.
    """

    def __init__(self, seed: int, device: str) -> None:
        self.devices = ["cuda"] if device == "cuda" else []
        with torch.random.fork_rng(self.devices):
            torch.manual_seed(seed)
            self._keep()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let torch's global generators go on where this stream stopped."""
        with torch.random.fork_rng(self.devices):
            torch.set_rng_state(self._cpu_state)
            if self.devices:
                torch.cuda.set_rng_state(self._cuda_state)
            try:
                yield
            finally:
                self._keep()

    def state_dict(self) -> dict[str, Tensor]:
        """Return where the stream stands."""
        states = {"cpu": self._cpu_state}
        return states | ({"cuda": self._cuda_state} if self.devices else {})

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from where another stream stood."""
        self._cpu_state = state["cpu"]
        if self.devices:
            self._cuda_state = state["cuda"]

    def _keep(self) -> None:
        self._cpu_state = torch.get_rng_state()
        if self.devices:
            self._cuda_state = torch.cuda.get_rng_state()
