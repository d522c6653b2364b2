"""``python -m seqbench``: the same command as the console script."""

import sys
from os import sep

import seqbench


def _leave_out_working_folder() -> None:
    """Take the working folder, which ``python -m`` puts first, from the module search path.

    A file in it called as one of Python's standard modules, such as signal.py, would shadow that.
    Where seqbench itself is in it, it has to stay.
    """
    if not sys.flags.safe_path and seqbench.__path__ != [f"{sys.path[0]}{sep}seqbench"]:
        del sys.path[0]


if __name__ == "__main__":
    _leave_out_working_folder()
    from seqbench.cli import main

    main()
