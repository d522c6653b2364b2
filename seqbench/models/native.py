"""The adapter that makes an `Encoder` of torch.nn's own recurrent modules."""

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from seqbench.models.model import Encoder, EncoderSizes
from seqbench.models.readout import Encoding


class NativeEncoder(Encoder):
    """``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``, batch first, in one direction or both.

    Parameters
    ----------
    module
        The class to build: its constructor draws the initial weights, U(±1/√hidden) throughout.
    sizes
        Features, hidden units for each direction, layers, dropout, directions.
    options
        Further arguments of the class, such as ``nonlinearity="relu"`` of ``nn.RNN``.
    """

    def __init__(
        self,
        module: Callable[..., nn.RNNBase],
        sizes: EncoderSizes,
        **options: Any,
    ) -> None:
        super().__init__()
        self.directions = sizes.directions
        self.recurrence = module(
            sizes.features,
            sizes.hidden,
            num_layers=sizes.layers,
            dropout=sizes.dropout,
            batch_first=True,
            bidirectional=sizes.bidirectional,
            **options,
        )
        self.width = sizes.directions * (self.recurrence.proj_size or sizes.hidden)

    def forward(self, inputs: Float[Tensor, "batch time features"]) -> Encoding:
        steps, state = self.recurrence(inputs)
        hidden = state[0] if isinstance(state, tuple) else state  # an LSTM's is (h_n, c_n)
        return Encoding(steps, hidden[-self.directions :])

    def weights(self) -> Sequence[Sequence[Sequence[Tensor]]]:
        """Return, for each layer and direction: input and hidden weights, input and hidden bias.

        With ``proj_size`` the projection's weights come fifth.
        """
        each = self.recurrence.all_weights
        return [each[i : i + self.directions] for i in range(0, len(each), self.directions)]
