"""Models: equal to plain torch.nn, shaped as in the notebook, read out as documented."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from seqbench.errors import UnknownNameError, UnsupportedError
from seqbench.models.compiled import compile_step
from seqbench.models.model import (
    VARIANTS,
    EncoderSizes,
    fastest_implementation,
    list_projections,
    select_variants,
)
from seqbench.models.native import NativeEncoder
from seqbench.models.readout import READOUTS, Encoding
from seqbench.models.sequence_model import SequenceModel, build_model
from seqbench.spec import RunSpec

PLAIN: dict[str, tuple[Callable[..., nn.RNNBase], bool]] = {
    "rnn": (nn.RNN, False),
    "birnn": (nn.RNN, True),
    "lstm": (nn.LSTM, False),
    "bilstm": (nn.LSTM, True),
    "gru": (nn.GRU, False),
    "bigru": (nn.GRU, True),
}


class NotebookModel(nn.Module):
    """The notebook's model, written as there."""

    def __init__(self, module: Callable[..., nn.RNNBase], bidirectional: bool, hidden: int) -> None:
        super().__init__()
        self.rnn = module(28, hidden, 2, batch_first=True, bidirectional=bidirectional)
        self.fc = nn.Linear(hidden * (2 if bidirectional else 1), 10)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.rnn(x)
        result: Tensor = self.fc(out[:, -1, :])
        return result


@pytest.mark.parametrize("variant", PLAIN)
def test_outputs_loss_and_gradients_equal_a_plain_torch_model(
    make_spec: Callable[..., RunSpec], variant: str
) -> None:
    spec = make_spec(variant=variant, hidden_size=16)
    torch.manual_seed(7)
    ours = build_model(spec, features=28, outputs=10)
    torch.manual_seed(7)
    plain = NotebookModel(*PLAIN[variant], hidden=16)
    inputs, targets = torch.rand(6, 28, 28), torch.randint(10, (6,))

    losses = [nn.functional.cross_entropy(model(inputs), targets) for model in (ours, plain)]
    for loss in losses:
        loss.backward()

    assert torch.equal(ours(inputs), plain(inputs))
    assert torch.equal(*losses)
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine, theirs)
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.equal(mine.grad, theirs.grad)


@pytest.mark.parametrize(("bidirectional", "width"), [(False, 2), (True, 4)])
def test_shapes_are_those_of_the_notebooks_table(bidirectional: bool, width: int) -> None:
    directions = 2 if bidirectional else 1
    inputs = torch.arange(1.0, 13.0).view(4, 3, 1)
    encoder = NativeEncoder(nn.RNN, EncoderSizes(1, 2, 2, bidirectional=bidirectional))
    out, h_n = encoder.recurrence(inputs)
    assert out.shape == (4, 3, width)
    assert h_n.shape == (2 * directions, 4, 2)

    steps, final, _ = encoder(inputs)
    assert torch.equal(steps, out)
    by_direction = steps.view(4, 3, directions, 2)
    layers = h_n.view(2, directions, 4, 2)
    assert layers[:, 0].shape == (2, 4, 2)
    assert final.shape == (directions, 4, 2)
    assert torch.equal(final[0], by_direction[:, -1, 0])
    if bidirectional:
        assert torch.equal(final[1], by_direction[:, 0, 1])


def test_the_first_state_is_zeros() -> None:
    encoder = NativeEncoder(nn.LSTM, EncoderSizes(3, 4, 2))
    inputs = torch.rand(5, 6, 3)
    zeros = torch.zeros(2, 5, 4)
    assert torch.equal(encoder(inputs).steps, encoder.recurrence(inputs, (zeros, zeros))[0])


def test_one_elman_step_by_hand() -> None:
    encoder = NativeEncoder(nn.RNN, EncoderSizes(2, 3, 1)).double()
    weights = dict(encoder.recurrence.named_parameters())
    x = torch.rand(1, 2, 2, dtype=torch.float64)
    state = torch.zeros(3, dtype=torch.float64)
    for t in range(2):
        state = torch.tanh(
            weights["weight_ih_l0"] @ x[0, t]
            + weights["bias_ih_l0"]
            + weights["weight_hh_l0"] @ state
            + weights["bias_hh_l0"]
        )
    torch.testing.assert_close(encoder(x).final[0, 0], state, rtol=0, atol=1e-12)


def test_an_implementation_that_a_variant_does_not_have_is_refused(
    make_spec: Callable[..., RunSpec],
) -> None:
    for variant, implementation, offered in (
        ("lstm", "scan", "native or compiled or reference"),
        ("mingru", "native", "scan or reference"),
    ):
        expected = f"{variant} has no implementation {implementation}, only {offered}"
        spec = make_spec(variant=variant, implementation=implementation)
        with pytest.raises(UnsupportedError, match=expected):
            build_model(spec, features=3, outputs=2)
    build_model(make_spec(variant="mingru", implementation="scan"), features=3, outputs=2)


