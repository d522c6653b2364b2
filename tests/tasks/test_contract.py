"""The contract of a task: what a split may hold, which labels count, what a score may be."""

import math
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from seqbench.errors import ContractError
from seqbench.harness.problems import describe_problem, load_problems
from seqbench.spec import RunSpec
from seqbench.tasks.contract import as_score, check_baseline, check_data, check_loss
from seqbench.tasks.task import (
    TASKS,
    Classification,
    Regression,
    Split,
    Task,
    TaskData,
    make_task,
)

TRAIN, TEST, TIME, FEATURES, OUTPUTS = 12, 6, 4, 3, 2
Change = Callable[[Tensor], Tensor]


class Labels(Classification):
    """A class for each sequence."""

    features, time, outputs = FEATURES, TIME, OUTPUTS

    def load(self, data_dir: Path) -> TaskData:
        return draw(self)


class Tags(Labels):
    """A class for each step."""

    readouts = ("each",)


class Numbers(Regression):
    """Numbers for each sequence."""

    features, time, outputs = FEATURES, TIME, OUTPUTS

    def load(self, data_dir: Path) -> TaskData:
        return draw(self)

    def answer_trivially(self, data: TaskData) -> Tensor:
        return torch.zeros_like(data.test.targets)


class Paths(Numbers):
    """Numbers for each step."""

    readouts = ("each",)


def draw(task: Task, *, tokens: bool = False) -> TaskData:
    generator = torch.Generator().manual_seed(0)
    steps = (TIME,) if "each" in task.readouts else ()

    def split(examples: int) -> Split:
        real = torch.rand(examples, TIME, FEATURES, generator=generator)
        inputs = real.argmax(-1) if tokens else real
        if isinstance(task, Regression):
            targets = torch.rand(examples, *steps, OUTPUTS, generator=generator)
        else:
            targets = torch.randint(OUTPUTS, (examples, *steps), generator=generator)
        return Split(inputs, targets)

    return TaskData(split(TRAIN), split(TEST))


def put(value: float, *place: int) -> Change:
    def change(tensor: Tensor) -> Tensor:
        changed = tensor.clone()
        changed[place] = value
        return changed

    return change


def same(tensor: Tensor) -> Tensor:
    return tensor


def fault_of(
    kind: type[Task],
    part: str,
    *,
    inputs: Change = same,
    targets: Change = same,
    tokens: bool = False,
) -> str:
    task = kind()
    data = draw(task, tokens=tokens)
    splits = {"training": data.train, "test": data.test}
    splits[part] = Split(inputs(splits[part].inputs), targets(splits[part].targets))
    with pytest.raises(ContractError) as raised:
        check_data("mine", task, TaskData(splits["training"], splits["test"]))
    return str(raised.value)


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("kind", [Labels, Tags, Numbers, Paths])
def test_what_keeps_the_contract_passes_unchanged(kind: type[Task], tokens: bool) -> None:
    task = kind()
    data = draw(task, tokens=tokens)
    assert check_data("mine", task, data) is data


@pytest.mark.parametrize("part", ["training", "test"])
@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        (Labels, lambda y: y[:, None], ", 1), expected ("),
        (Labels, lambda y: y[:, None].expand(-1, TIME), ", 4), expected ("),
        (Tags, lambda y: y[:, 0], "targets have shape ("),
        (Tags, lambda y: y[..., None], ", 4, 1), expected ("),
        (Labels, Tensor.float, "torch.float32, expected labels"),
        (Labels, Tensor.bool, "torch.bool, expected labels"),
        (Labels, put(2, 3), "targets[3] is 2, expected labels from 0 to 1"),
        (Labels, put(-1, 3), "targets[3] is -1, expected labels from 0 to 1"),
        (Tags, put(7, 3, 2), "targets[3, 2] is 7, expected labels from 0 to 1"),
        (Tags, lambda y: torch.full_like(y, -100), "expected at least one label"),
        (Numbers, lambda y: y[:, 0], "targets have shape ("),
        (Numbers, lambda y: y[:, :1], ", 1), expected ("),
        (Paths, lambda y: y[:, 0], ", 2), expected ("),
        (Numbers, Tensor.long, "torch.int64, expected a floating-point type"),
        (Numbers, put(math.nan, 4, 1), "targets[4, 1] is nan, expected finite"),
        (Paths, put(-math.inf, 4, 1, 0), "targets[4, 1, 0] is -inf, expected finite"),
    ],
)
def test_wrong_targets_are_named_with_task_and_split(
    kind: type[Task], change: Change, told: str, part: str
) -> None:
    message = fault_of(kind, part, targets=change)
    assert message.startswith(f"task mine returned a wrong {part} split: targets")
    assert told in message


