"""What must hold for every registered variant and suite: a new one is tested without an edit.

Tasks are held to their contract in `test_task_conformance`.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from seqbench.harness.plan import plan_runs
from seqbench.harness.suites import SUITES
from seqbench.models.model import VARIANTS, Encoder, EncoderSizes, list_projections
from seqbench.models.readout import READOUTS
from seqbench.spec import RunSpec
from seqbench.tasks.task import TASKS, Task, TaskData
from seqbench.training.loop import Training
from tests.members import FURTHER_IMPLEMENTATIONS, cover

pytestmark = pytest.mark.conformance

BATCH, TIME = 3, 6
SIZES = EncoderSizes(features=3, hidden=6, layers=2, time=TIME)

BOTH_DIRECTIONS = [name for name in VARIANTS if VARIANTS[name].bidirectional]
ONE_DIRECTION = [name for name in VARIANTS if not VARIANTS[name].bidirectional]


def build(name: str, implementation: str | None = None, sizes: EncoderSizes = SIZES) -> Encoder:
    variant = VARIANTS[name]
    chosen = implementation or variant.implementations[0]
    return variant(replace(sizes, implementation=chosen))


def draw_inputs(time: int = TIME) -> Tensor:
    return torch.randn(BATCH, time, SIZES.features, dtype=torch.float64)


@pytest.fixture(params=cover(VARIANTS))
def variant(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_variant_gives_the_shapes_of_the_contract(variant: str) -> None:
    directions = 2 if VARIANTS[variant].bidirectional else 1
    encoder = build(variant)
    for dtype, time in ((torch.float32, TIME), (torch.float64, TIME - 1), (torch.float64, 1)):
        steps, final, at_end = encoder.to(dtype)(draw_inputs(time).to(dtype))
        assert steps.shape == (BATCH, time, encoder.width)
        assert final.shape == (directions, BATCH, encoder.width // directions)
        assert steps.dtype is final.dtype is dtype
        assert steps.isfinite().all()
        ends = steps[:, -1], steps[:, 0]
        for direction, states in enumerate(final):
            own = ends[direction].chunk(directions, dim=1)[direction]
            torch.testing.assert_close(states, own)
        if at_end is not None:
            assert torch.equal(at_end, steps[:, -1])


def test_gradients_reach_every_parameter(variant: str) -> None:
    encoder = build(variant).double()
    for readout in ("final", "mean"):
        outputs = READOUTS[readout](encoder(draw_inputs()))
        gradients = torch.autograd.grad(
            (outputs * torch.randn_like(outputs)).sum(),
            list(encoder.parameters()),
            allow_unused=True,
        )
        for (name, _), gradient in zip(encoder.named_parameters(), gradients, strict=True):
            assert gradient is not None, f"{name}, read out by {readout}"
            assert gradient.any(), f"{name}, read out by {readout}"
            assert gradient.isfinite().all(), name


@pytest.mark.parametrize("name", cover(BOTH_DIRECTIONS))
def test_a_weight_that_cannot_matter_gets_no_gradient_at_all(name: str) -> None:
    """Adam divides a gradient by its own size, so that rounding alone would move such a weight.

    The last time step is the first that the backward direction reads: its state is still 0.
    """
    inputs = torch.randn(64, TIME, SIZES.features)
    ordinary = build(name)
    state = ordinary.state_dict()
    idle = [
        key
        for key, gradient in differentiate(ordinary.double(), inputs.double()).items()
        if gradient is None or not gradient.any()
    ]
    for implementation in VARIANTS[name].implementations:
        encoder = build(name, implementation)
        encoder.load_state_dict(state)
        gradients = differentiate(encoder, inputs)
        for key in idle:
            gradient = gradients[key]
            assert gradient is None or not gradient.any(), f"{key} in {implementation}"


def differentiate(encoder: Encoder, inputs: Tensor) -> dict[str, Tensor | None]:
    """Return every parameter's gradient, by name."""
    outputs = READOUTS["last"](encoder(inputs))
    wanted = torch.linspace(-1, 1, outputs.numel()).view_as(outputs).to(outputs.dtype)
    parameters = dict(encoder.named_parameters())
    gradients = torch.autograd.grad(
        (outputs - wanted).square().sum(), list(parameters.values()), allow_unused=True
    )
    return dict(zip(parameters, gradients, strict=True))


