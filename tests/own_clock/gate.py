"""`seqbench` with an agent that reads the clock of the project in `tests/repositories.py`.

In a process that was forked for a test, agents are forked too.
"""

import sys
from pathlib import Path
from typing import Any

from seqbench.cli import main
from seqbench.gate import pairs, processes

forking: Any = sys.modules.get("tests.processes")
if forking:
    vars(processes)["subprocess"] = forking.FORKING
processes.AGENT = Path(__file__).with_name("agent.py")
vars(pairs)["_LOOK_S"] = 0.0  # the clock is the same on a core that is busy
main()
