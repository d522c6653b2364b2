"""Published figures, to stand beside ours: the data file ``published.csv``, read."""

from importlib.resources import files

import pandas as pd


def load_published() -> pd.DataFrame:
    """Return the published figures.

    Columns: ``task``, ``variant``, ``metric``, ``score`` (in the metric's own unit; accuracy as a
    share), ``parameters``, ``epochs``, ``source`` and ``convention``, the circumstances without
    which the score means nothing.
    """
    with files("seqbench").joinpath("published.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)
