"""Where data sets lie on this machine."""

import os
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "SEQBENCH_DATA"


def locate_data(chosen: Path | None = None) -> Path:
    """Return the data folder: the chosen one, else ``$SEQBENCH_DATA``, else the user's cache."""
    if chosen is not None:
        return chosen
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE])
    return user_cache_path("seqbench") / "data"
