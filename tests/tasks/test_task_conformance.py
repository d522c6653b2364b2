"""What must hold for every registered task: a new one is tested here without an edit.

Tasks that read files get the small stand-ins of `conftest`; the files themselves, and what each
task is by its definition, have tests of their own.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from seqbench.errors import SettingError
from seqbench.models.readout import READOUTS
from seqbench.models.sequence_model import build_model
from seqbench.spec import RunSpec
from seqbench.tasks.contract import check_baseline
from seqbench.tasks.task import TASKS, Split, Task, TaskData

pytestmark = pytest.mark.conformance

Load = Callable[[Task], TaskData]
Loaded = tuple[Task, TaskData]


@pytest.fixture(params=tuple(TASKS), scope="module")
def loaded(request: pytest.FixtureRequest, load_small: Load) -> Loaded:
    task = TASKS[request.param]()
    return task, load_small(task)


def answers_at_every_step(task: Task) -> bool:
    return "each" in task.readouts


def shape_of_outputs(task: Task, examples: int) -> tuple[int, ...]:
    steps = (task.time,) if answers_at_every_step(task) else ()
    return (examples, *steps, task.outputs)


def draw_outputs(task: Task, examples: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape_of_outputs(task, examples), generator=generator)


def answer_perfectly(task: Task, targets: Tensor) -> Tensor:
    if targets.is_floating_point():
        return targets
    return torch.nn.functional.one_hot(targets, task.outputs).float() * 1e3


def test_the_data_has_the_sizes_that_the_task_declares(loaded: Loaded) -> None:
    task, data = loaded
    for split in (data.train, data.test):
        assert len(split) > 0
        if split.inputs.is_floating_point():
            assert split.inputs.shape == (len(split), task.time, task.features)
            assert split.inputs.dtype is torch.float32
            assert split.inputs.isfinite().all()
        else:
            assert split.inputs.shape == (len(split), task.time)
            assert split.inputs.dtype is torch.int64
            assert split.inputs.min() >= 0
            assert split.inputs.max() < task.features


def test_the_targets_are_what_the_outputs_are_compared_with(loaded: Loaded) -> None:
    task, data = loaded
    for split in (data.train, data.test):
        shape = shape_of_outputs(task, len(split))
        if split.targets.is_floating_point():
            assert split.targets.shape == shape
            assert split.targets.dtype is torch.float32
            assert split.targets.isfinite().all()
        else:
            assert split.targets.shape == shape[:-1]
            assert split.targets.dtype is torch.int64
            assert split.targets.min() >= 0
            assert split.targets.max() < task.outputs


def test_readouts_are_registered_and_give_all_steps_or_none(loaded: Loaded) -> None:
    task = loaded[0]
    assert task.readouts
    assert set(task.readouts) <= set(READOUTS)
    assert not answers_at_every_step(task) or task.readouts == ("each",)
    assert task.looks_ahead or answers_at_every_step(task)


def test_a_model_of_the_tasks_sizes_learns_from_it(
    make_spec: Callable[..., RunSpec], loaded: Loaded
) -> None:
    task, data = loaded
    few = data.train.first(3)
    for readout in task.readouts:
        spec = make_spec(readout=readout)
        model = build_model(spec, features=task.features, outputs=task.outputs, time=task.time)
        outputs = model(few.inputs)
        assert outputs.shape == shape_of_outputs(task, len(few))
        loss = task.loss(outputs, few.targets)
        assert loss.shape == ()
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.head.parameters())
        score = task.score(outputs.detach(), few.targets)
        assert isinstance(score, float)
        assert np.isfinite(score)


def test_the_loss_is_a_mean_over_examples(loaded: Loaded) -> None:
    task, data = loaded
    targets = data.test.targets[:20]
    outputs = draw_outputs(task, len(targets))
    by_example = [task.loss(outputs[i : i + 1], targets[i : i + 1]) for i in range(len(targets))]
    torch.testing.assert_close(task.loss(outputs, targets), torch.stack(by_example).mean())


def test_perfect_answers_have_no_loss_and_beat_the_trivial_ones(loaded: Loaded) -> None:
    task, data = loaded
    perfect = answer_perfectly(task, data.test.targets)
    assert task.loss(perfect, data.test.targets) == 0
    score, baseline = task.score(perfect, data.test.targets), check_baseline("task", task, data)
    assert (score > baseline) if task.higher_is_better else (score < baseline)
    assert score == (1 if task.higher_is_better else 0)


def test_the_baseline_is_the_score_of_an_answer_that_has_not_seen_the_targets(
    loaded: Loaded,
) -> None:
    task, data = loaded
    answer = task.answer_trivially(data)
    assert answer.shape == shape_of_outputs(task, len(data.test))
    assert answer.isfinite().all()
    assert check_baseline("task", task, data) == task.score(answer, data.test.targets)
    blind = TaskData(data.train, Split(data.test.inputs, torch.zeros_like(data.test.targets)))
    assert torch.equal(task.answer_trivially(blind), answer)


def test_the_fingerprint_is_stable_and_sees_any_change(loaded: Loaded) -> None:
    few = TaskData(loaded[1].train.first(9), loaded[1].test.first(9))
    assert TaskData(few.train, few.test).fingerprint == few.fingerprint
    for part in ("inputs", "targets"):
        tensors = {"inputs": few.test.inputs.clone(), "targets": few.test.targets.clone()}
        last = tensors[part].view(-1)
        last[-1] += 1
        assert TaskData(few.train, Split(**tensors)).fingerprint != few.fingerprint


def test_loading_again_gives_the_same_whatever_the_random_state(
    loaded: Loaded, load_small: Load
) -> None:
    task, data = loaded
    torch.manual_seed(12345)
    before = torch.get_rng_state()
    again = load_small(type(task)())
    assert torch.equal(torch.get_rng_state(), before), "the global stream is the harness's"
    for split, other in ((data.train, again.train), (data.test, again.test)):
        assert torch.equal(split.inputs, other.inputs)
        assert torch.equal(split.targets, other.targets)


def test_training_and_test_examples_differ_unless_there_is_but_one(loaded: Loaded) -> None:
    data = loaded[1]
    if len(data.train) > 1:
        shared = min(len(data.train), len(data.test))
        assert not torch.equal(data.train.inputs[:shared], data.test.inputs[:shared])


@pytest.mark.parametrize("name", tuple(TASKS))
def test_a_length_is_a_setting_or_refused(name: str, load_small: Load) -> None:
    if TASKS[name].default_length is None:
        with pytest.raises(SettingError, match="length"):
            TASKS[name](7)
        return
    short, longer = TASKS[name](7), TASKS[name](8)
    assert longer.time == short.time + 1
    assert TASKS[name]().time == TASKS[name](TASKS[name].default_length).time
    assert load_small(short).test.inputs.shape[1] == short.time
