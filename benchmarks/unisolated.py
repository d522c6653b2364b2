"""The runs of a suite without a separate process: the reference for the cost of isolation.

``python -m benchmarks.unisolated SUITE FOLDER`` plans, runs and writes as `seqbench run` does.
"""

import sys
from pathlib import Path

from seqbench.commands.options import format_command
from seqbench.commands.run import RunScreen
from seqbench.harness.execution import Request, execute

if __name__ == "__main__":
    suite, folder = sys.argv[1], Path(sys.argv[2])
    wanted = Request(
        results=folder.parent, name=folder.name, suite=suite, isolated=False, restart=True
    )
    execute(wanted, RunScreen(), format_command(wanted))
