"""Initial weights: what the papers say of them."""

import pytest
import torch
from torch import Tensor

from seqbench.models.model import VARIANTS, Encoder, EncoderSizes
from seqbench.models.native import NativeEncoder

HIDDEN = 64
SIZES = EncoderSizes(features=10, hidden=HIDDEN, layers=2, time=100)


def weights(name: str, sizes: EncoderSizes = SIZES) -> dict[str, Tensor]:
    encoder: Encoder = VARIANTS[name](sizes)
    assert isinstance(encoder, NativeEncoder)
    return {key: each.detach() for key, each in encoder.recurrence.named_parameters()}


@pytest.mark.parametrize("name", ["rnn", "rnn-relu", "lstm", "gru", "birnn"])
def test_torchs_own_start_is_uniform(name: str) -> None:
    bound = HIDDEN**-0.5
    for weight in weights(name).values():
        assert weight.abs().max() <= bound
        if weight.numel() > 1000:
            assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


@pytest.mark.parametrize("name", ["irnn", "biirnn"])
def test_irnn_starts_by_copying_its_state(name: str) -> None:
    for key, weight in weights(name).items():
        if key.startswith("weight_hh"):
            assert torch.equal(weight, torch.eye(HIDDEN))
        elif key.startswith("bias"):
            assert not weight.any()
        else:
            assert weight.std().item() == pytest.approx(0.001, rel=0.15)
            assert weight.mean().item() == pytest.approx(0, abs=0.0002)


def test_an_untrained_irnn_sums_up_what_it_takes_in() -> None:
    encoder = VARIANTS["irnn"](EncoderSizes(features=1, hidden=HIDDEN, layers=1)).double()
    inputs = torch.rand(3, 50, 1, dtype=torch.float64)
    taken = encoder.get_parameter("recurrence.weight_ih_l0")[:, 0].clamp(min=0)
    torch.testing.assert_close(encoder(inputs).final[0], inputs.sum(1) * taken)


@pytest.mark.parametrize("name", ["rnn-orthogonal", "birnn-orthogonal"])
def test_orthogonal_weights_keep_lengths(name: str) -> None:
    for key, weight in weights(name).items():
        if key.startswith("weight_hh"):
            torch.testing.assert_close(weight @ weight.t(), torch.eye(HIDDEN), rtol=0, atol=1e-5)
        elif key.startswith("bias"):
            assert not weight.any()
        else:
            bound = (6 / sum(weight.shape)) ** 0.5
            assert weight.abs().max() <= bound
            assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


def effective_bias(found: dict[str, Tensor], layer: str) -> tuple[Tensor, ...]:
    """Return the sum of torch's two biases: input gate, forget gate, candidate, output gate."""
    return (found[f"bias_ih_{layer}"] + found[f"bias_hh_{layer}"]).chunk(4)


@pytest.mark.parametrize("layer", ["l0", "l1", "l0_reverse", "l1_reverse"])
def test_forget_bias_is_one_in_all(layer: str) -> None:
    found = weights("bilstm-forget-bias")
    others = []
    for gate, bias in enumerate(effective_bias(found, layer)):
        if gate == 1:
            assert torch.equal(bias, torch.ones(HIDDEN))
        else:
            others.append(bias)
    assert torch.stack(others).abs().max() <= 2 * HIDDEN**-0.5
    assert all(bias.any() for bias in others)


@pytest.mark.parametrize("layer", ["l0", "l1", "l0_reverse", "l1_reverse"])
def test_chrono_spreads_memories_over_the_sequence(layer: str) -> None:
    input_bias, forget_bias, *_ = effective_bias(weights("bilstm-chrono"), layer)
    steps = forget_bias.exp()
    assert torch.equal(input_bias, -forget_bias)
    assert 1 <= steps.min() <= 15
    assert 85 <= steps.max() <= 99
    assert steps.mean().item() == pytest.approx(50, abs=12)


@pytest.mark.parametrize("time", [1, 2, 3])
def test_chrono_takes_short_sequences(time: int) -> None:
    sizes = EncoderSizes(features=10, hidden=HIDDEN, layers=1, time=time)
    _, forget_bias, *_ = effective_bias(weights("lstm-chrono", sizes), "l0")
    assert 0 <= forget_bias.min() < forget_bias.max() <= torch.tensor(2.0).log()
