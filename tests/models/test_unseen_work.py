"""Work that the rule for operations does not see is found out, and then nothing is recorded."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from seqbench.harness.job import Job
from seqbench.harness.run import Run
from seqbench.models.model import VARIANTS, Encoder, EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.models.readout import READOUTS, Encoding
from seqbench.models.sequence_model import SequenceModel
from seqbench.models.unseen_work import find_unseen_work
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.timing.sampler import Sampling
from tests.members import cover_pairs

SIZES = EncoderSizes(features=28, hidden=128, layers=2, time=28)


def build(encoder: Encoder, features: int = 28) -> SequenceModel:
    return SequenceModel(encoder, READOUTS["last"], features, 10).eval()


@pytest.mark.parametrize(
    ("name", "time", "features"), cover_pairs(VARIANTS, [(28, 28), (100, 1), (4, 1), (5, 3)])
)
def test_of_every_variant_the_rule_sees_the_work(name: str, time: int, features: int) -> None:
    sizes = EncoderSizes(features=features, hidden=128, layers=2, time=time)
    inputs = torch.rand(3, time, features)
    before = inputs.clone()
    assert find_unseen_work(build(VARIANTS[name](sizes), features), inputs) is None
    assert torch.equal(inputs, before)


class Solver(Encoder):
    """A leaky state whose equation is solved step by step, number by number."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.width = sizes.hidden
        self.enter = nn.Linear(sizes.features, sizes.hidden)
        self.rate = nn.Parameter(torch.rand(sizes.hidden))

    def forward(self, inputs: Tensor) -> Encoding:
        state, steps = torch.zeros(len(inputs), self.width), []
        for step in self.enter(inputs).unbind(1):
            for _ in range(20):
                state = state + 0.1 * (torch.tanh(step - state) - self.rate * state)
            steps.append(state)
        return Encoding(torch.stack(steps, 1), state[None])


class Iterated(NativeEncoder):
    """A recurrence that goes over each sequence several times."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__(nn.RNN, sizes)

    def forward(self, inputs: Tensor) -> Encoding:
        for _ in range(3):
            super().forward(inputs)
        return super().forward(inputs)


class Table(NativeEncoder):
    """A great table that is looked up."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__(nn.RNN, sizes)
        self.table = nn.Embedding(100_000, sizes.features)

    def forward(self, inputs: Tensor) -> Encoding:
        return super().forward(inputs + self.table.weight[0])


class Fixed(NativeEncoder):
    """A network that takes no sequence but one of the task's length."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__(nn.RNN, sizes)
        self.time = sizes.time

    def forward(self, inputs: Tensor) -> Encoding:
        if inputs.shape[1] != self.time:
            raise ValueError("another length")
        return super().forward(inputs)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Solver, "most of its operations are element-wise: "),
        (Iterated, "a module with other operations declares them"),
        (Table, "a module with other operations declares them"),
    ],
)
def test_what_the_rule_does_not_see_is_told(
    kind: Callable[[EncoderSizes], Encoder], told: str
) -> None:
    unseen = find_unseen_work(build(kind(SIZES)), torch.rand(2, 28, 28))
    assert unseen is not None
    assert told in unseen


def test_a_model_of_one_length_is_believed() -> None:
    long = EncoderSizes(features=28, hidden=128, layers=2, time=100)
    assert find_unseen_work(build(Fixed(long)), torch.rand(2, 100, 28)) is None


@pytest.mark.parametrize(("kind", "seen"), [(Solver, False), (Table, False), (Fixed, True)])
def test_a_row_has_operations_only_where_the_rule_sees_them(
    monkeypatch: pytest.MonkeyPatch,
    make_spec: Callable[..., RunSpec],
    tiny_task: Task,
    tiny_data: TaskData,
    kind: Callable[[EncoderSizes], Encoder],
    seen: bool,
) -> None:
    monkeypatch.setattr(VARIANTS, "_members", dict(VARIANTS._members))
    VARIANTS.variant("odd")(kind)
    brief = Sampling(budget_s=0.01, least=2, most=3)
    job = Job(
        spec=make_spec(variant="odd", hidden_size=16),
        suite="quick",
        environment_id="abc",
        sampling=brief,
    )
    ended = Run(job, tiny_task, tiny_data).execute()
    record = ended.record
    assert record.status == "ok", record.error
    for figure in (record.flops_per_sample, record.flops_per_s, record.peak_fraction):
        assert (figure is not None) is seen
    steps = [each for each in ended.traces.timings if each.phase == "train_step"]
    assert steps
    assert all((each.flops is not None) is seen for each in steps)
    assert all((each.bytes is not None) is seen for each in steps)
