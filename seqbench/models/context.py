"""Networks that are not recurrent, for context: linear, multilayer perceptron.

They see all steps so far through separate weights for each distance, so they are built for one
length. At each step they know of no later one, as a recurrence that reads forwards. The
convolutional one is in `tcn`, the one with attention in `transformer`.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seqbench.errors import SettingError
from seqbench.models.model import VARIANTS, Encoder, EncoderSizes
from seqbench.models.products import Product
from seqbench.models.readout import Encoding


class ContextEncoder(Encoder):
    """An encoder of modules (batch, time, ·) → (batch, time, ·), one after the other.

    Parameters
    ----------
    sizes
        ``hidden`` is what the last module gives; no sequence may have more steps than ``time``.
    modules
        Each causal: its output of a step does not depend on later ones.
    """

    def __init__(self, sizes: EncoderSizes, *modules: nn.Module) -> None:
        super().__init__()
        self.width = sizes.hidden
        self.time = sizes.time
        self.body = nn.Sequential(*modules)

    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        """Encode ``inputs``.

        Raises
        ------
        SettingError
            If they have more steps than the encoder was built for.
        """
        if inputs.shape[1] > self.time:
            expected = f"at most {self.time}: this encoder was built for that sequence length"
            raise SettingError("time steps", inputs.shape[1], expected)
        steps = self.body(inputs)
        return Encoding(steps, steps[:, -1:].transpose(0, 1))


@VARIANTS.variant("linear", on_request=True)
def linear(sizes: EncoderSizes) -> ContextEncoder:
    """Linear map of the sequence: the baseline without nonlinearity.

    y_t = b + Σ_k W_k x_{t−k}    over all steps so far, k < T

    A linear filter with a matrix for each distance k. At step T, the last one, it is any linear map
    of the whole sequence laid flat, so with read-out ``last`` the model is linear (softmax)
    regression. Layers on top would still be one linear map: there is one, whatever is requested,
    and no dropout. Weights start from U(±1/√(T·features)). Computed through the Fourier transform:
    T log T instead of T² products.

    Good for telling what a recurrence adds. Input (batch, time, features), at most T steps, T from
    the task; steps (batch, time, hidden); final (1, batch, hidden).
    """
    return ContextEncoder(sizes, CausalFilter(sizes.features, sizes.hidden, sizes.time))


@VARIANTS.variant("mlp", on_request=True)
def mlp(sizes: EncoderSizes) -> ContextEncoder:
    """Multilayer perceptron over all steps so far (Rumelhart, Hinton and Williams, 1986).

    y⁰_t = max(0, b + Σ_k W_k x_{t−k})    over all steps so far, k < T
    yˡ_t = max(0, V_l yˡ⁻¹_t + c_l)       for the layers after the first

    At the last step a perceptron of the whole sequence laid flat. Dropout acts between layers.
    Weights start from U(±1/√inputs). Good for telling whether order and sharing weights over time
    matter for a task at all.

    Input (batch, time, features), at most T steps, T from the task; steps (batch, time, hidden);
    final (1, batch, hidden).
    """
    modules: list[nn.Module] = [CausalFilter(sizes.features, sizes.hidden, sizes.time), nn.ReLU()]
    for _ in range(1, sizes.layers):
        modules += [nn.Dropout(sizes.dropout), nn.Linear(sizes.hidden, sizes.hidden), nn.ReLU()]
    return ContextEncoder(sizes, *modules)


class CausalFilter(nn.Module):
    """A matrix for each distance to the past, applied at every step.

    Parameters
    ----------
    features, hidden
        Sizes of what it reads and what it gives.
    time
        Distances, from 0 to time − 1.
    """

    def __init__(self, features: int, hidden: int, time: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(time * features)
        self.weight = nn.Parameter(torch.empty(hidden, features, time).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(hidden).uniform_(-bound, bound))

    def products(self, batch: int, time: int) -> Iterator[Product]:
        """Yield a complex one for each frequency; the transforms round it are no products."""
        hidden, features, _ = self.weight.shape
        yield Product(batch, features, hidden, times=time + 1, parts=2)

    def forward(
        self, inputs: Float[Tensor, "batch time features"]
    ) -> Float[Tensor, "batch time hidden"]:
        time = inputs.shape[1]
        # twice the length, or the transform would wrap the end round to the beginning
        signal = torch.fft.rfft(inputs, 2 * time, dim=1)
        kernel = torch.fft.rfft(self.weight[:, :, :time], 2 * time, dim=2)
        product = torch.einsum("bwf,hfw->bwh", signal, kernel)
        steps: Tensor = torch.fft.irfft(product, 2 * time, dim=1)[:, :time] + self.bias
        return steps
