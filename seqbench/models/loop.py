"""Layers that step through time in Python: for cells that no kernel of torch.nn has."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

State = tuple[Float[Tensor, "batch hidden"], ...]


class LoopLayer(nn.Module, ABC):
    """One direction of one layer, a `MakeLayer` of `StackedEncoder`.

    What the input alone decides is computed for all steps at once; the loop does the rest.

    Parameters
    ----------
    hidden
        Units.
    states
        How many vectors a step hands to the next; the first of them is the output.
    """

    def __init__(self, hidden: int, states: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.states = states

    @abstractmethod
    def read_inputs(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time units"]:
        """Return what each step needs of its input."""

    @abstractmethod
    def step(self, from_input: Float[Tensor, "batch units"], state: State) -> State:
        """Return the next state, the output first."""

    def forward(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time hidden"]:
        state: State = (inputs.new_zeros(len(inputs), self.hidden),) * self.states
        steps = []
        for from_input in self.read_inputs(inputs).unbind(1):
            state = self.step(from_input, state)
            steps.append(state[0])
        return torch.stack(steps, dim=1)
