"""Generated tasks: equal to their definitions, and the same on every machine."""

import math
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp
from scipy.interpolate import CubicSpline

from seqbench.errors import SettingError
from seqbench.harness.job import Job
from seqbench.harness.problems import load_problems
from seqbench.harness.runner import InThisProcess
from seqbench.spec import RunSpec
from seqbench.tasks.adding import Adding
from seqbench.tasks.contract import check_baseline
from seqbench.tasks.copying import Copying
from seqbench.tasks.generated import GeneratedTask, draw_rows, frozen_random
from seqbench.tasks.mackey_glass import DEVIATION, MEAN, MackeyGlass, integrate
from seqbench.tasks.task import TASKS, TaskData, cut_training

FINGERPRINTS = {
    "adding": "16d4c9bd6d36f2e2a63ec0f6e6234636a10785ba789f36d74113a7e0b61c3863",
    "bouncing-balls": "daefba6ea61b972c820afd71840d186b9c38854cdf6d24dc6e1d399e9d1e933d",
    "copying": "f8cf7fda94fbe21c42447f50db9567f78ed85e26f339d4975b7b69bd5f037e93",
    "hello": "48a54dfe106c5bf62d8a48dd903030434fd56fc6ea5a66c9dd4be712da0b23d5",
    "mackey-glass": "84b2acf57b6f8614c08bfa9988ff06cea59513583fac3877d027e3d1161eed0d",
    "pixel-digits": "5cbed4556b8762bbb51e119807b568a06fdeae28593ef89fdd95951fa7c4fc63",
    "row-digits": "8afedb161c9dae4c95003ae73d55969e216d6f0ae55ccbcaccedd6771b5043d2",
}

NOWHERE = Path("no-such-folder")


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_the_data_is_the_same_on_every_machine(name: str) -> None:
    """A change here makes every row written so far incomparable: say so in the changelog."""
    assert TASKS[name]().load(NOWHERE).fingerprint == FINGERPRINTS[name]


def test_the_random_numbers_are_those_of_numpy_1_16() -> None:
    """The first value is the one that NumPy's manual and many a page show for seed 0."""
    stream = frozen_random(0)
    assert stream.random_sample() == 0.5488135039273248
    assert stream.randint(0, 100, 5, dtype=np.int64).tolist() == [64, 67, 67, 9, 83]
    assert frozen_random(0).permutation(10).tolist() == [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]


@settings(max_examples=10)
@given(length=st.integers(2, 30))
def test_adding_is_the_sum_of_one_marked_number_in_each_half(length: int) -> None:
    data = Adding(length).load(NOWHERE)
    for split in (data.train, data.test):
        assert set(split.inputs[:, :, 1].unique().tolist()) <= {0, 1}
        for example, target in zip(split.inputs[:50].tolist(), split.targets[:50], strict=True):
            marked = [step for step, (_, mark) in enumerate(example) if mark == 1]
            assert len(marked) == 2
            assert marked[0] < length // 2 <= marked[1]
            assert target.item() == pytest.approx(sum(example[step][0] for step in marked))


def test_adding_draws_numbers_and_places_uniformly() -> None:
    data = Adding(10).load(NOWHERE)
    numbers, marks = data.train.inputs.unbind(dim=-1)
    assert numbers.min() >= 0
    assert numbers.max() <= 1
    assert numbers.mean().item() == pytest.approx(1 / 2, abs=0.005)
    assert numbers.var().item() == pytest.approx(1 / 12, abs=0.002)
    torch.testing.assert_close(marks.mean(dim=0), torch.full((10,), 1 / 5), rtol=0, atol=0.02)


def test_adding_answered_by_1_is_wrong_by_a_sixth() -> None:
    data = Adding().load(NOWHERE)
    assert len(data.train) == 10_000
    assert len(data.test) == 1_000
    errors = [(target - 1) ** 2 for target in data.test.targets.flatten().tolist()]
    assert check_baseline("task", Adding(), data) == pytest.approx(sum(errors) / len(errors))
    deviation = math.sqrt(7 / 180 / 1000)  # of the mean of 1,000 squares, of a variance of 7/180
    assert check_baseline("task", Adding(), data) == pytest.approx(1 / 6, abs=3 * deviation)


def test_adding_needs_two_steps() -> None:
    with pytest.raises(SettingError, match="at least 2"):
        Adding(1)


@settings(max_examples=10)
@given(delay=st.integers(1, 30))
def test_copying_is_symbols_blanks_marker_blanks(delay: int) -> None:
    task = Copying(delay)
    data = task.load(NOWHERE)
    for split in (data.train, data.test):
        for tokens, target in zip(
            split.inputs[:30].tolist(), split.targets[:30].tolist(), strict=True
        ):
            symbols = tokens[:10]
            assert all(1 <= symbol <= 8 for symbol in symbols)
            assert tokens[10:] == [0] * (delay - 1) + [9] + [0] * 10
            assert target == [0] * (delay + 10) + symbols
    memoryless = 10 * math.log(8) / (delay + 20)
    assert check_baseline("task", task, data) == pytest.approx(memoryless, rel=1e-12)


