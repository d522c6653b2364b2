"""The runs of a suite without a process of their own: what isolation is held against.

``python -m benchmarks.unisolated SUITE FOLDER`` plans, runs and writes as `seqbench run` does.
"""

import sys
from pathlib import Path

from seqbench.commands.run import RunScreen
from seqbench.harness.execution import Request, execute

if __name__ == "__main__":
    suite, folder = sys.argv[1:]
    execute(Request(folder=Path(folder), suite=suite, isolated=False, restart=True), RunScreen())
