"""A second, independent training, written from docs/training.md alone.

It shares no code with the package: every cell is stepped by hand in float64 from the equations in
torch's documentation; losses, optimisers, clipping and the one-cycle schedule are spelled out.
From torch come only the initial weights, the order of the examples and the derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import torch
from torch import Tensor, nn

Cell = nn.RNN | nn.LSTM | nn.GRU
RECURRENCES: dict[str, type[Cell]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@dataclass
class Trained:
    """One loss and one set of gradients (as the optimiser gets them) per step; final weights."""

    losses: list[float]
    gradients: list[dict[str, Tensor]]
    weights: dict[str, Tensor]


def stream_seed(seed: int, stream: str) -> int:
    """Where a run's random stream starts."""
    return int.from_bytes(sha256(f"{seed}:{stream}".encode()).digest()[:8], "big") >> 1


def initial_weights(
    cell: str, directions: int, features: int, outputs: int, seed: int, hidden: int, layers: int
) -> dict[str, Tensor]:
    """Torch's own initial weights: encoder first, then head, drawn in float32."""
    with torch.random.fork_rng(devices=[]):  # leaves the caller's random numbers alone
        torch.manual_seed(stream_seed(seed, "initialisation"))
        recurrence = RECURRENCES[cell](
            features, hidden, layers, bidirectional=directions == 2, dtype=torch.float32
        )
        head = nn.Linear(hidden * directions, outputs, dtype=torch.float32)
    named = {f"encoder.recurrence.{name}": p for name, p in recurrence.named_parameters()}
    named |= {f"head.{name}": p for name, p in head.named_parameters()}
    return {name: p.detach().double().requires_grad_() for name, p in named.items()}


def run_direction(cell: str, x: Tensor, weights: dict[str, Tensor], suffix: str) -> list[Tensor]:
    """Hidden states of one layer in one direction, in order of time; both states start at zero."""
    w_ih, w_hh, b_ih, b_hh = (
        weights[f"encoder.recurrence.{kind}_{suffix}"]
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h = c = x.new_zeros(len(x), w_hh.shape[1])
    step = -1 if suffix.endswith("_reverse") else 1
    states: list[Tensor] = []
    for t in range(x.shape[1])[::step]:
        from_x, from_h = x[:, t] @ w_ih.T + b_ih, h @ w_hh.T + b_hh
        if cell == "rnn":
            h = torch.tanh(from_x + from_h)
        elif cell == "lstm":
            i, f, g, o = (from_x + from_h).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        else:
            (r_x, z_x, n_x), (r_h, z_h, n_h) = from_x.chunk(3, dim=1), from_h.chunk(3, dim=1)
            r, z = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
            h = (1 - z) * torch.tanh(n_x + r * n_h) + z * h
        states.append(h)
    return states[::step]


def forward(
    cell: str, directions: int, layers: int, readout: str, x: Tensor, weights: dict[str, Tensor]
) -> Tensor:
    """Give the model's outputs: encoder, read-out, head."""
    out, final = x, x
    for layer in range(layers):
        suffixes = [f"l{layer}", f"l{layer}_reverse"][:directions]
        runs = [run_direction(cell, out, weights, suffix) for suffix in suffixes]
        out = torch.cat([torch.stack(states, dim=1) for states in runs], dim=2)
        # The reverse direction ends at the first time step.
        final = torch.cat([runs[0][-1]] + [states[0] for states in runs[1:]], dim=1)
    means, maxima = out.mean(1), out.amax(1)
    read = {"last": out[:, -1], "final": final, "mean": means, "max": maxima, "each": out}
    return read[readout] @ weights["head.weight"].T + weights["head.bias"]


def loss_of(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats for integer targets, mean squared error for others."""
    if targets.is_floating_point():
        return (outputs - targets.double().reshape(outputs.shape)).square().mean()
    logits, classes = outputs.flatten(0, -2), targets.long().reshape(-1, 1)
    assert len(logits) == len(classes)
    return (torch.logsumexp(logits, dim=1) - logits.gather(1, classes).squeeze(1)).mean()


def one_cycle(step: int, total: int, rate: float) -> float:
    """Give the learning rate of a step (from 0): up for 30 % of all, then down to almost zero."""
    assert step < total, "the schedule is over"
    peak = 0.3 * total - 1
    if step <= peak:
        start, end, fraction = rate / 25, rate, step / peak
    else:
        start, end, fraction = rate, rate / 25 * 1e-4, (step - peak) / (total - 1 - peak)
    return end + (start - end) / 2 * (1 + math.cos(math.pi * fraction))


def batches(n: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Give indices of the batches, epoch after epoch without end."""
    order = torch.Generator().manual_seed(stream_seed(seed, "order"))
    while True:
        yield from torch.split(torch.randperm(n, generator=order), batch_size)


def train(
    *, variant: str, readout: str, inputs: Tensor, targets: Tensor, outputs: int, seed: int,
    hidden: int, layers: int, batch_size: int, steps: int, epochs: int, learning_rate: float,
    schedule: str = "constant", clip_norm: float | None = None, optimizer: str = "adam",
    momentum: float = 0.0, weight_decay: float = 0.0,
) -> Trained:  # fmt: skip
    """Train for `steps` steps; `epochs` only sets the length of the one-cycle schedule."""
    cell, directions = variant.removeprefix("bi"), 2 if variant.startswith("bi") else 1
    assert schedule in ("constant", "one-cycle")
    weights = initial_weights(cell, directions, inputs.shape[2], outputs, seed, hidden, layers)
    first, second = ({k: torch.zeros_like(w) for k, w in weights.items()} for _ in range(2))
    total = epochs * math.ceil(len(inputs) / batch_size)
    trained = Trained([], [], {})
    for step, batch in zip(range(steps), batches(len(inputs), batch_size, seed), strict=False):
        answers = forward(cell, directions, layers, readout, inputs[batch].double(), weights)
        loss = loss_of(answers, targets[batch])
        derivatives = torch.autograd.grad(loss, list(weights.values()))
        gradients = dict(zip(weights, derivatives, strict=True))
        if clip_norm is not None:
            norm = math.sqrt(sum(float(g.square().sum()) for g in gradients.values()))
            gradients = {k: g * min(1.0, clip_norm / (norm + 1e-6)) for k, g in gradients.items()}
        rate = one_cycle(step, total, learning_rate) if schedule == "one-cycle" else learning_rate
        for name, g in gradients.items():
            old = weights[name].detach()
            if optimizer == "adamw":
                old = old - rate * weight_decay * old
            else:
                g = g + weight_decay * old
            if optimizer in ("adam", "adamw"):
                first[name] = 0.9 * first[name] + 0.1 * g
                second[name] = 0.999 * second[name] + 0.001 * g.square()
                mean = first[name] / (1 - 0.9 ** (step + 1))
                spread = (second[name] / (1 - 0.999 ** (step + 1))).sqrt()
                move = mean / (spread + 1e-8)
            else:
                if optimizer == "rmsprop":
                    second[name] = 0.99 * second[name] + 0.01 * g.square()
                    g = g / (second[name].sqrt() + 1e-8)
                first[name] = momentum * first[name] + g
                move = first[name]
            weights[name] = (old - rate * move).requires_grad_()
        trained.losses.append(loss.item())
        trained.gradients.append(gradients)
    trained.weights = {name: w.detach() for name, w in weights.items()}
    return trained
