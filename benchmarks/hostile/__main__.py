"""Run every trial and count the faults: `nox -s hostile`."""

import argparse
import csv
import io
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import IO

from benchmarks.hostile import files, options, plugins, repositories, surroundings
from benchmarks.hostile.report import write_report
from benchmarks.hostile.trial import PROJECT, SEQBENCH, Trial, Verdict, run_trial

FAMILIES = ("options", "files", "plugins", "repositories", "surroundings")
RESULTS, REPORT = Path("results/hostile"), Path("reports/hostile")


def list_trials(seed: int, cells: int, values: int) -> list[Trial]:
    """Return all trials; ``cells`` and ``values`` are how many are drawn at random, by ``seed``."""
    drawn = random.Random(seed)
    return [
        *options.list_trials(),
        *files.list_trials(drawn, cells, values),
        *plugins.list_trials(),
        *repositories.list_trials(),
        *surroundings.list_trials(),
    ]


def make_template(folder: Path) -> None:
    """Make the results in every trial's folder."""
    for changes in (files.GOOD, files.OTHER):
        subprocess.run(
            [*SEQBENCH, *options.run_words(changes)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": PROJECT},
            check=True,
            stdout=subprocess.DEVNULL,
        )


def run_trials(
    trials: list[Trial], folder: Path, lanes: int
) -> Iterator[tuple[int, Trial, Verdict]]:
    """Run the trials, several at a time, and yield their verdicts in order."""
    template = folder / "template"
    template.mkdir()
    make_template(template)

    def run(number: int) -> Verdict:
        return run_trial(trials[number], template, folder / str(number))

    with ThreadPoolExecutor(lanes) as pool:
        for number, verdict in enumerate(pool.map(run, range(len(trials)))):
            yield number, trials[number], verdict


def main() -> None:
    """Run the trials; write their verdicts and the report; fail if there was any fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the random cells and values")
    parser.add_argument("--cells", type=int, default=200, help="random cells of CSV files")
    parser.add_argument("--values", type=int, default=150, help="random values of JSON")
    parser.add_argument("--lanes", type=int, default=os.cpu_count(), help="trials at a time")
    parser.add_argument("--family", choices=FAMILIES, help="only this one, nothing is written")
    parser.add_argument("--only", default="", help="only trials whose name contains this text")
    parser.add_argument("--every", type=int, default=1, help="only every n-th trial")
    parser.add_argument("--show", action="store_true", help="print the output of a faulty command")
    wanted = parser.parse_args()
    trials = [
        trial
        for trial in list_trials(wanted.seed, wanted.cells, wanted.values)
        if wanted.family in (None, trial.family) and wanted.only in trial.what
    ][:: wanted.every]
    whole = wanted.family is None and not wanted.only and wanted.every == 1
    faults = Counter[str]()
    with (
        tempfile.TemporaryDirectory(prefix="hostile-") as folder,
        _open_table() if whole else nullcontext() as table,
    ):
        for number, trial, verdict in run_trials(trials, Path(folder), wanted.lanes or 1):
            faults.update(verdict.faults)
            if table is not None:
                table.write(_format_row(number, trial, verdict))
            if verdict.faults:
                found = "; ".join(verdict.faults)
                what = f"{trial.family}: {trial.what!r}"
                print(f"{number} {what}: {found} (exit code {verdict.code})")
                if wanted.show:
                    print(verdict.output[-1500:], flush=True)
    counted = ", ".join(f"{number} {fault}" for fault, number in faults.items()) or "no fault"
    print(f"{len(trials)} trials: {counted}")
    if whole:
        print(f"report: {write_report(RESULTS, REPORT)}")
    sys.exit(1 if faults else 0)


def _open_table() -> IO[str]:
    """Open the file of verdicts; each line is written as it comes."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    table = (RESULTS / "trials.csv").open("w", encoding="utf-8", newline="", buffering=1)
    table.write("number,family,what,expected,exit_code,faults\n")
    return table


def _format_row(number: int, trial: Trial, verdict: Verdict) -> str:
    """Return a line of the file; texts as Python writes them, so that the file is plain."""
    code = "" if verdict.code is None else verdict.code
    what, faults = ascii(trial.what)[1:-1], "; ".join(verdict.faults)
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(
        [number, trial.family, what, trial.expected, code, faults]
    )
    return line.getvalue()


if __name__ == "__main__":
    main()