def test_a_method_is_a_projection_and_a_layer_of_that_name_is_none() -> None:
    class Bounded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([-3.0, 0.5]))

        @torch.no_grad()
        def project(self) -> None:
            self.weight.clamp_(-1, 1)

    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(2, 2)

    bounded = Bounded()
    (project,) = list_projections(nn.Sequential(bounded, Attending(), nn.Linear(2, 2)))
    project()
    assert bounded.weight.tolist() == [-1.0, 0.5]


def test_the_fastest_implementation_is_the_one_that_won_the_race() -> None:
    assert fastest_implementation("rnn", "cpu") == "fused"
    assert fastest_implementation("bigru", "cpu") == "fused"
    assert (
        fastest_implementation("rnn", "cuda") == fastest_implementation("bilstm", "cpu") == "native"
    )
    assert fastest_implementation("lru", "cpu") == fastest_implementation("lru", "cuda") == "scan"


def test_variants_are_selected_by_name_or_pattern() -> None:
    assert set(select_variants(None)) == set(PLAIN)
    assert select_variants(["irnn", "gru"]) == ("irnn", "gru")
    assert set(select_variants(["lstm*"])) >= {"lstm", "lstm-chrono", "lstm-projection"}
    assert "bilstm" not in select_variants(["lstm*"])
    with pytest.raises(UnknownNameError, match="did you mean"):
        select_variants(["lsmt"])


@pytest.fixture
def encoding() -> Encoding:
    """Return two sequences of three steps, two directions of two units."""
    steps = torch.tensor(
        [
            [[1.0, 2, 30, 40], [3, 4, 50, 60], [5, 6, 70, 80]],
            [[-1.0, -2, -30, -40], [-3, -4, -50, -60], [-5, -6, -70, -80]],
        ]
    )
    return Encoding(steps, torch.stack([steps[:, -1, :2], steps[:, 0, 2:]]))


@pytest.mark.parametrize(
    ("readout", "first", "second"),
    [
        ("last", [5, 6, 70, 80], [-5, -6, -70, -80]),
        ("final", [5, 6, 30, 40], [-5, -6, -30, -40]),
        ("mean", [3, 4, 50, 60], [-3, -4, -50, -60]),
        ("max", [5, 6, 70, 80], [-1, -2, -30, -40]),
    ],
)
def test_readouts_take_what_they_say(
    encoding: Encoding, readout: str, first: list[float], second: list[float]
) -> None:
    assert READOUTS[readout](encoding).tolist() == [first, second]


def test_the_last_readout_of_the_backward_direction_has_seen_one_step_only() -> None:
    encoder = NativeEncoder(nn.RNN, EncoderSizes(3, 4, 1, bidirectional=True))
    inputs = torch.rand(1, 6, 3)
    changed = inputs.clone()
    changed[:, :-1] += 1.0
    before, after = encoder(inputs), encoder(changed)
    backward = slice(4, None)
    assert torch.equal(READOUTS["last"](before)[:, backward], READOUTS["last"](after)[:, backward])
    assert not torch.equal(
        READOUTS["final"](before)[:, backward], READOUTS["final"](after)[:, backward]
    )


@pytest.mark.parametrize("variant", ["birnn", "bilstm", "bigru"])
def test_the_last_readout_never_trains_the_top_backward_recurrence(
    make_spec: Callable[..., RunSpec], variant: str
) -> None:
    untrained = {}
    for readout in ("last", "final"):
        model = build_model(make_spec(variant=variant, readout=readout), features=3, outputs=2)
        model(torch.rand(5, 7, 3)).square().sum().backward()
        untrained[readout] = [
            name
            for name, parameter in model.named_parameters()
            if parameter.grad is None or not parameter.grad.any()
        ]
    assert untrained == {"last": ["encoder.recurrence.weight_hh_l1_reverse"], "final": []}


def test_an_unknown_readout_or_variant_is_named(make_spec: Callable[..., RunSpec]) -> None:
    for setting, name, near in (("variant", "bilstn", "bilstm"), ("readout", "lst", "last")):
        with pytest.raises(UnknownNameError, match=f"did you mean .*{near}"):
            build_model(make_spec(**{setting: name}), features=1, outputs=1)


def test_a_model_is_an_encoder_a_readout_and_a_head(make_spec: Callable[..., RunSpec]) -> None:
    model = build_model(make_spec(variant="birnn", readout="final"), features=3, outputs=5)
    assert isinstance(model, SequenceModel)
    inputs = torch.rand(2, 7, 3)
    by_hand = model.head(READOUTS["final"](model.encoder(inputs)))
    assert torch.equal(model(inputs), by_hand)
    assert set(PLAIN) <= set(VARIANTS)


def test_a_compiled_step_gives_its_gradients_more_than_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    with torch.compiler.set_stance("default"):
        step = compile_step.__wrapped__("GRU")
        state, weight = torch.randn(4, 3, requires_grad=True), torch.randn(9, 3, requires_grad=True)
        (after,) = step(torch.randn(4, 9), (state,), weight, torch.randn(9))
        first = torch.autograd.grad(after.sum(), (state, weight), retain_graph=True)
        second = torch.autograd.grad(after.sum(), (state, weight))
    torch._dynamo.reset()
    torch.testing.assert_close(first, second, rtol=0, atol=0)
