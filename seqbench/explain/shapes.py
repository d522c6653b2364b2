"""The notebook's walk through the shapes of a recurrent layer, really run."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

HIDDEN, LAYERS = 2, 2


def explain_shapes() -> str:
    """Return what ``nn.RNN`` makes of the numbers 1 to 12, in one direction and in both, in words.

    The numbers become a batch of 4 sequences of 3 steps of 1 feature; the network has 2 layers of
    2 units. Initial weights are drawn from a fixed seed, so the text is always the same.
    """
    with torch.random.fork_rng([]), torch.inference_mode():
        torch.manual_seed(0)
        return "\n".join([*_one_direction(), "", *_both_directions()])


def _one_direction() -> Iterator[str]:
    numbers = torch.arange(1.0, 13.0)
    inputs = numbers.view(4, 3, 1)
    yield "One direction: nn.RNN(1, 2, num_layers=2, batch_first=True)"
    yield _show("the numbers", numbers)
    yield _show("input, view(4, 3, 1): batch, time, feature", inputs)
    network = nn.RNN(1, HIDDEN, LAYERS, batch_first=True)
    out, h_n = network(inputs)
    yield _show("out: the last layer at every step", out)
    yield _show("h_n: every layer after the last step; no initial state was given, so zeros", h_n)
    yield _agree("out[:, -1] is h_n[-1]", out[:, -1], h_n[-1])


def _both_directions() -> Iterator[str]:
    inputs = torch.arange(1.0, 13.0).view(4, 3, 1)
    yield "Both directions: the same with bidirectional=True"
    network = nn.RNN(1, HIDDEN, LAYERS, batch_first=True, bidirectional=True)
    out, h_n = network(inputs)
    yield _show("out: forward and backward side by side", out)
    yield _show("h_n: layer by layer, forward then backward", h_n)
    by_direction = out.view(4, 3, 2, HIDDEN)
    forward, backward = by_direction.unbind(2)
    yield _show("out.view(4, 3, 2, 2): split by direction", by_direction)
    yield _show("  forward", forward)
    yield _show("  backward", backward)
    layers = h_n.view(LAYERS, 2, 4, HIDDEN)
    yield _show("h_n.view(2, 2, 4, 2): layer, direction, batch, hidden", layers)
    yield _show("  forward", layers[:, 0])
    yield _show("  backward", layers[:, 1])
    yield _agree("forward's last state is out[:, -1, :2]", forward[:, -1], layers[-1, 0])
    yield _agree("backward's last state is out[:, 0, 2:]", backward[:, 0], h_n[-1])
    yield "So out[:, -1] has the backward direction after one step only: it reads from the end."


def _show(name: str, values: Tensor) -> str:
    shape = ", ".join(map(str, values.shape))
    rows = "; ".join(
        " ".join(f"{value:.3g}" for value in row) for row in values.reshape(-1, values.shape[-1])
    )
    return f"  ({shape})".ljust(18) + f"{name}\n      {rows}"


def _agree(claim: str, one: Tensor, other: Tensor) -> str:
    return f"  {claim}: {torch.equal(one, other)}"
