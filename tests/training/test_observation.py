"""What is observed before a run: what may be shared between threads, and what repeats."""

import random
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seqbench.errors import ContractError
from seqbench.harness.job import Job
from seqbench.harness.run import Run
from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.models.readout import Encoding
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.training.loop import Training
from seqbench.training.observation import Observation, observe
from seqbench.training.threads import Sharing
from tests.members import skipped_without_bfloat16

MakeSpec = Callable[..., RunSpec]


class Strange(NativeEncoder):
    """An Elman network that does something to its inputs first."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__(nn.RNN, sizes)
        self.norm = nn.BatchNorm1d(sizes.features)
        self.statistics = nn.BatchNorm1d(sizes.features, track_running_stats=False)
        self.calls = 0
        self.register_buffer("seen", torch.zeros(()))

    def change(self, inputs: Tensor) -> Tensor:
        """Return what is read in place of the inputs."""
        return inputs

    def forward(self, inputs: Tensor) -> Encoding:
        return super().forward(self.change(inputs))


class Normed(Strange):
    """BatchNorm: running statistics change."""

    def change(self, inputs: Tensor) -> Tensor:
        normed: Tensor = self.norm(inputs.transpose(1, 2))
        return normed.transpose(1, 2)


class OfTheBatch(Strange):
    """Batch statistics, none kept."""

    def change(self, inputs: Tensor) -> Tensor:
        normed: Tensor = self.statistics(inputs.transpose(1, 2))
        return normed.transpose(1, 2)


class Counting(Strange):
    """State outside buffers."""

    def change(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        return inputs * (1 + 0.01 * self.calls)


class Buffered(Strange):
    """A buffer that counts."""

    def change(self, inputs: Tensor) -> Tensor:
        self.seen.add_(1)  # type: ignore[operator]
        return inputs


class Shrinking(Strange):
    """Weights that change in a forward pass."""

    def change(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            next(self.recurrence.parameters()).mul_(0.999)
        return inputs


class Drawing(Strange):
    """Python's random numbers."""

    def change(self, inputs: Tensor) -> Tensor:
        return inputs + 0.1 * random.random() if self.training else inputs


class DrawingNumPy(Strange):
    """NumPy's random numbers."""

    def change(self, inputs: Tensor) -> Tensor:
        return inputs + 0.1 * np.random.rand() if self.training else inputs  # noqa: NPY002


class DrawingInLargeBatches(Strange):
    """Random numbers for larger batches only."""

    def change(self, inputs: Tensor) -> Tensor:
        return inputs + torch.rand(()) if len(inputs) >= 32 else inputs


class Timed(Strange):
    """The time of day."""

    def change(self, inputs: Tensor) -> Tensor:
        return inputs * (1 + 0.01 * (time.time() % 1))


class LateNoise(Strange):
    """State outside buffers, and noise of nobody's generator after some steps of a training."""

    def change(self, inputs: Tensor) -> Tensor:
        self.calls += self.training
        return inputs * (1 + 0.01 * random.SystemRandom().random() * (self.calls > 6))


class Overwriting(Strange):
    """Inputs written over."""

    def change(self, inputs: Tensor) -> Tensor:
        return inputs.mul_(0.5)


class OverwritingUnseen(Strange):
    """Inputs written over where autograd does not see it."""

    def change(self, inputs: Tensor) -> Tensor:
        inputs.numpy()[...] *= 0.5
        return inputs


STRANGE = {
    "normed": (Normed, "a forward pass changes"),
    "of-the-batch": (OfTheBatch, "gradients of shares do not add up"),
    "counting": (Counting, "outputs differ when a forward pass is repeated"),
    "buffered": (Buffered, "a forward pass changes"),
    "shrinking": (Shrinking, "a forward pass changes"),
    "drawing": (Drawing, "draws random numbers"),
    "drawing-numpy": (DrawingNumPy, "draws random numbers"),
    "drawing-large": (DrawingInLargeBatches, "draws random numbers"),
    "timed": (Timed, "outputs differ when a forward pass is repeated"),
}


@pytest.fixture(autouse=True)
def _strange_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VARIANTS, "_members", dict(VARIANTS._members))
    for name, (build, _) in STRANGE.items():
        VARIANTS.variant(name)(build)
    VARIANTS.variant("late-noise")(LateNoise)
    VARIANTS.variant("overwriting")(Overwriting)
    VARIANTS.variant("overwriting-unseen")(OverwritingUnseen)


@pytest.fixture
def shared(make_spec: MakeSpec) -> MakeSpec:
    """Return a maker of specs whose batches two threads could share."""
    return lambda **settings: make_spec(threads=2, batch_size=36, **settings)