@pytest.mark.parametrize("part", ["training", "test"])
@pytest.mark.parametrize(
    ("tokens", "change", "told"),
    [
        (False, Tensor.double, "inputs are torch.float64, expected torch.float32"),
        (False, Tensor.half, "inputs are torch.float16, expected torch.float32"),
        (False, put(math.nan, 2, 1, 0), "inputs[2, 1, 0] is nan, expected finite"),
        (False, put(math.inf, 2, 1, 0), "inputs[2, 1, 0] is inf, expected finite"),
        (False, lambda x: x[:, 1:], "inputs of torch.float32 have shape ("),
        (True, put(3, 5, 2), "inputs[5, 2] is 3, expected tokens from 0 to 2"),
        (True, put(-1, 5, 2), "inputs[5, 2] is -1, expected tokens from 0 to 2"),
        (True, Tensor.int, "inputs are torch.int32, expected tokens"),
    ],
)
def test_wrong_inputs_are_named_with_task_and_split(
    tokens: bool, change: Change, told: str, part: str
) -> None:
    message = fault_of(Labels, part, inputs=change, tokens=tokens)
    assert message.startswith(f"task mine returned a wrong {part} split: ")
    assert told in message


@pytest.mark.parametrize("part", ["training", "test"])
def test_a_split_without_examples_is_refused(part: str) -> None:
    message = fault_of(Labels, part, inputs=lambda x: x[:0], targets=lambda y: y[:0])
    assert f"wrong {part} split: it has no examples" in message


def test_the_first_of_several_wrong_places_is_named() -> None:
    def change(labels: Tensor) -> Tensor:
        return put(9, 1)(put(8, 7)(labels))

    assert "targets[1] is 9" in fault_of(Labels, "training", targets=change)


def test_a_rule_of_the_tasks_own_is_asked() -> None:
    class Sorted(Numbers):
        def find_target_fault(self, targets: Tensor, shape: tuple[int, ...]) -> str | None:
            return f"targets for {shape} are not sorted"

    assert f"targets for {(TRAIN, OUTPUTS)} are not sorted" in fault_of(Sorted, "training")


