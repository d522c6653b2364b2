"""The runs of a suite without a process of their own: what isolation is held against.

``python -m benchmarks.unisolated SUITE FOLDER`` plans, runs and writes as `seqbench run` does.
"""

import sys
from pathlib import Path

from rich.console import Console

from seqbench.commands.progress import show_progress
from seqbench.harness.environment import describe_environment
from seqbench.harness.plan import plan_runs
from seqbench.harness.plugins import load_plugins
from seqbench.harness.resume import make_jobs
from seqbench.harness.runner import InThisProcess, load_problems, run_jobs
from seqbench.harness.suites import SUITES
from seqbench.results.writer import ResultWriter
from seqbench.tasks.data_folder import locate_data


def main(suite: str, folder: Path) -> None:
    """Run a suite in this very process."""
    load_plugins(())
    specs = plan_runs(SUITES[suite].grids)
    executor = InThisProcess(load_problems(specs, locate_data()))
    environment = describe_environment()
    jobs = make_jobs(specs, environment, suite)
    with ResultWriter(folder, environment) as writer, show_progress(Console(), specs) as progress:
        run_jobs(jobs, executor, writer, progress)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