def test_an_ordinary_model_is_shared_and_repeats(
    shared: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    for variant in ("rnn", "bilstm", "gru", "lru", "mingru", "indrnn"):
        spec = shared(variant=variant, implementation=VARIANTS[variant].implementations[0])
        assert observe(spec, tiny_task, tiny_data) == Observation(shares=2)


@pytest.mark.parametrize(("variant", "reason"), [(name, STRANGE[name][1]) for name in STRANGE])
def test_what_cannot_be_shared_is_found_and_gets_one_share(
    shared: MakeSpec, tiny_task: Task, tiny_data: TaskData, variant: str, reason: str
) -> None:
    seen = observe(shared(variant=variant), tiny_task, tiny_data)
    assert seen.shares == 1
    assert reason in str(seen.one_share_reason)


@pytest.mark.parametrize("variant", STRANGE)
def test_a_row_says_deterministic_only_of_runs_that_repeat(
    shared: MakeSpec, tiny_task: Task, tiny_data: TaskData, variant: str
) -> None:
    spec = shared(variant=variant, epochs=3)
    runs = []
    for _ in range(2):
        ended = Run(Job(spec=spec, suite="a", environment_id="b"), tiny_task, tiny_data).execute()
        assert ended.record.status == "ok", ended.record.error
        assert ended.record.shares == 1
        assert ended.record.one_share_reason
        runs.append([each.train_loss for each in ended.traces.epochs])
        if variant == "timed":
            assert not ended.record.deterministic
            assert "differ in" in str(ended.record.nondeterminism)
        else:
            assert ended.record.deterministic, ended.record.nondeterminism
    assert variant == "timed" or runs[0] == runs[1]


def test_a_model_that_keeps_state_is_tried_for_longer(
    shared: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    seen = observe(shared(variant="late-noise"), tiny_task, tiny_data)
    assert seen.keeps_state
    assert "differ in" in str(seen.nondeterminism)
    assert observe(shared(variant="counting"), tiny_task, tiny_data).nondeterminism is None


@pytest.mark.parametrize("variant", ["overwriting", "overwriting-unseen"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_variant_that_writes_into_its_inputs_is_refused_and_harms_no_other(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData, variant: str, threads: int
) -> None:
    spec = make_spec(variant=variant, threads=threads, batch_size=36)
    before = tiny_data.train.inputs.clone(), tiny_data.test.inputs.clone()
    with pytest.raises(ContractError, match=f"variant {variant} modifies its inputs"):
        observe(spec, tiny_task, tiny_data)
    ended = Run(Job(spec=spec, suite="a", environment_id="b"), tiny_task, tiny_data).execute()
    assert ended.record.status == "failed"
    assert "modifies its inputs" in str(ended.record.error)
    assert not ended.spoiled
    assert torch.equal(before[0], tiny_data.train.inputs)
    assert torch.equal(before[1], tiny_data.test.inputs)


def test_examples_that_change_only_later_in_a_run_are_told_in_its_row(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Training.train_epoch

    def spoil(training: Training, *rest: object) -> object:
        if len(training.data.train) == 40 and rest[:1] != (1,):
            training.data.test.targets.zero_()
        return real(training, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Training, "train_epoch", spoil)
    job = Job(spec=make_spec(), suite="a", environment_id="b")
    ended = Run(job, tiny_task, tiny_data).execute()
    assert ended.spoiled
    assert ended.record.status == "failed"
    assert "modified the examples" in str(ended.record.error)


@pytest.mark.parametrize("variant", ["rnn", "gru", "lstm", "birnn"])
def test_bfloat16_on_two_threads_repeats_to_the_last_bit(
    shared: MakeSpec, tiny_task: Task, tiny_data: TaskData, variant: str
) -> None:
    spec = shared(variant=variant, implementation="native", precision="bfloat16", epochs=4)
    seen = []
    with skipped_without_bfloat16():
        for _ in range(6):
            training = Training(spec, tiny_task, tiny_data, 2)
            seen.append([training.train_epoch()[0] for _ in range(8)])
    assert all(each == seen[0] for each in seen)


@pytest.fixture
def _denormals_as_they_were() -> Iterator[None]:
    yield
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("_denormals_as_they_were")
@pytest.mark.parametrize("outside", [False, True])
def test_a_block_within_a_block_leaves_the_rule_for_denormals_as_it_was(outside: bool) -> None:
    def halve() -> float:
        return float(torch.full((), 2.0**-126) * 0.5)

    torch.set_flush_denormal(outside)
    with Sharing(2, 2).active():
        with Sharing(2, 2).active():
            assert halve() == 0.0
        assert halve() == 0.0, "the outer block still takes 0 for them"
    assert (halve() == 0.0) == outside


def test_an_error_in_one_share_leaves_no_other_computing() -> None:
    running = set()

    def work(part: int) -> None:
        running.add(part)
        if part == 0:
            running.discard(part)
            raise ValueError("it broke")
        time.sleep(0.2)
        running.discard(part)

    with pytest.raises(ValueError, match="it broke"):
        Sharing(3, 3).map(work, range(30))
    assert not running


def test_a_type_that_a_layer_cannot_compute_in_is_unsupported(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(variant="lru", implementation="scan", precision="bfloat16")
    job = Job(spec=spec, suite="a", environment_id="b")
    record = Run(job, tiny_task, tiny_data).execute().record
    assert record.status == "unsupported"
    assert "bfloat16" in str(record.error)