def draw_with_padding(ignored: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    outputs = torch.randn(5, TIME, OUTPUTS, generator=generator)
    targets = torch.randint(OUTPUTS, (5, TIME), generator=generator)
    targets[torch.rand(5, TIME, generator=generator) < 0.6] = ignored
    return outputs, targets


@pytest.mark.parametrize("ignored", [-100, -1, 0])
def test_ignored_labels_count_in_neither_loss_nor_score(ignored: int) -> None:
    class Padded(Tags):
        ignore_index = ignored

    outputs, targets = draw_with_padding(ignored)
    logits, labels = outputs.double().numpy().reshape(-1, OUTPUTS), targets.numpy().ravel()
    kept = labels != ignored
    assert 0 < kept.sum() < kept.size
    logits, labels = logits[kept], labels[kept]
    right = logits[np.arange(len(labels)), labels]
    losses = np.log(np.exp(logits).sum(-1)) - right
    assert Padded().loss(outputs, targets).item() == pytest.approx(losses.mean(), rel=1e-6)
    assert Padded().score(outputs, targets) == np.mean(logits.argmax(-1) == labels)
    assert Padded().count_answers(targets).item() == kept.sum()


def test_a_batch_of_ignored_labels_only_has_loss_and_gradients_of_zero() -> None:
    outputs = torch.randn(3, TIME, OUTPUTS, requires_grad=True)
    loss = Tags().loss(outputs, torch.full((3, TIME), -100))
    loss.backward()
    assert loss.item() == 0
    assert outputs.grad is not None
    assert not outputs.grad.any()


def test_without_ignored_labels_the_loss_is_torchs_mean() -> None:
    outputs = torch.randn(64, TIME, OUTPUTS, requires_grad=True)
    targets = torch.randint(OUTPUTS, (64, TIME))
    reference = torch.nn.functional.cross_entropy(outputs.mT, targets)
    loss = Tags().loss(outputs, targets)
    torch.testing.assert_close(loss, reference)
    torch.testing.assert_close(
        torch.autograd.grad(loss, outputs), torch.autograd.grad(reference, outputs)
    )


def test_the_baseline_is_the_commonest_class_that_counts() -> None:
    inputs = torch.rand(3, TIME, FEATURES)
    train = torch.full((3, TIME), -100)
    train[0], train[1, 0] = 1, 0  # four labels 1, one label 0, the rest ignored
    test = torch.tensor([[1, 1, 0, -100], [1, -100, -100, -100], [-100] * 4])
    data = TaskData(Split(inputs, train), Split(inputs, test))
    assert check_data("mine", Tags(), data) is data
    assert check_baseline("task", Tags(), data) == 3 / 4


@pytest.mark.parametrize(
    "value",
    [0.25, np.float32(0.25), np.array(0.25), torch.tensor(0.25), torch.tensor(0.25).half()],
)
def test_a_score_is_a_number_or_a_tensor_without_axes(value: object) -> None:
    assert type(as_score("mine", "accuracy", value)) is float
    assert as_score("mine", "accuracy", value) == 0.25


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [("accuracy", 2.0, "0 to 1"), ("accuracy", -0.1, "0 to 1"), ("mse", -1e-9, "0 to inf")],
)
def test_a_score_lies_within_the_bounds_of_its_metric(
    metric: str, value: float, expected: str
) -> None:
    with pytest.raises(
        ContractError, match=f"returned {metric} .*, expected a number from {expected}"
    ):
        as_score("mine", metric, value)
    assert as_score("mine", "my_own", value) == value


@pytest.mark.parametrize(
    ("metric", "higher", "told"),
    [
        ("accuracy", False, "declares higher_is_better = False of accuracy, expected True"),
        ("mse", True, "declares higher_is_better = True of mse, expected False"),
        ("my_own", "yes", "declares higher_is_better = 'yes' of my_own, expected True or False"),
    ],
)
def test_a_metric_runs_the_way_that_is_known_of_it(metric: str, higher: Any, told: str) -> None:
    class Odd(Numbers):
        pass

    Odd.metric, Odd.higher_is_better = metric, higher
    with pytest.raises(ContractError) as raised:
        check_data("mine", Odd(), draw(Odd()))
    assert str(raised.value) == f"task mine {told}"


@pytest.mark.parametrize("value", [1, np.int64(1), torch.tensor(1)])
def test_an_integer_is_a_score(value: object) -> None:
    assert type(as_score("mine", "accuracy", value)) is float
    assert as_score("mine", "accuracy", value) == 1


@pytest.mark.parametrize(
    "value",
    [None, "0.5", 1j, [0.5], True, np.True_, torch.tensor(True), torch.zeros(1), torch.tensor(1j)],
)
def test_what_is_no_number_is_no_score(value: object) -> None:
    with pytest.raises(ContractError, match=r"task mine returned the score .*, expected one real"):
        as_score("mine", "accuracy", value)


@pytest.mark.parametrize("kind", [np.float32, torch.tensor])
def test_the_baseline_is_pythons_float_whatever_the_score_is(
    kind: Callable[[float], object],
) -> None:
    class Scored(Labels):
        def score(self, outputs: Tensor, targets: Tensor) -> float:
            return kind(0.5)  # type: ignore[return-value]

    problem = describe_problem("mine", Scored(), draw(Scored()))
    assert type(problem.baseline_score) is float


@pytest.mark.parametrize("value", [math.nan, -math.inf, torch.tensor(math.nan)])
def test_a_score_is_finite_unless_its_loss_was_not(value: object) -> None:
    with pytest.raises(ContractError, match=r"task mine returned the score .*, expected a finite"):
        as_score("mine", "accuracy", value)
    assert not math.isfinite(as_score("mine", "accuracy", value, finite=False))


