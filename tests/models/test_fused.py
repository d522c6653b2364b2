"""The fused layers: equal to torch.nn's and to finite differences, through every read-out."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqbench import models
from seqbench.models.fused import FusedEncoder, Scripted, block_of, reach
from seqbench.models.fused_elman import FusedElmanEncoder
from seqbench.models.fused_gru import FusedGruEncoder
from seqbench.models.model import EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.models.readout import READOUTS
from tests.processes import run_code

FUSED: dict[str, tuple[Callable[..., FusedEncoder], Callable[..., nn.RNNBase], dict[str, Any]]] = {
    "tanh": (FusedElmanEncoder, nn.RNN, {"nonlinearity": "tanh"}),
    "relu": (FusedElmanEncoder, nn.RNN, {"nonlinearity": "relu"}),
    "gru": (FusedGruEncoder, nn.GRU, {}),
}


def build_pair(kind: str, sizes: EncoderSizes) -> tuple[NativeEncoder, FusedEncoder]:
    """Return torch.nn's own and the fused encoder with equal weights, in double precision."""
    encoder, module, options = FUSED[kind]
    native, fused = NativeEncoder(module, sizes, **options), encoder(sizes, **options)
    fused.load_state_dict(native.state_dict())
    return native.double(), fused.double()


def differentiate(encoder: NativeEncoder, inputs: Tensor, readout: str) -> list[Tensor]:
    """Return what is read out and the gradients of all weights and of the inputs."""
    inputs = inputs.detach().requires_grad_()
    outputs = READOUTS[readout](encoder(inputs))
    wanted = torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).view_as(outputs)
    loss = (outputs - wanted).square().sum()
    gradients = torch.autograd.grad(
        loss, [inputs, *encoder.parameters()], allow_unused=True, materialize_grads=True
    )
    return [outputs, *gradients]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", FUSED)
