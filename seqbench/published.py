"""Published figures, to stand beside ours: the data file ``published.csv``, read."""

from importlib.resources import files

import pandas as pd


def load_published() -> pd.DataFrame:
    """Return the published figures.

    Columns: ``task``, its ``length`` where that is a setting, ``variant``, ``metric``, ``score``
    (in the metric's own unit; accuracy as a share), ``parameters`` and ``epochs`` where they are
    known, ``source`` and ``convention``, the circumstances without which the score means nothing.
    """
    counts = {"length": "Int64", "parameters": "Int64", "epochs": "Int64"}
    with files("seqbench").joinpath("published.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=counts).fillna({"convention": ""})
