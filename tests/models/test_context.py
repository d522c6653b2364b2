"""The networks that are no recurrences: linear, perceptron, convolution, attention."""

import pytest
import torch
from torch import nn

from seqbench.errors import SettingError
from seqbench.models.context import CausalFilter
from seqbench.models.model import VARIANTS, EncoderSizes
from seqbench.models.tcn import ConvolutionBlock, levels_to_see
from seqbench.models.transformer import AttentionBlock, Positions

NAMES = ("linear", "mlp", "tcn", "transformer")


@pytest.mark.parametrize("name", NAMES)
def test_a_sequence_longer_than_built_for_is_refused(name: str) -> None:
    encoder = VARIANTS[name](EncoderSizes(3, 4, 2, time=5))
    with pytest.raises(SettingError, match=r"time steps must be at most 5: .* not 6"):
        encoder(torch.rand(2, 6, 3))


def test_linear_is_a_linear_map_of_the_flattened_sequence() -> None:
    time, features, hidden = 6, 3, 4
    encoder = VARIANTS["linear"](EncoderSizes(features, hidden, 2, time=time)).double()
    weight, bias = encoder.get_parameter("body.0.weight"), encoder.get_parameter("body.0.bias")
    inputs = torch.randn(5, time, features, dtype=torch.float64)
    flat_weight = weight.flip(2).transpose(1, 2).reshape(hidden, time * features)
    by_hand = inputs.flatten(1) @ flat_weight.t() + bias
    torch.testing.assert_close(encoder(inputs).steps[:, -1], by_hand, rtol=0, atol=1e-12)


@pytest.mark.parametrize("time", [1, 4, 6])
def test_the_causal_filter_is_a_convolution(time: int) -> None:
    layer = CausalFilter(3, 4, 6).double()
    inputs = torch.randn(2, time, 3, dtype=torch.float64)
    padded = nn.functional.pad(inputs.transpose(1, 2), (5, 0))
    expected = nn.functional.conv1d(padded, layer.weight.flip(2), layer.bias).transpose(1, 2)
    torch.testing.assert_close(layer(inputs), expected, rtol=0, atol=1e-12)


def test_mlp_is_a_perceptron_of_the_flattened_sequence() -> None:
    sizes = EncoderSizes(3, 4, 2, time=6)
    encoder = VARIANTS["mlp"](sizes).double()
    linear = VARIANTS["linear"](sizes).double()
    for end in ("weight", "bias"):
        linear.get_parameter(f"body.0.{end}").data = encoder.get_parameter(f"body.0.{end}").data
    inputs = torch.randn(5, 6, 3, dtype=torch.float64)
    inner = linear(inputs).steps[:, -1].relu()
    by_hand = inner @ encoder.get_parameter("body.3.weight").t()
    by_hand = (by_hand + encoder.get_parameter("body.3.bias")).relu()
    torch.testing.assert_close(encoder(inputs).steps[:, -1], by_hand, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("time", "levels"), [(1, 1), (13, 1), (14, 2), (28, 2), (37, 2), (38, 3), (784, 7)]
)
def test_tcn_has_the_blocks_that_the_length_needs(time: int, levels: int) -> None:
    assert levels_to_see(time) == levels


@pytest.mark.parametrize("time", [13, 14, 37, 38])
def test_tcns_last_step_sees_the_first(time: int) -> None:
    encoder = VARIANTS["tcn"](EncoderSizes(1, 8, 1, time=time)).double()
    inputs = torch.randn(4, time, 1, dtype=torch.float64, requires_grad=True)
    encoder(inputs).steps[:, -1].sum().backward()
    assert inputs.grad is not None
    assert inputs.grad[:, 0].any()


def test_a_block_of_tcn_by_hand() -> None:
    block = ConvolutionBlock(2, 3, dilation=2, dropout=0.0).double()
    inputs = torch.randn(1, 9, 2, dtype=torch.float64)

    def convolve(layer: nn.Conv1d, steps: torch.Tensor) -> torch.Tensor:
        """Sum over the kernel at each step, the last weight on the step itself."""
        assert layer.bias is not None
        found = []
        for t in range(9):
            reached = [(k, t - 2 * (6 - k)) for k in range(7) if t - 2 * (6 - k) >= 0]
            found.append(layer.bias + sum(layer.weight[:, :, k] @ steps[at] for k, at in reached))
        return torch.stack(found)

    inner = convolve(block.second, convolve(block.first, inputs[0]).relu()).relu()
    by_hand = (block.skip(inputs[0]) + inner).relu()
    torch.testing.assert_close(block(inputs)[0], by_hand, rtol=0, atol=1e-12)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_equals_torchs_transformer_layer(heads: int) -> None:
    ours = AttentionBlock(8, heads, 0.0).double()
    theirs = nn.TransformerEncoderLayer(
        8, heads, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(ours.project.weight)
        theirs.self_attn.in_proj_bias.zero_()
        theirs.norm1.load_state_dict(ours.norm_attention.state_dict())
        theirs.self_attn.out_proj.load_state_dict(ours.join.state_dict())
        for mine, its in zip(
            (ours.perceptron[0], ours.perceptron[1], ours.perceptron[3]),
            (theirs.norm2, theirs.linear1, theirs.linear2),
            strict=True,
        ):
            its.load_state_dict(mine.state_dict())
    inputs = torch.randn(2, 5, 8, dtype=torch.float64)
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    torch.testing.assert_close(ours(inputs), theirs(inputs, src_mask=mask), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("hidden", "heads"), [(12, 4), (6, 2), (5, 1), (1, 1)])
def test_heads_divide_the_width(hidden: int, heads: int) -> None:
    encoder = VARIANTS["transformer"](EncoderSizes(3, hidden, 1, time=4))
    assert [block.heads for block in encoder.modules() if isinstance(block, AttentionBlock)] == [
        heads
    ]
    assert encoder(torch.rand(2, 4, 3)).steps.shape == (2, 4, hidden)


def test_positions_are_sines_and_cosines() -> None:
    added = Positions(6, 10)(torch.zeros(1, 10, 6))[0]
    for step in (0, 3, 9):
        for pair in range(3):
            angle = torch.tensor(step / 10_000 ** (pair / 3))
            torch.testing.assert_close(added[step, 2 * pair], angle.sin())
            torch.testing.assert_close(added[step, 2 * pair + 1], angle.cos())
