"""What ``torch.utils.flop_counter`` does not know by itself: formulas for kernels of one piece.

The counter sees operations of torch one by one, and passes over those without a formula: oneDNN's
LSTM, cuDNN's recurrences, attention on the CPU, products in place. With `register_formulas` it
counts them; `count_run` is the counter with them. Importing this registers nothing.
"""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula

Shape = Sequence[int]


def count_product_in_place(result: Shape, left: Shape, right: Shape, **_: object) -> int:
    """Count ``result.addmm_(left, right)``, or as many such products as the operands hold."""
    return 2 * prod(left) * right[-1]


def count_onednn_layer(
    inputs: Shape, input_weight: Shape, hidden_weight: Shape, *_: object, **__: object
) -> int:
    """Count one direction of one layer of an LSTM, (time, batch, features)."""
    return _apply((input_weight, hidden_weight), inputs)


def count_onednn_layer_backward(
    inputs: Shape, input_weight: Shape, hidden_weight: Shape, *_: object, **__: object
) -> int:
    """Count its gradients: oneDNN always gives those of inputs, states and weights."""
    return 2 * _apply((input_weight, hidden_weight), inputs)


def count_cudnn(inputs: Shape, weights: Sequence[Shape], *_: object, **__: object) -> int:
    """Count all layers and directions of an RNN, LSTM or GRU, projections included.

    ``inputs`` are (time, batch, features), (batch, time, features) or packed, (steps, features);
    ``weights`` are matrices and biases in any order.
    """
    return _apply([weight for weight in weights if len(weight) > 1], inputs)


def count_cudnn_backward(
    inputs: Shape, weights: Sequence[Shape], *rest: object, **__: object
) -> int:
    """Count its gradients: those of the inputs always, those of the weights if requested.

    Which ones are requested is the last argument: of inputs, state, cell, weights.
    """
    wanted = rest[-1]
    assert isinstance(wanted, Sequence)
    return (1 + bool(wanted[3])) * count_cudnn(inputs, weights)


def count_attention(query: Shape, key: Shape, value: Shape, *_: object, **__: object) -> int:
    """Count attention, each (batch, heads, time, size); as torch does, without heed to a mask."""
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def count_attention_backward(
    from_above: Shape, query: Shape, key: Shape, value: Shape, *_: object, **__: object
) -> int:
    """Count its gradients, for which the scores are computed again."""
    return 2 * prod(query[:-1]) * key[-2] * (3 * query[-1] + 2 * value[-1])


def _apply(weights: Sequence[Shape], inputs: Shape) -> int:
    return 2 * prod(inputs[:-1]) * sum(map(prod, weights))


_aten = torch.ops.aten

FORMULAS: dict[object, Callable[..., int]] = {
    _aten.addmm_: count_product_in_place,
    _aten.baddbmm_: count_product_in_place,
    _aten.addbmm_: count_product_in_place,
    _aten.mkldnn_rnn_layer: count_onednn_layer,
    _aten.mkldnn_rnn_layer_backward: count_onednn_layer_backward,
    _aten._cudnn_rnn: count_cudnn,
    _aten._cudnn_rnn_backward: count_cudnn_backward,
    _aten._scaled_dot_product_flash_attention_for_cpu: count_attention,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: count_attention_backward,
}
"""From operations of torch to functions of the shapes of what they are given."""


def register_formulas() -> None:
    """Make every ``FlopCounterMode`` built from now on count `FORMULAS` too.

    What has a formula already, from an earlier call or from a later release of torch, keeps it.
    """
    for operation, formula in FORMULAS.items():
        if operation not in flop_registry:
            register_flop_formula(operation)(formula)


def count_run(run: Callable[[], object]) -> int:
    """Call ``run`` and return the floating-point operations in it, as torch counts them.

    Torch counts 2 for a multiplication and its addition also where the numbers are complex, which
    takes 8.
    """
    register_formulas()
    with FlopCounterMode(display=False) as counter:
        run()
    counted: int = counter.get_total_flops()
    return counted