def test_fused_equals_native_in_outputs_and_every_gradient(kind: str, bidirectional: bool) -> None:
    """Each read-out hands other gradients back, and 9 steps are more than one block of them."""
    for layers, time in ((1, 7), (3, 9)):
        pair = build_pair(kind, EncoderSizes(3, 5, layers, bidirectional=bidirectional))
        inputs = torch.randn(4, time, 3, dtype=torch.float64)
        for readout in READOUTS:
            native, fused = (differentiate(encoder, inputs, readout) for encoder in pair)
            for ours, theirs in zip(fused, native, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", FUSED)
def test_blocks_of_steps_change_nothing(
    monkeypatch: pytest.MonkeyPatch, kind: str, bidirectional: bool
) -> None:
    monkeypatch.setattr("seqbench.models.fused.BLOCK", 3)
    pair = build_pair(kind, EncoderSizes(2, 4, 2, bidirectional=bidirectional))
    for time in (1, 3, 6, 7):
        inputs, results = torch.randn(3, time, 2, dtype=torch.float64), []
        for encoder in pair:
            steps, final, _ = encoder(inputs)
            loss = steps.square().sum() + final.sum()
            results.append([steps, *torch.autograd.grad(loss, list(encoder.parameters()))])
        for ours, theirs in zip(*results, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_blocks_cover_all_steps_from_either_end() -> None:
    from_start = [block_of(done, 3, 7, False) for done in range(0, 7, 3)]
    from_end = [block_of(done, 3, 7, True) for done in range(0, 7, 3)]
    assert from_start == [(0, 3), (3, 6), (6, 7)]
    assert from_end == [(4, 7), (1, 4), (0, 1)]


def test_a_torch_without_torchscript_gives_outputs_and_gradients_equal_to_torchs_own(
    tmp_path: Path,
) -> None:
    here = Path(__file__)
    tests = [
        f"{here}::test_fused_equals_native_in_outputs_and_every_gradient",
        f"{here}::test_blocks_of_steps_change_nothing",
    ]
    run_code(
        tmp_path,
        "import os, sys, pytest, torch\n"
        "del torch.jit.script\n"
        f"os.chdir({str(here.parents[2])!r})\n"
        "warned = ['-W', 'ignore::pytest.PytestAssertRewriteWarning']\n"
        f"sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *warned, *{tests}]))",
    )


SCRIPTED: dict[str, Any] = {
    f"{module}.{name}": function.compiled
    for _, module, _ in iter_modules(models.__path__)
    for name, function in vars(import_module(f"{models.__name__}.{module}")).items()
    if isinstance(function, Scripted)
}


@pytest.mark.parametrize("name", SCRIPTED)
def test_no_scripted_function_moves_a_number_to_the_device_or_waits_for_one(name: str) -> None:
    graph: Any = SCRIPTED[name].inlined_graph
    for operation in ("aten::tensor", "aten::item", "aten::Int", "prim::NumToTensor"):
        assert not graph.findAllNodes(operation, recurse=True)


@pytest.mark.parametrize("kind", FUSED)
def test_fused_takes_inputs_that_lie_in_any_order(kind: str) -> None:
    native, fused = build_pair(kind, EncoderSizes(3, 5, 2, bidirectional=True))
    lying = torch.randn(3, 14, 4, dtype=torch.float64).permute(2, 1, 0)[:, ::2]
    assert not lying.is_contiguous()
    for ours, theirs in zip(
        differentiate(fused, lying, "mean"), differentiate(native, lying, "mean"), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", FUSED)
def test_fused_gradients_equal_finite_differences(kind: str) -> None:
    _, fused = build_pair(kind, EncoderSizes(2, 3, 2, bidirectional=True))
    inputs = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    for readout in ("each", "last", "final"):
        assert torch.autograd.gradcheck(lambda x, by=readout: READOUTS[by](fused(x)), inputs)


@pytest.mark.parametrize("kind", FUSED)
def test_a_backward_pass_can_be_repeated(kind: str) -> None:
    _, fused = build_pair(kind, EncoderSizes(3, 5, 2))
    loss = fused(torch.randn(2, 4, 3, dtype=torch.float64)).steps.square().sum()
    weights = list(fused.parameters())
    first, second = (torch.autograd.grad(loss, weights, retain_graph=True) for _ in range(2))
    assert all(map(torch.equal, first, second))


@pytest.mark.parametrize("kind", FUSED)
def test_fused_drops_out_between_layers_while_it_trains(kind: str) -> None:
    native, fused = build_pair(kind, EncoderSizes(3, 4, 2, dropout=0.5))
    inputs = torch.randn(2, 5, 3, dtype=torch.float64)
    assert not torch.equal(fused(inputs).steps, fused(inputs).steps)
    drawn = []
    for _ in range(2):
        torch.manual_seed(1)
        drawn.append(differentiate(fused, inputs, "each"))
    assert all(map(torch.equal, *drawn))
    torch.testing.assert_close(fused.eval()(inputs).steps, native.eval()(inputs).steps)


@pytest.mark.parametrize("kind", FUSED)
def test_all_dropped_out_leaves_the_upper_layer_with_zeros(kind: str) -> None:
    _, fused = build_pair(kind, EncoderSizes(3, 4, 2, dropout=1.0))
    fused.requires_grad_(False)
    inputs = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    steps = fused(inputs).steps
    assert torch.equal(steps[0], steps[1])
    assert not torch.autograd.grad(steps.sum(), inputs)[0].any()


def test_a_gradient_reaches_back_from_where_it_starts() -> None:
    some = torch.ones(1)
    assert reach(4, False, None, None, some) == (0, 4)
    assert reach(4, False, None, some, None) == (0, 1)
    assert reach(4, False, some, None, None) == (0, 4)
    assert reach(4, True, None, None, some) == (3, 4)
    assert reach(4, True, None, some, some) == (0, 4)
