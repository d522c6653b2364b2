"""What must hold for every registered variant and suite: a new one is tested without an edit.

Tasks are held to their contract in `test_task_conformance`.
"""

from collections.abc import Callable

import pytest
import torch

from seqbench.harness.training import Training
from seqbench.models.model import VARIANTS, EncoderSizes, build_model, implementations
from seqbench.models.readout import READOUTS
from seqbench.spec import RunSpec, expand
from seqbench.suites import SUITES
from seqbench.tasks.task import TASKS, Task, TaskData

SIZES = EncoderSizes(features=3, hidden=4, layers=2)
BATCH, TIME = 5, 7


@pytest.fixture(params=tuple(VARIANTS))
def variant(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_variant_gives_the_shapes_of_the_contract(variant: str) -> None:
    encoder = VARIANTS[variant](SIZES)
    steps, final, _ = encoder(torch.rand(BATCH, TIME, SIZES.features))
    assert steps.shape == (BATCH, TIME, encoder.width)
    assert final.shape[1] == BATCH
    assert final.shape[0] * final.shape[2] == encoder.width
    assert steps.dtype is final.dtype is torch.float32


@pytest.mark.parametrize("readout", ["final", "mean"])
def test_gradients_reach_every_parameter(
    make_spec: Callable[..., RunSpec], variant: str, readout: str
) -> None:
    model = build_model(make_spec(variant=variant, readout=readout), features=3, outputs=2)
    outputs = model(torch.rand(BATCH, TIME, 3))
    assert outputs.shape == (BATCH, 2)
    (outputs * torch.rand_like(outputs)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_every_implementation_equals_the_native_one(
    make_spec: Callable[..., RunSpec], variant: str
) -> None:
    models = [
        build_model(
            make_spec(variant=variant, implementation=implementation), features=3, outputs=2
        ).double()
        for implementation in ("native", *implementations(variant))
    ]
    inputs = torch.rand(BATCH, TIME, 3, dtype=torch.float64)
    results = []
    for model in models:
        model.load_state_dict(models[0].state_dict())
        outputs = model(inputs)
        outputs.square().sum().backward()
        results.append([outputs, *(parameter.grad for parameter in model.parameters())])
    for other in results[1:]:
        for ours, native in zip(other, results[0], strict=True):
            torch.testing.assert_close(ours, native, rtol=0, atol=1e-10)


def test_variant_keeps_the_examples_of_a_batch_apart(
    make_spec: Callable[..., RunSpec], variant: str
) -> None:
    model = build_model(make_spec(variant=variant), features=3, outputs=2).double().eval()
    inputs = torch.rand(BATCH, TIME, 3, dtype=torch.float64)
    alone = torch.cat([model(example[None]) for example in inputs])
    torch.testing.assert_close(model(inputs), alone, rtol=0, atol=1e-12)


def test_variant_reads_the_whole_sequence(make_spec: Callable[..., RunSpec], variant: str) -> None:
    model = build_model(make_spec(variant=variant, readout="final"), features=3, outputs=2)
    inputs = torch.rand(BATCH, TIME, 3, requires_grad=True)
    model(inputs).sum().backward()
    assert inputs.grad is not None
    assert (inputs.grad.abs().sum(dim=(0, 2)) > 0).all()


def test_weights_come_back_from_a_state_dict(
    make_spec: Callable[..., RunSpec], variant: str
) -> None:
    first, second = (
        build_model(make_spec(variant=variant), features=3, outputs=2) for _ in range(2)
    )
    inputs = torch.rand(BATCH, TIME, 3)
    assert not torch.equal(first(inputs), second(inputs))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(inputs), second(inputs))


def test_two_equal_runs_give_equal_losses_to_the_last_bit(
    make_spec: Callable[..., RunSpec], variant: str, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(variant=variant, dropout=0.3)
    losses = []
    for _ in range(2):
        training = Training(spec, tiny_task, tiny_data)
        losses.append([training.train_epoch()[0] for _ in range(2)])
    assert losses[0] == losses[1]
    other = Training(make_spec(variant=variant, dropout=0.3, seed=1), tiny_task, tiny_data)
    assert other.train_epoch()[0] != losses[0][0]


def test_everything_is_explained() -> None:
    for registry in (VARIANTS, READOUTS, TASKS):
        for name in registry:
            assert registry[name].__doc__, name
    for name in SUITES:
        assert SUITES[name].summary, name


@pytest.mark.parametrize("suite", tuple(SUITES))
def test_suites_expand_and_name_only_what_is_registered(suite: str) -> None:
    defaults = {"variant": tuple(VARIANTS), "device": ("cpu",), "threads": (1,)}
    specs = expand({**defaults, **SUITES[suite].axes})
    assert len({spec.run_id for spec in specs}) == len(specs)
    for spec in specs:
        assert spec.task in TASKS
        assert spec.variant in VARIANTS
        assert spec.readout in READOUTS
