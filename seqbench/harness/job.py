"""A run before and after: what is to be done, its data, its outcome."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from seqbench.harness.state import Saved, Traces
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.spec import RunSpec
from seqbench.timing.sampler import Sampling

EpochFinished = Callable[[EpochRecord, bytes], object]
"""Called after each epoch, while the clock is stopped, with the state to resume from."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A run to be done, and further columns of its rows.

    Parameters
    ----------
    spec, suite, environment_id, code_version, commit
        As in `RunRecord`.
    sampling
        How carefully speed is measured; None for not.
    keep_weights
        Whether the trained weights are kept.
    saved
        State to resume from; None to start.
    """

    spec: RunSpec
    suite: str
    environment_id: str
    code_version: str | None = None
    commit: str | None = None
    sampling: Sampling | None = None
    keep_weights: bool = False
    saved: Saved | None = None

    def origin(self, fingerprint: str) -> dict[str, str]:
        """Return what a saved run must have in common with this one to be resumed."""
        return {
            "settings": json.dumps(self.spec.chosen, sort_keys=True),
            "code": str(self.code_version),
            "data": fingerprint,
            "environment": self.environment_id,
        }


@dataclass(frozen=True)
class RunOutcome:
    """Outcome of a run: its row, what it left besides, and its weights.

    ``spoiled`` states that its examples are not any more what was loaded: others must not use them.
    """

    record: RunRecord
    traces: Traces
    checkpoint: bytes | None = None
    spoiled: bool = False
