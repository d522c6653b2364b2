"""What the optimiser gets, by name, against an ordinary backward pass through the whole batch."""

import copy
from collections.abc import Callable, Iterator

import pytest
import torch

from seqbench.harness.training import Training
from seqbench.models.model import VARIANTS
from seqbench.spec import RunSpec
from seqbench.tasks.task import Split, Task, TaskData

MakeSpec = Callable[..., RunSpec]

BATCH = 50
TOLERANCES = {torch.float64: 1e-9, torch.float32: 2e-4}
"""Of the norm; float32 has 6e-8, which 5 steps of 2 layers and sums over 50 examples multiply."""

TRIED = [
    (name, implementation)
    for name in VARIANTS
    if not VARIANTS[name].on_request or name in ("indrnn", "biindrnn", "lru", "mingru", "minlstm")
    for implementation in VARIANTS[name].implementations
    if implementation != "compiled"
]


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    """Build models in a type while a test runs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def differentiate(
    training: Training, batch: torch.Tensor, clip: float | None
) -> dict[str, torch.Tensor | None]:
    """Return the gradients of one plain backward pass of a copy, clipped by hand."""
    plain = copy.deepcopy(training.model)
    examples = training.data.train
    outputs = plain(examples.inputs[batch])
    loss = torch.nn.functional.cross_entropy(
        outputs.reshape(-1, outputs.shape[-1]), examples.targets[batch].reshape(-1)
    )
    loss.backward()
    found = {name: each.grad for name, each in plain.named_parameters() if each.requires_grad}
    known = [each for each in found.values() if each is not None]
    norm = sum(float((each.double() ** 2).sum()) for each in known) ** 0.5
    scale = min(1.0, clip / (norm + 1e-6)) if clip is not None else 1.0
    return {name: None if each is None else each * scale for name, each in found.items()}


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("variant", "implementation"), TRIED)
def test_the_optimiser_gets_the_gradient_of_the_whole_batch(
    make_spec: MakeSpec,
    tiny_task: Task,
    tiny_data: TaskData,
    dtype: torch.dtype,
    variant: str,
    implementation: str,
    threads: int,
    clip: float | None,
) -> None:
    spec = make_spec(
        variant=variant,
        implementation=implementation,
        threads=threads,
        batch_size=BATCH,
        clip_norm=clip,
        readout="final",
    )
    train = Split(tiny_data.train.inputs.to(dtype), tiny_data.train.targets)
    training = Training(spec, tiny_task, TaskData(train, train), threads)
    training.model.train()
    for batch in (torch.arange(40), torch.arange(7, 30)):
        expected = differentiate(training, batch, clip)
        with training.active():
            training.update.collect(training.differentiate(batch)[1])
        for name, parameter in training.model.named_parameters():
            theirs = expected[name]
            if theirs is None or not theirs.any():
                assert parameter.grad is None or not parameter.grad.any(), name
                continue
            assert parameter.grad is not None, name
            difference = torch.linalg.vector_norm(parameter.grad - theirs)
            assert difference <= TOLERANCES[dtype] * torch.linalg.vector_norm(theirs), name