@pytest.mark.parametrize("part", ["inputs", "targets"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Tensor.numpy, "are ndarray, expected a tensor"),
        (Tensor.tolist, "are list, expected a tensor"),
        (lambda x: x.float().requires_grad_(), "require a gradient, expected data"),
    ],
)
def test_a_split_holds_tensors_of_data(change: Change, told: str, part: str) -> None:
    inputs, targets = (change, same) if part == "inputs" else (same, change)
    message = fault_of(Numbers, "training", inputs=inputs, targets=targets)
    assert message == f"task mine returned a wrong training split: {part} {told}"


def test_a_score_that_writes_into_the_targets_is_refused() -> None:
    class Writing(Labels):
        def score(self, outputs: Tensor, targets: Tensor) -> float:
            return float(targets.zero_().float().mean())

    with pytest.raises(ContractError, match="task mine modifies its data when it scores"):
        check_baseline("mine", Writing(), draw(Writing()))


def test_a_trivial_answer_has_the_shape_of_outputs() -> None:
    class Short(Paths):
        def answer_trivially(self, data: TaskData) -> Tensor:
            return torch.zeros(TEST, OUTPUTS)

    with pytest.raises(ContractError, match=r"baseline of shape \(6, 2\), expected \(6, 4, 2\)"):
        check_baseline("mine", Short(), draw(Short()))


@pytest.mark.parametrize(
    ("loss", "told"), [(0.5, "a loss float,"), (torch.zeros(3), r"a loss of shape \(3,\),")]
)
def test_a_loss_is_a_tensor_without_axes(loss: object, told: str) -> None:
    with pytest.raises(ContractError, match=f"task mine returned {told} expected a tensor"):
        check_loss("mine", loss)
    assert check_loss("mine", torch.zeros(())).item() == 0


def test_a_task_that_fails_to_load_is_named(
    monkeypatch: pytest.MonkeyPatch, make_spec: Callable[..., RunSpec]
) -> None:
    class Missing(Labels):
        def load(self, data_dir: Path) -> TaskData:
            raise KeyError("my file")

    monkeypatch.setattr(TASKS, "_members", {"missing-file": Missing})
    with pytest.raises(ContractError, match="task missing-file cannot be loaded: KeyError"):
        load_problems([make_spec(task="missing-file")], Path())


def declare(**changes: object) -> type[Task]:
    """Return a task that says other things of itself."""
    return type("Odd", (Tags,), changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"readouts": ()}, "declares readouts = ()"),
        ({"readouts": "each"}, "declares readouts = 'each', expected a tuple of names"),
        ({"readouts": None}, "declares readouts = None"),
        ({"readouts": (1,)}, "declares readouts = (1,)"),
        ({"readouts": ("last", "each")}, "each excludes all others"),
        ({"looks_ahead": "no"}, "declares looks_ahead = 'no', expected True or False"),
        ({"looks_ahead": None}, "declares looks_ahead = None"),
        ({"default_length": 0, "time": 3}, "declares default_length = 0"),
        ({"default_length": "ten"}, "declares default_length = 'ten'"),
        ({"default_length": 2.5}, "declares default_length = 2.5"),
        ({"__init__": lambda self, length=None: 1 // 0}, "cannot be made: ZeroDivisionError"),
        ({"__init__": lambda self: None}, "cannot be made: TypeError"),
        (
            {"loss": abstractmethod(lambda self, outputs, targets: None)},
            "cannot be made: TypeError",
        ),
    ],
)
def test_what_a_task_says_of_itself_is_looked_at_before_the_plan_goes_by_it(
    monkeypatch: pytest.MonkeyPatch,
    make_spec: Callable[..., RunSpec],
    changes: dict[str, object],
    told: str,
) -> None:
    monkeypatch.setattr(TASKS, "_members", {"odd": declare(**changes)})
    with pytest.raises(ContractError) as raised:
        make_task(make_spec(task="odd"))
    assert str(raised.value).startswith("task odd ")
    assert told in str(raised.value)


