"""Hidden sizes for a number of parameters: the nearest there is, and what is said if none is."""

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqbench.errors import SettingError
from seqbench.harness.matching import Sizes, find_common, match_hidden_sizes
from seqbench.harness.plan import plan_runs
from seqbench.harness.suites import MATCH_TOLERANCE
from seqbench.models.model import VARIANTS
from seqbench.models.sequence_model import build_model, count_parameters
from seqbench.spec import RunSpec
from seqbench.tasks.task import make_task

HERE = {"device": ("cpu",), "threads": (1,), "seed": (0,)}


def plan(*variants: str, task: str = "row-digits", layers: int = 2) -> list[RunSpec]:
    axes = {"task": (task,), "variant": variants, "num_layers": (layers,)}
    return plan_runs([{**HERE, **axes}])


def parameters_of(spec: RunSpec) -> int:
    task = make_task(spec)
    with torch.device("meta"):
        model = build_model(spec, features=task.features, outputs=task.outputs, time=task.time)
        return count_parameters(model)


def resized(spec: RunSpec, hidden: int) -> RunSpec:
    return RunSpec(**{**vars(spec), "hidden_size": hidden})


@settings(max_examples=10)
@given(
    variant=st.sampled_from(["rnn", "bilstm", "gru", "tcn", "lru"]),
    wanted=st.integers(20_000, 200_000),
)
def test_a_matched_hidden_size_is_the_nearest_there_is(variant: str, wanted: int) -> None:
    try:
        (matched,) = match_hidden_sizes(plan(variant), wanted)
    except SettingError:  # its steps are too coarse near that number
        return
    reached = parameters_of(matched)
    assert abs(reached - wanted) <= MATCH_TOLERANCE * wanted
    for other in (matched.hidden_size - 1, matched.hidden_size + 1):
        assert abs(parameters_of(resized(matched, other)) - wanted) >= abs(reached - wanted)


def test_every_variant_can_be_matched_to_the_literatures_70_000() -> None:
    too_coarse = {"tcn"}  # ten blocks that all grow with one more channel
    for spec in plan("*", task="pixel-mnist", layers=1):
        if spec.variant in too_coarse:
            with pytest.raises(SettingError, match="nearest are tcn on pixel-mnist"):
                match_hidden_sizes([spec], 70_000)
        else:
            (matched,) = match_hidden_sizes([spec], 70_000)
            assert parameters_of(matched) == pytest.approx(70_000, rel=MATCH_TOLERANCE)


def test_a_tolerance_allows_what_lies_further_away() -> None:
    (spec,) = plan("tcn", task="pixel-mnist", layers=1)
    (matched,) = match_hidden_sizes([spec], 70_000, 0.2)
    assert parameters_of(matched) == pytest.approx(70_000, rel=0.2)
    for tolerance in (0.001, 0.0001):
        with pytest.raises(SettingError, match=rf"within {100 * tolerance:g} %;"):
            match_hidden_sizes([spec], 70_000, tolerance)


SEVERAL = ("rnn", "birnn", "lstm", "bilstm", "gru", "bigru", "tcn", "lru", "mingru", "mlp")


@pytest.mark.parametrize("wanted", [1, 5_000, 10**12])
def test_all_misfits_are_named_at_once_with_a_number_that_suits_all(wanted: int) -> None:
    specs = plan(*SEVERAL)
    with pytest.raises(SettingError) as raised:
        match_hidden_sizes(specs, wanted)
    assert (raised.value.setting, raised.value.value) == ("match_parameters", wanted)
    told = raised.value.expected
    alone = []
    for spec in specs:
        try:
            match_hidden_sizes([spec], wanted)
        except SettingError:
            alone.append(spec.variant)
    assert re.findall(r"([\w-]+) on row-digits [\d,]+", told) == alone
    assert "--match-tolerance" in told
    found = re.search(r"(\d+) fits all", told)
    assert found is not None
    for matched in match_hidden_sizes(specs, int(found[1])):
        assert parameters_of(matched) == pytest.approx(int(found[1]), rel=MATCH_TOLERANCE)


@pytest.fixture(scope="module")
def counted() -> tuple[list[Sizes], list[list[int]]]:
    """Return three models and the numbers of parameters that each of them can have."""
    sizes = [Sizes(spec) for spec in plan("rnn", "gru", "bilstm")]
    return sizes, [[each.count(hidden) for hidden in range(1, 300)] for each in sizes]


@settings(max_examples=10)
@given(wanted=st.integers(100, 4_000), tolerance=st.floats(0.01, 0.3))
def test_the_number_that_suits_all_is_the_nearest_there_is(
    counted: tuple[list[Sizes], list[list[int]]], wanted: int, tolerance: float
) -> None:
    sizes, counts = counted
    found = find_common(sizes, wanted, tolerance)

    def suits(number: int) -> bool:
        return all(
            any(abs(count - number) <= tolerance * number for count in each) for each in counts
        )

    assert found is not None
    assert suits(found)
    nearer = range(max(1, wanted - abs(found - wanted) + 1), wanted + abs(found - wanted))
    assert not [number for number in nearer if suits(number)]


def test_a_model_that_does_not_grow_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VARIANTS, "_members", dict(VARIANTS._members))
    VARIANTS.variant("constant")(lambda sizes: VARIANTS["rnn"](replace(sizes, hidden=7)))
    parameters = 7 * (8 + 7 + 2) + 7 * (7 + 7 + 2) + 10 * 8
    with pytest.raises(SettingError) as raised:
        match_hidden_sizes(plan("constant", "gru"), 50_000)
    assert f"nearest are constant on row-digits {parameters};" in raised.value.expected


def test_a_size_that_a_variant_refuses_is_passed_over() -> None:
    (spec,) = plan("lstm-projection")
    smallest = Sizes(spec).find_nearest(1)
    assert smallest == 2
    (matched,) = match_hidden_sizes([spec], parameters_of(resized(spec, 2)))
    assert matched.hidden_size == 2
