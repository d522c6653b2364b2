"""How many numbers a variant trains: by formulas written here, apart from the code."""

from collections.abc import Callable

import pytest

from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.sequence_model import count_parameters as count

pytestmark = pytest.mark.conformance

FEATURES, HIDDEN, LAYERS, TIME = 5, 12, 3, 40


def torch_cell(gates: int) -> Callable[[int, int], int]:
    """Input and hidden weights and two biases for each gate."""
    return lambda f, h: gates * h * (f + h + 2)


ONE_LAYER: dict[str, Callable[[int, int], int]] = {
    **dict.fromkeys(("rnn", "rnn-relu", "irnn", "rnn-orthogonal"), torch_cell(1)),
    **dict.fromkeys(("lstm", "lstm-forget-bias", "lstm-chrono"), torch_cell(4)),
    "gru": torch_cell(3),
    "lstm-projection": lambda f, h: 4 * h * (f + h // 2 + 2) + h // 2 * h,
    "lstm-peephole": lambda f, h: 4 * h * (f + h + 1) + 3 * h,
    # gains of two products, one bias, gain and bias of the cell
    "lstm-layer-norm": lambda f, h: 4 * h * (f + h) + 4 * h + 4 * h + 4 * h + 2 * h,
    # gains of four products, one bias for both gates, two for the candidate
    "gru-layer-norm": lambda f, h: 3 * h * (f + h) + 6 * h + 2 * h + 2 * h,
    "indrnn": lambda f, h: h * f + h + h,
    "mingru": lambda f, h: 2 * (h * f + h),
    "minlstm": lambda f, h: 3 * (h * f + h),
    # λ and γ, complex B and C, real D, the gated linear unit
    "lru": lambda f, h: 2 * h + h + 2 * h * f + 2 * h * h + h * f + 2 * (h * h + h),
}
"""Parameters of one direction of one layer, from its input features and its units."""

WIDTH = {"lstm-projection": HIDDEN // 2}
"""What one direction gives, where that is not its units."""


def tcn(f: int, h: int, layers: int, time: int) -> int:
    """Each convolution: weights, their lengths, biases; 3 blocks with kernels of 7 see 85 steps."""
    assert (layers, time) == (3, 40)
    first = (7 * f * h + h + h) + (7 * h * h + h + h) + (f * h + h)
    return first + 2 * 2 * (7 * h * h + h + h)


def transformer(f: int, h: int, layers: int, time: int) -> int:
    """Entry; for each layer query, key, value, join, both norms, the perceptron; the last norm."""
    block = 3 * h * h + (h * h + h) + 2 * 2 * h + (4 * h * h + 4 * h) + (4 * h * h + h)
    return (f * h + h) + layers * block + 2 * h


WHOLE: dict[str, Callable[[int, int, int, int], int]] = {
    "linear": lambda f, h, layers, time: time * f * h + h,
    "mlp": lambda f, h, layers, time: time * f * h + h + (layers - 1) * (h * h + h),
    "tcn": tcn,
    "transformer": transformer,
}
"""Parameters of an encoder that is no stack of equal layers."""


@pytest.mark.parametrize("name", [name for name in VARIANTS if "zoo-" not in name])
def test_parameters_follow_the_formula(name: str) -> None:
    """Of another package's layers the sizes are that package's business."""
    variant = VARIANTS[name]
    directions = 2 if variant.bidirectional else 1
    plain = name.removeprefix("bi") if variant.bidirectional else name
    if plain not in ONE_LAYER | WHOLE:
        pytest.skip("no formula is written down here for it")
    if plain in WHOLE:
        expected = WHOLE[plain](FEATURES, HIDDEN, LAYERS, TIME)
    else:
        width = directions * WIDTH.get(plain, HIDDEN)
        inputs = [FEATURES] + [width] * (LAYERS - 1)
        expected = sum(directions * ONE_LAYER[plain](features, HIDDEN) for features in inputs)
    sizes = EncoderSizes(
        FEATURES, HIDDEN, LAYERS, time=TIME, implementation=variant.implementations[0]
    )
    assert count(variant(sizes)) == expected


def test_no_formula_is_left_over() -> None:
    assert ONE_LAYER.keys() | WHOLE.keys() <= set(VARIANTS)
