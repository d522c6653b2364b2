"""The largest deviation of a rerun, and what its bound is."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd
import pytest

from seqbench.columns import flatten
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.verification.rounding import LOSS_BOUND, find_deviation

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]


def tabulate(epochs: Sequence[EpochRecord]) -> pd.DataFrame:
    return pd.DataFrame([flatten(epoch) for epoch in epochs])


def test_equal_epochs_have_no_deviation_and_nan_equals_nan(make_run: MakeRun) -> None:
    _, epochs = make_run()
    assert find_deviation(tabulate(epochs), epochs, 360) is None
    epochs = [replace(epoch, test_loss=math.nan) for epoch in epochs]
    assert find_deviation(tabulate(epochs), epochs, 360) is None


def test_the_deviation_that_is_the_largest_share_of_its_bound_is_found(make_run: MakeRun) -> None:
    _, (first, second) = make_run()
    again = [
        replace(first, train_loss=first.train_loss * (1 + 3 * LOSS_BOUND)),
        replace(second, test_loss=second.test_loss * (1 - 4 * LOSS_BOUND), score=0.9 + 2 / 360),
    ]
    found = find_deviation(tabulate([first, second]), again, 360)
    assert found is not None
    assert (found.epoch, found.column) == (2, "test_loss")
    assert found.share == pytest.approx(4)
    assert found.difference == pytest.approx(-4 * LOSS_BOUND * second.test_loss)


def test_a_score_is_bounded_by_an_answer_of_an_accuracy_and_else_like_a_loss(
    make_run: MakeRun,
) -> None:
    _, (first, second) = make_run()
    for right in range(1, 360):
        before = [first, replace(second, score=right / 360)]
        again = [first, replace(second, score=(right + 1) / 360)]
        found = find_deviation(tabulate(before), again, 360)
        assert found is not None
        assert found.within_bound
    again = [first, replace(second, score=0.9 - 2 / 360)]
    found = find_deviation(tabulate([first, second]), again, 360)
    assert found is not None
    assert not found.within_bound
    before, after = (
        [replace(epoch, metric="mse") for epoch in each] for each in ([first, second], again)
    )
    found = find_deviation(tabulate(before), after, 360)
    assert found is not None
    assert found.share == pytest.approx(2 / 360 / 0.9 / LOSS_BOUND)


def test_a_loss_that_is_no_number_any_more_is_beyond_any_bound(make_run: MakeRun) -> None:
    _, epochs = make_run()
    again = [epochs[0], replace(epochs[1], test_loss=math.nan)]
    found = find_deviation(tabulate(epochs), again, 360)
    assert found is not None
    assert found.share == math.inf