@pytest.mark.parametrize("member", [lambda length: 3, lambda length: None, dict, object])
def test_what_is_registered_as_a_task_is_one(
    monkeypatch: pytest.MonkeyPatch, make_spec: Callable[..., RunSpec], member: object
) -> None:
    monkeypatch.setattr(TASKS, "_members", {"odd": member})
    with pytest.raises(ContractError, match=r"task odd (is .*, expected a Task|cannot be made)"):
        make_task(make_spec(task="odd"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"features": 0}, "declares features = 0, expected a whole number ≥ 1"),
        ({"features": 3.0}, "declares features = 3.0"),
        ({"features": np.int64(3)}, "declares features = "),
        ({"outputs": True}, "declares outputs = True"),
        ({"time": None}, "declares time = None"),
        ({"metric": None}, "declares metric = None"),
        ({"metric": "Mean Error"}, "declares metric = 'Mean Error'"),
        ({"metric": ""}, "declares metric = ''"),
        ({"metric": "error\n"}, "declares metric = 'error\\n'"),
        ({"metric": "x" * 200_000}, "expected lower-case words"),
        ({"metric": 3}, "declares metric = 3"),
        ({"metric": ["mse"]}, "declares metric = ['mse']"),
        ({"metric": "my_own", "higher_is_better": "yes"}, "declares higher_is_better = 'yes'"),
        ({"metric": "my_own", "higher_is_better": None}, "declares higher_is_better = None"),
        ({"metric": "my_own", "higher_is_better": np.True_}, "declares higher_is_better = "),
        ({"metric": "my_own", "higher_is_better": 1}, "declares higher_is_better = 1"),
    ],
)
def test_what_stands_in_rows_and_models_is_looked_at_with_the_data(
    changes: dict[str, object], told: str
) -> None:
    with pytest.raises(ContractError) as raised:
        check_data("mine", declare(**changes)(), draw(Tags()))
    assert told in str(raised.value)


@pytest.mark.parametrize("data", [None, 3, (1, 2), {}, "data"])
def test_what_is_no_data_is_named(data: object) -> None:
    with pytest.raises(ContractError, match=f"returned {type(data).__name__}, expected a TaskData"):
        check_data("mine", Labels(), data)


@pytest.mark.parametrize("split", [None, (torch.zeros(3), torch.zeros(3)), torch.zeros(3)])
def test_what_is_no_split_is_named(split: Any) -> None:
    good = draw(Labels())
    for data in (TaskData(split, good.test), TaskData(good.train, split)):
        with pytest.raises(ContractError, match=f"it is {type(split).__name__}, expected a Split"):
            check_data("mine", Labels(), data)


class MuteError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def misbehave(error: BaseException) -> Callable[..., Any]:
    def work(*_: object, **__: object) -> None:
        raise error

    return work


ODD: list[Any] = [
    None,
    "0.5",
    "",
    [],
    [0.5],
    torch.zeros(2),
    np.zeros(1),
    1j,
    math.nan,
    math.inf,
    10**400,
]
ODD += [np.ma.masked, np.ma.masked_array(1.0, mask=True)]


@pytest.mark.parametrize("method", ["score", "answer_trivially", "count_answers"])
@pytest.mark.parametrize(
    "given_back", [*ODD, ValueError("two\nlines"), KeyError(), MuteError(), SystemExit(0)]
)
def test_whatever_a_task_gives_back_is_told_of_as_its_fault(method: str, given_back: Any) -> None:
    work = misbehave(given_back) if isinstance(given_back, BaseException) else lambda *_: given_back
    if method == "count_answers" and isinstance(given_back, int):
        return  # a whole number, however great
    task = declare(**{method: work})()
    with pytest.raises(ContractError, match=r"^task mine ") as raised:
        describe_problem("mine", task, draw(Tags()))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(0), GeneratorExit(), MemoryError(), BaseException("odd")]
)
def test_whatever_loading_raises_names_the_task(
    monkeypatch: pytest.MonkeyPatch, make_spec: Callable[..., RunSpec], error: BaseException
) -> None:
    monkeypatch.setattr(TASKS, "_members", {"odd": declare(load=misbehave(error))})
    with pytest.raises(ContractError, match=f"odd cannot be loaded: {type(error).__name__}"):
        load_problems([make_spec(task="odd")], Path())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("part", ["inputs", "targets"])
@pytest.mark.parametrize("kind", [Numbers, Paths])
def test_numbers_that_are_none_are_the_datas_fault(
    kind: type[Task], part: str, value: float
) -> None:
    change = {part: put(value, 0)}
    message = fault_of(kind, "test", **change)  # type: ignore[arg-type]
    assert f"{part}[0, 0" in message
    assert "expected finite numbers" in message
