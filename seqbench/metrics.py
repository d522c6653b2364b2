"""`Metric`: what a score can be, which way it runs and its display.

A task names its metric and states which way it runs; other properties of a metric are here,
once. An unknown name is a metric too: without bounds, with four significant digits.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """What is known of a metric besides its name.

    Parameters
    ----------
    higher_is_better
        Which way it runs; None for an unknown metric, for which the task declares it.
    low, high
        What it can be.
    share
        Whether it is a share, displayed in per cent, and its differences in points.
    """

    higher_is_better: bool | None = None
    low: float = -math.inf
    high: float = math.inf
    share: bool = False


_ERROR = Metric(higher_is_better=False, low=0)
METRICS = {
    "accuracy": Metric(higher_is_better=True, low=0, high=1, share=True),
    "mae": _ERROR,
    "mse": _ERROR,
    "rmse": _ERROR,
    "nrmse": _ERROR,
    "cross_entropy": _ERROR,
    "bits_per_character": _ERROR,
}


def find_metric(name: str) -> Metric:
    """Return what is known of a metric by its name."""
    return METRICS.get(name, Metric())
