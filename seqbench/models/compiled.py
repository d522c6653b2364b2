"""The recurrences of torch.nn through torch.compile, step by step.

Dynamo refuses torch.nn's own recurrent modules, so their equations are repeated here, written for
speed: the input's product is one for all time steps, and what is compiled is one step of the loop.
So it is compiled once for any length, and not unrolled.
"""

import os
import shutil
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqbench.errors import UnsupportedError
from seqbench.models.model import EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.models.readout import Encoding

State = tuple[Float[Tensor, "batch hidden"], ...]
Step = Callable[[Tensor, State, Tensor, Tensor], State]


def step_tanh(from_input: Tensor, state: State, weight: Tensor, bias: Tensor) -> State:
    """Return (h_t,) of an Elman network with tanh from W_i x_t + b_i and (h_{t-1},)."""
    return (torch.tanh(from_input + nn.functional.linear(state[0], weight, bias)),)


def step_relu(from_input: Tensor, state: State, weight: Tensor, bias: Tensor) -> State:
    """Return (h_t,) of an Elman network with max(0, ·)."""
    return (torch.relu(from_input + nn.functional.linear(state[0], weight, bias)),)


def step_lstm(from_input: Tensor, state: State, weight: Tensor, bias: Tensor) -> State:
    """Return (h_t, c_t) of an LSTM; the gates' blocks are in torch.nn's order i, f, g, o."""
    inside = from_input + nn.functional.linear(state[0], weight, bias)
    i, f, g, o = inside.chunk(4, dim=1)
    cell = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def step_gru(from_input: Tensor, state: State, weight: Tensor, bias: Tensor) -> State:
    """Return (h_t,) of a GRU; the gates' blocks are in torch.nn's order r, z, n."""
    reset_in, update_in, new_in = from_input.chunk(3, dim=1)
    reset_h, update_h, new_h = nn.functional.linear(state[0], weight, bias).chunk(3, dim=1)
    update = torch.sigmoid(update_in + update_h)
    new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_h) * new_h)
    return ((1 - update) * new + update * state[0],)


STEPS: dict[str, Step] = {
    "RNN_TANH": step_tanh,
    "RNN_RELU": step_relu,
    "LSTM": step_lstm,
    "GRU": step_gru,
}
"""The step of each of torch.nn's kinds of recurrence."""


@cache
def compile_step(kind: str) -> Step:
    """Return a step through torch.compile, for any batch size.

    A backward pass may be requested again, as it is where its time is measured apart from the
    forward pass's; by default torch.compile lets it overwrite what the forward pass kept.
    """
    # what they load is for this implementation alone
    from torch._functorch import config
    from torch._inductor import config as inductor

    config.donated_buffer = False
    inductor.deterministic = True  # it chooses nothing by timing it
    compiled: Step = torch.compile(STEPS[kind], dynamic=True)
    return compiled


class CompiledEncoder(NativeEncoder):
    """`NativeEncoder` with compiled steps: equal weights, outputs and gradients.

    Raises
    ------
    UnsupportedError
        If there is no C++ compiler, which torch.compile calls.
    """

    reentrant = False  # torch.compile keeps its books for one thread

    def __init__(
        self, module: Callable[..., nn.RNNBase], sizes: EncoderSizes, **options: Any
    ) -> None:
        if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++", "cl"))):
            raise UnsupportedError("torch.compile needs a C++ compiler, such as g++, on the path")
        super().__init__(module, sizes, **options)

    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        steps = inputs
        for layer, directions in enumerate(self.weights()):
            if layer > 0:
                steps = nn.functional.dropout(steps, self.recurrence.dropout, self.training)
            forwards = self._read(steps, *directions[0])
            if len(directions) == 1:
                steps, ends = forwards, [forwards[:, -1]]
            else:
                backwards = self._read(steps.flip(1), *directions[1]).flip(1)
                steps, ends = (
                    torch.cat([forwards, backwards], dim=2),
                    [forwards[:, -1], backwards[:, 0]],
                )
        return Encoding(steps, torch.stack(ends))

    def _read(
        self,
        inputs: Float[Tensor, "batch time features"],
        input_weight: Float[Tensor, "units features"],
        hidden_weight: Float[Tensor, "units hidden"],
        input_bias: Float[Tensor, " units"],
        hidden_bias: Float[Tensor, " units"],
    ) -> Float[Tensor, "batch time hidden"]:
        step = compile_step(self.recurrence.mode)
        from_inputs = nn.functional.linear(inputs, input_weight, input_bias)
        zeros = from_inputs.new_zeros(len(inputs), self.recurrence.hidden_size)
        state: State = (zeros, zeros) if self.recurrence.mode == "LSTM" else (zeros,)
        outputs = []
        for from_input in from_inputs.unbind(1):
            state = step(from_input, state, hidden_weight, hidden_bias)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1)
