"""What the optimiser gets, by name, against one plain backward pass through the whole batch.

All of the grid is in `python -m benchmarks.gradients`; here are a few of each kind.
"""

import pytest

from benchmarks.gradients import TOLERANCES, Case, find_worst
from tests.members import IMPLEMENTATIONS, cover, skipped_without_bfloat16

WITHOUT_COMPILING = [each for each in IMPLEMENTATIONS if each[1] != "compiled"]
KINDS = [("birnn", "fused"), ("gru", "fused"), ("lstm", "native"), ("mingru", "scan")]
"""One of each way to differentiate: own loops, own and torch's layers, a scan."""


@pytest.mark.parametrize(("variant", "implementation"), cover(WITHOUT_COMPILING))
def test_the_optimiser_gets_the_clipped_gradient_of_the_whole_batch(
    variant: str, implementation: str
) -> None:
    error, name = find_worst(Case(variant, implementation, threads=2, clip_norm=0.05))
    assert error <= TOLERANCES["float64"], name


@pytest.mark.parametrize(
    ("precision", "threads", "clip_norm", "dropout"),
    [
        ("float64", 1, 0.05, 0.3),
        ("float64", 3, None, 0.0),
        ("float32", 1, 0.05, 0.0),
        ("float32", 3, 0.05, 0.3),
        ("bfloat16", 2, 0.05, 0.0),
    ],
)
@pytest.mark.parametrize(("variant", "implementation"), KINDS)
def test_so_it_does_in_other_settings(
    variant: str,
    implementation: str,
    precision: str,
    threads: int,
    clip_norm: float | None,
    dropout: float,
) -> None:
    if precision == "bfloat16" and implementation != "native":
        pytest.skip(f"{implementation} layers compute in float32")
    with skipped_without_bfloat16():
        case = Case(variant, implementation, precision, threads, clip_norm, dropout)
        error, name = find_worst(case)
    assert error <= TOLERANCES[precision], name
