"""Operations by formula: equal to what torch counts, for everything registered, and by hand."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.products import (
    TRAINING_PASSES,
    Product,
    count_bytes,
    count_flops,
    list_products,
)
from seqbench.models.readout import READOUTS
from seqbench.models.sequence_model import SequenceModel
from seqbench.models.torch_flops import count_cudnn, count_cudnn_backward, count_run
from tests.members import IMPLEMENTATIONS, cover_pairs
from tests.processes import run_code

NOTEBOOK = EncoderSizes(features=28, hidden=128, layers=2, time=28)
OUTPUTS = 10

CASES = [  # batch, sizes
    (3, EncoderSizes(features=8, hidden=6, layers=2, time=8)),
    (1, EncoderSizes(features=2, hidden=8, layers=1, time=5)),
    (2, EncoderSizes(features=5, hidden=4, layers=3, time=2)),
]


def build(name: str, sizes: EncoderSizes, readout: str = "last") -> SequenceModel:
    encoder = VARIANTS[name](sizes)
    return SequenceModel(encoder, READOUTS[readout], sizes.features, OUTPUTS)


def count_forward(model: SequenceModel, batch: int, sizes: EncoderSizes) -> int:
    inputs = torch.rand(batch, sizes.time, sizes.features, device=model.head.weight.device)
    with torch.no_grad():
        return count_run(lambda: model(inputs))


def as_torch_counts(product: Product) -> int:
    """Return 2 for a multiplication and its addition even if the numbers are complex."""
    return product.flops // product.parts**2


@pytest.mark.conformance
@pytest.mark.parametrize(
    ("name", "implementation", "batch", "sizes"), cover_pairs(IMPLEMENTATIONS, CASES)
)
def test_the_formula_is_what_torch_counts(
    name: str, implementation: str, batch: int, sizes: EncoderSizes
) -> None:
    model = build(name, replace(sizes, implementation=implementation))
    expected = sum(map(as_torch_counts, list_products(model, batch, sizes.time)))
    assert count_forward(model, batch, sizes) == expected


@given(
    variant=st.sampled_from(["rnn", "birnn", "lstm", "bilstm", "gru", "bigru"]),
    batch=st.integers(1, 3),
    features=st.integers(1, 9),
    hidden=st.integers(1, 9),
    layers=st.integers(1, 3),
    time=st.integers(1, 6),
    readout=st.sampled_from(tuple(READOUTS)),
)
@settings(max_examples=20)
def test_the_formula_holds_at_all_sizes(
    variant: str, batch: int, features: int, hidden: int, layers: int, time: int, readout: str
) -> None:
    sizes = EncoderSizes(features, hidden, layers, time=time)
    for implementation in ("native", "reference"):
        model = build(variant, replace(sizes, implementation=implementation), readout)
        assert count_forward(model, batch, sizes) == batch * count_flops(model, time)


@pytest.mark.parametrize(
    ("variant", "flops"),
    [
        # 2 layers: 2 × 28 × (128·28 + 128·128 + 2·128·128), head 2 × 10·128
        ("rnn", 2_955_776),
        # four and three gates: the layers four and three times as many
        ("lstm", 11_815_424),
        ("gru", 8_862_208),
        # into the model 2 × 28 × 128·28, 2 layers of 2 × 28 × 12·128² for queries, keys, values,
        # their join and the perceptron, of 2 × 2 × 28²·128 for attention; head
        ("transformer", 23_026_176),
    ],
)
def test_numbers_at_the_notebooks_sizes_by_hand(variant: str, flops: int) -> None:
    with torch.device("meta"):
        model = build(variant, NOTEBOOK)
    assert count_flops(model, 28) == flops


def test_a_complex_product_takes_four_times_as_many() -> None:
    model = build("linear", EncoderSizes(features=3, hidden=5, layers=1, time=7))
    in_the_filter = 8 * (7 + 1) * 3 * 5
    assert count_flops(model, 7) == in_the_filter + 2 * 5 * OUTPUTS


def test_a_head_at_every_step_counts_at_every_step() -> None:
    with torch.device("meta"):
        last, each = (build("gru", NOTEBOOK, readout) for readout in ("last", "each"))
    assert count_flops(each, 28) - count_flops(last, 28) == 27 * 2 * 128 * OUTPUTS


@pytest.mark.parametrize("variant", ["rnn", "lstm", "gru"])
def test_a_training_step_is_three_forward_passes_but_for_three_per_cent(variant: str) -> None:
    with torch.device("meta"):
        model = build(variant, replace(NOTEBOOK, implementation="reference"))
        inputs, targets = torch.empty(4, 28, 28), torch.empty(4, dtype=torch.int64)
        counted = count_run(lambda: nn.functional.cross_entropy(model(inputs), targets).backward())
    convention = TRAINING_PASSES * 4 * count_flops(model, 28)
    weights = dict(model.encoder.named_parameters())
    of_the_sequence = 2 * 4 * 28 * weights["recurrence.weight_ih_l0"].numel()
    of_first_states = sum(2 * 4 * weights[f"recurrence.weight_hh_l{i}"].numel() for i in (0, 1))
    assert counted == convention - of_the_sequence - of_first_states
    assert counted / convention == pytest.approx(0.970, abs=5e-4)


@pytest.mark.parametrize("variant", ["bilstm", "transformer"])
def test_kernels_of_one_piece_are_counted_backwards_too(variant: str) -> None:
    sizes = EncoderSizes(features=6, hidden=8, layers=2, time=5)
    model, inputs = build(variant, sizes), torch.rand(3, 5, 6, requires_grad=True)
    counted = count_run(lambda: model(inputs).sum().backward())
    scores_again = 2 * 2 * 3 * 5 * 5 * 8 if variant == "transformer" else 0
    assert counted == TRAINING_PASSES * 3 * count_flops(model, 5) + scores_again


@pytest.mark.parametrize(
    ("module", "mode", "projection"),
    [(nn.RNN, 1, 0), (nn.LSTM, 2, 0), (nn.LSTM, 2, 3), (nn.GRU, 3, 0)],
)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_cudnn_is_counted_without_it(
    module: Callable[..., nn.RNNBase], mode: int, projection: int, bidirectional: bool
) -> None:
    """On the meta device, as there is no GPU where tests run; backwards the formula alone."""
    batch, time, features, hidden = 4, 7, 5, 6
    with torch.device("meta"):
        narrowed = {"proj_size": projection} if projection else {}
        recurrence = module(features, hidden, 2, bidirectional=bidirectional, **narrowed)
        inputs = torch.empty(time, batch, features)
        states = torch.empty(2 * (1 + bidirectional), batch, projection or hidden)
        cells = torch.empty(2 * (1 + bidirectional), batch, hidden)
    weights: list[Tensor] = list(recurrence.parameters())
    cell = cells if module is nn.LSTM else None
    options: tuple[Any, ...] = (
        mode,
        hidden,
        projection,
        2,
        False,
        0.0,
        True,
        bidirectional,
        [],
        None,
    )
    counted = count_run(
        lambda: torch.ops.aten._cudnn_rnn(
            inputs, weights, len(weights) // 2, None, states, cell, *options
        )
    )
    forwards = batch * count_flops(recurrence, time)
    shapes = [tuple(weight.shape) for weight in weights]
    assert counted == forwards == count_cudnn(inputs.shape, shapes)
    for of_weights, passes in ((True, 2), (False, 1)):
        wanted = [True, False, False, of_weights]
        assert count_cudnn_backward(inputs.shape, shapes, 0, wanted) == passes * forwards
    packed = count_cudnn((time * batch, features), shapes)
    assert packed == forwards


def test_registering_twice_is_registering_once_and_importing_is_not_registering(
    tmp_path: Path,
) -> None:
    run_code(
        tmp_path,
        "import importlib\n"
        "from torch.utils.flop_counter import flop_registry\n"
        "before = set(flop_registry)\n"
        "import seqbench.models\n"
        "from seqbench.models import torch_flops\n"
        "assert set(flop_registry) == before\n"
        "torch_flops.register_formulas()\n"
        "first = dict(flop_registry)\n"
        "assert set(first) == before | set(torch_flops.FORMULAS)\n"
        "importlib.reload(torch_flops).register_formulas()\n"
        "assert flop_registry == first",
    )


class PluginsModel(nn.Module):
    """What a plugin may hold: a convolution, weights worked out of others, gates by element."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = weight_norm(nn.Conv1d(3, 4, 5, padding="same"))
        self.gate = nn.Parameter(torch.rand(4))
        self.join = nn.Linear(4, 2, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        joined: Tensor = self.join((self.gate * self.mix(inputs.mT).mT).tanh())
        return joined


def test_the_rule_counts_modules_without_declared_products() -> None:
    model, inputs = PluginsModel(), torch.rand(6, 7, 3)
    assert count_run(lambda: model(inputs)) == 6 * count_flops(model, 7)
    assert count_flops(model, 7) == 2 * 7 * (4 * 3 * 5 + 2 * 4)


def test_the_module_of_the_plugin_page_is_counted_correctly() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
    (block,) = (
        each
        for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if "def products" in each
    )
    names: dict[str, Any] = {"nn": nn, "Float": Float, "Tensor": Tensor}
    exec(block, names)
    module, inputs = names["Similarity"](3), torch.rand(5, 7, 3)
    assert count_run(lambda: module(inputs)) == 5 * count_flops(module, 7)


class AppliedOnce(nn.Module):
    """A module that declares its products."""

    def __init__(self, products: Callable[[int, int], list[Product]]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4, 4))
        self.declare = products

    def products(self, batch: int, time: int) -> list[Product]:
        return self.declare(batch, time)


def test_a_module_that_says_what_it_does_is_believed_wherever_it_stands() -> None:
    once = AppliedOnce(lambda batch, time: [Product(batch, 4, 4)])
    assert count_flops(nn.Sequential(nn.Sequential(once), nn.Linear(4, 4)), 9) == 2 * 16 * (1 + 9)


def test_bytes_are_each_number_once() -> None:
    assert Product(2, 3, 5, times=7).bytes(4) == 4 * 7 * (2 * 3 + 3 * 5 + 2 * 5)
    assert Product(2, 3, 5, parts=2).bytes(4) == 8 * (2 * 3 + 3 * 5 + 2 * 5)
    convolution = nn.Conv1d(3, 4, 5)
    read, written = 2 * 7 * 3 + 4 * 3 * 5, 2 * 7 * 4
    assert count_bytes(convolution, 2, 7, itemsize=8) == 8 * (read + written)


def test_weights_are_read_once_for_a_batch() -> None:
    with torch.device("meta"):
        model = build("lstm", NOTEBOOK)
    alone, two = (count_bytes(model, batch, 28) for batch in (1, 2))
    weights = sum(each.numel() for each in model.parameters() if each.ndim > 1)
    assert 2 * alone - two == 4 * weights
