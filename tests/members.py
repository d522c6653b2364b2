"""Which registered variants a test goes over.

Every one, but of the zoo, whose layers share one wrapper, two; the others with `-m exhaustive`. So
are the further cases of a cross product, each of whose members is covered without them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import pytest

from seqbench.errors import UnsupportedError
from seqbench.models.model import VARIANTS

FROM_THE_ZOO = ("zoo-gated-antisymmetric-rnn", "bizoo-peephole-lstm")
"""One that applies a weight twice, and one in two directions with two states."""

IMPLEMENTATIONS = [(name, each) for name in VARIANTS for each in VARIANTS[name].implementations]
FURTHER_IMPLEMENTATIONS = [
    (name, further) for name in VARIANTS for further in VARIANTS[name].implementations[1:]
]


def cover(members: Iterable[Any]) -> list[Any]:
    """Return variants, or tuples that begin with one, as parameters of a test."""
    return [_mark(each, common=_is_common(each)) for each in members]


def cover_pairs(members: Iterable[Any], cases: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Return each member with each case, as parameters: with one in turn, the rest exhaustive."""
    cases = list(cases)
    return [
        _mark((*_as_tuple(member), *case), common=case is chosen and _is_common(member))
        for member, chosen in zip(members, cycle(cases), strict=False)
        for case in cases
    ]


def _as_tuple(member: Any) -> tuple[Any, ...]:
    return member if isinstance(member, tuple) else (member,)


def _is_common(member: Any) -> bool:
    name = _as_tuple(member)[0]
    return "zoo-" not in name or name in FROM_THE_ZOO


def _mark(values: Any, *, common: bool) -> Any:
    marks = () if common else (pytest.mark.exhaustive,)
    return pytest.param(*_as_tuple(values), marks=marks)


@contextmanager
def skipped_without_bfloat16() -> Iterator[None]:
    """Skip a test where the processor has no bfloat16 LSTM, as one without AVX-512."""
    try:
        yield
    except (RuntimeError, UnsupportedError) as error:
        if "primitive descriptor for the LSTM" in str(error):
            pytest.skip(f"the processor has no bfloat16 LSTM: {error}")
        raise