def test_copying_draws_each_symbol_alike() -> None:
    data = Copying().load(NOWHERE)
    assert data.train.inputs.shape == (10_000, 120)
    assert data.test.inputs.shape == (1_000, 120)
    shares = data.train.inputs[:, :10].flatten().bincount() / 100_000
    torch.testing.assert_close(shares[1:], torch.full((8,), 1 / 8), rtol=0, atol=0.005)


def test_copying_at_1000_has_the_published_baseline() -> None:
    task = Copying(1000)
    few = task.load(NOWHERE).test.first(2)
    assert check_baseline("task", task, TaskData(few, few)) == pytest.approx(0.0204, abs=5e-5)


@pytest.fixture(scope="module")
def mackey_glass() -> TaskData:
    return MackeyGlass().load(NOWHERE)


def change(delayed: float, now: float) -> float:
    """Return the series' derivative, as Mackey and Glass give it."""
    return 0.2 * delayed / (1 + delayed**10) - 0.1 * now


def solve_one_delay(known: Callable[[float], float], begin: int, now: float) -> Any:
    """Return scipy's solution over one delay, during which what lies a delay back is known."""
    return solve_ivp(
        lambda time, x: [change(known(time - 17), x[0])],
        (begin, begin + 17),
        [now],
        rtol=1e-10,
        atol=1e-12,
        dense_output=True,
        max_step=0.1,
    )


@pytest.mark.parametrize("start", [0.5, 1.2])
def test_mackey_glass_is_integrated_as_scipy_does(start: float) -> None:
    ours = integrate(np.array([start]), 51)[:, 0]
    solved = solve_one_delay(lambda time: start, 0, start)
    for begin in (0, 17, 34):
        expected = solved.sol(np.arange(begin + 1, begin + 18))[0]
        np.testing.assert_allclose(ours[begin : begin + 17], expected, rtol=0, atol=2e-5)
        known = partial(lambda last, time: last.sol(time)[0], solved)
        solved = solve_one_delay(known, begin + 17, solved.y[0, -1])


def test_mackey_glass_rests_where_production_equals_decay() -> None:
    np.testing.assert_allclose(integrate(np.array([1.0]), 20), 1, atol=1e-12)


def test_mackey_glass_examples_obey_the_equation(mackey_glass: TaskData) -> None:
    for inputs, targets in zip(
        mackey_glass.test.inputs[:3], mackey_glass.test.targets[:3], strict=True
    ):
        values = MEAN + DEVIATION * inputs.flatten().double().numpy()
        series = CubicSpline(np.arange(100), values)
        for time in (20, 51, 98):
            changed = quad(lambda t, x=series: change(x(t - 17), x(t)), time, time + 1)[0]
            ahead = MEAN + DEVIATION * targets[time, 0].item()
            assert ahead - values[time] == pytest.approx(changed, abs=1e-3)


def test_mackey_glass_targets_are_one_and_six_steps_ahead(mackey_glass: TaskData) -> None:
    assert len(mackey_glass.train) == 1_000
    assert len(mackey_glass.test) == 200
    for split in (mackey_glass.train, mackey_glass.test):
        values = split.inputs[:, :, 0]
        assert torch.equal(split.targets[:, :-1, 0], values[:, 1:])
        assert torch.equal(split.targets[:, :-6, 1], values[:, 6:])


def test_mackey_glass_is_standardised_about_and_spread_over_the_attractor(
    mackey_glass: TaskData,
) -> None:
    values = mackey_glass.train.inputs
    assert values.mean().item() == pytest.approx(0, abs=0.05)
    assert values.std().item() == pytest.approx(1, abs=0.05)
    by_step = values.mean(dim=(0, 2))
    assert by_step.abs().max() < 0.2, "the examples begin at different phases"


def test_mackey_glass_scores_the_six_step_forecast_of_the_second_half(
    mackey_glass: TaskData,
) -> None:
    targets = mackey_glass.test.targets
    outputs = torch.randn(targets.shape, generator=torch.Generator().manual_seed(0))
    squares, truths = [], targets[:, 50:, 1].flatten().double().numpy()
    for forecast, truth in zip(outputs[:, 50:, 1].flatten().tolist(), truths, strict=True):
        squares.append((forecast - truth) ** 2)
    expected = math.sqrt(np.mean(squares)) / np.std(truths)
    assert MackeyGlass().score(outputs, targets) == pytest.approx(expected)
    always_the_mean = torch.full_like(targets, truths.mean())
    assert MackeyGlass().score(always_the_mean, targets) == pytest.approx(1, rel=1e-6)