@pytest.mark.parametrize(("name", "implementation"), cover(FURTHER_IMPLEMENTATIONS))
def test_every_implementation_equals_the_ordinary_one_from_the_start(
    name: str, implementation: str
) -> None:
    started = []
    for each in (None, implementation):
        torch.manual_seed(5)
        started.append(build(name, each).double())
    ordinary, other = started
    states = ordinary.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(map(torch.equal, *(state.values() for state in states)))
    inputs, weights = draw_inputs(), torch.randn(BATCH, TIME, ordinary.width).double()
    results = []
    for encoder in (ordinary, other):
        x = inputs.clone().requires_grad_()
        steps, final, _ = encoder(x)
        ((steps * weights).sum() + final.square().sum()).backward()
        results.append([steps, final, x.grad, *(weight.grad for weight in encoder.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_variant_keeps_the_examples_of_a_batch_apart(variant: str) -> None:
    encoder = build(variant).double().eval()
    inputs = draw_inputs()
    alone = torch.cat([encoder(example[None]).steps for example in inputs])
    torch.testing.assert_close(encoder(inputs).steps, alone, rtol=0, atol=1e-12)


def test_variant_reads_the_whole_sequence(variant: str) -> None:
    inputs = draw_inputs().requires_grad_()
    outputs = READOUTS["final"](build(variant).double()(inputs))
    # of what ends in a layer normalisation the plain sum is the same for all inputs
    outputs.square().mul(torch.arange(outputs.numel()).view_as(outputs)).sum().backward()
    assert inputs.grad is not None
    assert (inputs.grad.abs().sum(dim=(0, 2)) > 0).all()


@pytest.mark.parametrize("name", cover(ONE_DIRECTION))
def test_a_step_knows_nothing_of_later_ones(name: str) -> None:
    encoder = build(name).double()
    inputs = draw_inputs()
    changed = inputs.clone()
    changed[:, 4:] += 1.0
    before, after = encoder(inputs).steps, encoder(changed).steps
    torch.testing.assert_close(before[:, :4], after[:, :4], rtol=0, atol=1e-12)
    assert not torch.allclose(before[:, 4], after[:, 4], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", cover(BOTH_DIRECTIONS))
def test_both_directions_are_two_of_one_run_by_hand(name: str) -> None:
    twin = build(name).double()
    inputs = draw_inputs()
    weights, steps, ends = twin.state_dict(), inputs, []
    for layer in range(SIZES.layers):
        features = steps.shape[2]
        one = replace(SIZES, features=features, layers=1)
        forwards, backwards = (build(name.removeprefix("bi"), sizes=one).double() for _ in "fb")
        for direction, encoder in enumerate((forwards, backwards)):
            encoder.load_state_dict(
                {key: weights[rename(key, layer, direction)] for key in encoder.state_dict()}
            )
        there, back = forwards(steps).steps, backwards(steps.flip(1)).steps
        ends = [there[:, -1], back[:, -1]]
        steps = torch.cat([there, back.flip(1)], dim=2)
    found = twin(inputs)
    torch.testing.assert_close(found.steps, steps, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.final, torch.stack(ends), rtol=0, atol=1e-12)


def rename(key: str, layer: int, direction: int) -> str:
    """Return a weight's name in a bidirectional encoder, from its name in one layer alone."""
    native = key.replace("_l0", f"_l{layer}") + ("_reverse" if direction else "")
    return native if "_l0" in key else key.replace("layers.0.0.", f"layers.{layer}.{direction}.")


def test_weights_start_within_their_bounds_and_come_back_from_a_state_dict(variant: str) -> None:
    first, second = build(variant), build(variant)
    before = [parameter.detach().clone() for parameter in first.parameters()]
    for project in list_projections(first):
        project()
    assert all(map(torch.equal, before, first.parameters()))
    inputs = draw_inputs().float()
    assert not torch.equal(first(inputs).steps, second(inputs).steps)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(inputs).steps, second(inputs).steps)


def test_two_equal_runs_give_equal_losses_to_the_last_bit(
    make_spec: Callable[..., RunSpec], variant: str, tiny_task: Task, tiny_data: TaskData
) -> None:
    settings = {
        "variant": variant,
        "implementation": VARIANTS[variant].implementations[0],
        "dropout": 0.3,
        "batch_size": 8,
    }
    few = TaskData(tiny_data.train.first(16), tiny_data.test)
    losses = []
    for seed in (0, 0, 1):
        training = Training(make_spec(**settings, seed=seed), tiny_task, few)
        losses.append([training.train_epoch()[0] for _ in range(2)])
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


@pytest.mark.parametrize(("name", "implementation"), cover(FURTHER_IMPLEMENTATIONS))
def test_every_implementation_learns_what_the_ordinary_one_does(
    make_spec: Callable[..., RunSpec],
    name: str,
    implementation: str,
    tiny_task: Task,
    tiny_data: TaskData,
) -> None:
    """Over three steps of the harness: equal gradients are not enough if they go astray."""
    few, losses = TaskData(tiny_data.train.first(24), tiny_data.test), []
    for each in (VARIANTS[name].implementations[0], implementation):
        spec = make_spec(
            variant=name, implementation=each, batch_size=8, hidden_size=6, learning_rate=0.02
        )
        training = Training(spec, tiny_task, few)
        with training.active():
            batches = training.draw_batches()
            losses.append([training.step(batch).item() for batch in (*batches, batches[0])])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_variant_is_explained(variant: str) -> None:
    explanation = VARIANTS[variant].explanation
    summary, *_ = explanation.splitlines()
    assert summary
    assert summary.endswith((".", ":"))
    for word in ("Input (batch, time, features)", "steps", "final"):
        assert word in explanation


def test_everything_is_explained() -> None:
    for registry in (READOUTS, TASKS):
        for name in registry:
            assert registry[name].__doc__, name
    for name in SUITES:
        assert SUITES[name].summary, name


@pytest.mark.parametrize("suite", tuple(SUITES))
def test_suites_name_only_what_is_registered_and_goes_together(suite: str) -> None:
    planned = SUITES[suite]
    specs = plan_runs(planned.grids, planned.match_parameters, planned.measure)
    assert len({spec.run_id for spec in specs}) == len(specs) > 0
