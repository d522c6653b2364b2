"""`seqbench` with an agent that reads the clock of the project in `tests/repositories.py`."""

from pathlib import Path

from seqbench.cli import main
from seqbench.gate import processes

processes.AGENT = Path(__file__).with_name("agent.py")
main()