def test_mackey_glass_baseline_is_the_last_value(mackey_glass: TaskData) -> None:
    values = mackey_glass.test.inputs[:, 50:, 0].double().numpy()
    truths = mackey_glass.test.targets[:, 50:, 1].double().numpy()
    expected = np.sqrt(np.mean((values - truths) ** 2)) / truths.std()
    assert check_baseline("task", MackeyGlass(), mackey_glass) == pytest.approx(expected)
    assert 0.75 < expected < 0.85


GENERATED = [name for name in TASKS if issubclass(TASKS[name], GeneratedTask)]


def make_generated(name: str, length: int | None = None) -> GeneratedTask:
    task = TASKS[name](length)
    assert isinstance(task, GeneratedTask)
    return task


@pytest.fixture(scope="module")
def whole() -> dict[str, TaskData]:
    return {name: TASKS[name](12).load(NOWHERE) for name in GENERATED}


@settings(max_examples=5)
@given(kept=st.integers(1, 1500))
@pytest.mark.parametrize("name", GENERATED)
def test_the_first_examples_are_the_same_however_many_are_made(
    name: str, kept: int, whole: dict[str, TaskData]
) -> None:
    task = make_generated(name, 12)
    task.train_examples = kept
    data = task.load(NOWHERE)
    assert len(data.train) == min(kept, task.drawn_train)
    assert data.fingerprint == cut_training(name, whole[name], len(data.train)).fingerprint


def test_a_plan_makes_as_many_as_any_run_wants(make_spec: Callable[..., RunSpec]) -> None:
    def load(*wanted: int | None) -> list[tuple[int, str]]:
        specs = [make_spec(task="copying", length=3, train_examples=each) for each in wanted]
        loaded = load_problems(specs, NOWHERE)
        return [(len(data.train), data.fingerprint) for _, data in loaded.values()]

    assert [examples for examples, _ in load(7, 30, None)] == [7, 30, 10_000]
    assert load(7, 30) == load(7, 30, None)[:2]
    assert [examples for examples, _ in load(7, 10_001)] == [7, 10_000]
    with pytest.raises(SettingError, match="at most 10000"):
        load(10_002, 10_001)


def test_a_run_that_wants_more_examples_than_there_are_says_so_alone(
    make_spec: Callable[..., RunSpec],
) -> None:
    wants = make_spec(task="copying", readout="each", length=3, train_examples=10_001)
    executor = InThisProcess(load_problems([wants, make_spec()], NOWHERE))
    job = Job(spec=wants, suite="quick", environment_id="abc")
    record = executor.execute(job, lambda record, saved: None).record
    assert record.status == "unsupported"
    assert "at most 10000 for copying" in str(record.error)


def test_numbers_that_are_skipped_take_no_memory_and_change_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seqbench.tasks.generated._SKIPPED_AT_ONCE", 7)
    one, other = frozen_random(3), frozen_random(3)
    rows = other.random_sample((20, 3))
    for kept in (0, 1, 19, 20):
        one, other = frozen_random(3), frozen_random(3)
        assert np.array_equal(draw_rows(one, 20, 3, kept), rows[:kept])
        other.random_sample((20, 3))
        assert one.randint(10**9) == other.randint(10**9)


@pytest.mark.parametrize("name", GENERATED)
def test_drawing_takes_no_more_memory_than_is_estimated(name: str) -> None:
    """NumPy tells tracemalloc what it allocates; torch's part is what the data is in the end."""
    task = make_generated(name, 1000)
    kept = 60
    tracemalloc.start()
    split = task.draw(frozen_random(0), 60, kept)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    of_torch = sum(each.untyped_storage().nbytes() for each in (split.inputs, split.targets))
    estimated = kept * task.time * task.bytes_per_step
    constant = 2_000_000  # what does not grow with the length, such as one frame of every video
    assert peak + of_torch / 2 < 1.6 * estimated + constant
    assert estimated < 3 * (peak + of_torch) + constant


@pytest.mark.parametrize(
    ("name", "length", "examples"),
    [
        ("mackey-glass", 100_000_000, None),
        ("adding", 100_000, None),
        ("copying", 10**12, 1),
        ("bouncing-balls", 10**30, 1),
    ],
)
def test_what_does_not_fit_into_memory_is_refused_before_anything_is_drawn(
    monkeypatch: pytest.MonkeyPatch, name: str, length: int, examples: int | None
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was drawn")

    monkeypatch.setattr("seqbench.tasks.generated.read_free_memory", lambda: 8 * 10**9)
    task = make_generated(name, length)
    task.train_examples = examples
    monkeypatch.setattr(type(task), "draw", refuse)
    with pytest.raises(SettingError, match="of memory, and 8 GB are free") as raised:
        task.load(NOWHERE)
    assert (raised.value.setting, raised.value.value) == ("length", length)


def test_few_long_sequences_are_drawn_where_many_would_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seqbench.tasks.generated.read_free_memory", lambda: 50 * 10**6)
    task = make_generated("adding", 1000)
    with pytest.raises(SettingError):
        task.load(NOWHERE)
    task.train_examples = 32
    assert task.load(NOWHERE).train.inputs.shape == (32, 1000, 2)
