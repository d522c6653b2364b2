"""A run in progress, as the content of a file: what it has left so far, and how to resume.

Nothing in such a file is code: numbers and text in JSON, tensors read with ``weights_only``.
"""

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import torch

from seqbench.columns import flatten, unflatten
from seqbench.errors import ResultsError
from seqbench.results.records import (
    EPOCHS,
    EVALUATIONS,
    PROFILE,
    TIMINGS,
    EpochRecord,
    EvaluationRecord,
    ProfileRecord,
    TimingRecord,
)


@dataclass(kw_only=True)
class Traces:
    """What a run has left so far, besides its spec: all that its row will be made of."""

    started_at: str
    parameters: int | None = None
    flops_per_sample: int | None = None
    peak_memory_bytes: int | None = None
    target_time_s: float | None = None
    shares: int = 1
    one_share_reason: str | None = None
    watched: bool = False
    nondeterministic: list[str] = field(default_factory=list)
    nondeterminism: str | None = None
    epochs: list[EpochRecord] = field(default_factory=list)
    evaluations: list[EvaluationRecord] = field(default_factory=list)
    timings: list[TimingRecord] = field(default_factory=list)
    profile: list[ProfileRecord] = field(default_factory=list)

    @property
    def parts(self) -> dict[str, Sequence[object]]:
        """What goes into other files than ``runs.csv``, by their names."""
        return {
            EPOCHS: self.epochs,
            EVALUATIONS: self.evaluations,
            TIMINGS: self.timings,
            PROFILE: self.profile,
        }


def begin_traces() -> Traces:
    """Return the traces of a run that begins now."""
    return Traces(started_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


@dataclass(frozen=True)
class Saved:
    """A run after some of its epochs.

    Parameters
    ----------
    origin
        What must be the same for it to be resumed, by name: settings, code, data, environment.
    traces
        What it has left.
    training
        From `Training.state_dict`.
    """

    origin: dict[str, str]
    traces: Traces
    training: Mapping[str, Any]


def dump_saved(saved: Saved) -> bytes:
    """Return the content of a file that holds ``saved``."""
    plain = {"origin": saved.origin, "traces": _to_plain(saved.traces)}
    buffer = io.BytesIO()
    torch.save({"told": json.dumps(plain), "training": dict(saved.training)}, buffer)
    return buffer.getvalue()


def load_saved(content: bytes) -> Saved:
    """Return what `dump_saved` wrote; tensors are on the CPU.

    Raises
    ------
    ResultsError
        If it is not that.
    """
    try:
        read = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        plain = json.loads(read["told"])
        return Saved(dict(plain["origin"]), _from_plain(plain["traces"]), read["training"])
    except Exception as error:  # torch.load raises whatever its unpickler meets
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ResultsError(f"it contains no unfinished run: {reason}") from error


def _to_plain(traces: Traces) -> dict[str, Any]:
    plain = {each.name: getattr(traces, each.name) for each in dataclasses.fields(traces)}
    records = _record_types()
    return plain | {name: [flatten(each) for each in plain[name]] for name in records}


def _from_plain(plain: Mapping[str, Any]) -> Traces:
    records: dict[str, list[Any]] = {
        name: [unflatten(kind, row) for row in plain[name]]
        for name, kind in _record_types().items()
    }
    return Traces(**{**plain, **records})


def _record_types() -> dict[str, type]:
    """Return the type of record in each of `Traces`' lists of records."""
    inner = {name: get_args(hint) for name, hint in get_type_hints(Traces).items()}
    return {
        name: kinds[0]
        for name, kinds in inner.items()
        if kinds and isinstance(kinds[0], type) and dataclasses.is_dataclass(kinds[0])
    }
