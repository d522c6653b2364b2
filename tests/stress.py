"""Kill the main job again and again, and see that nothing is lost: `nox -s stress`.

The job is started, killed by SIGKILL after a random time, all its processes at once, and started
again, until it ends by itself; its files must then equal those of a job that was never disturbed,
times and timestamps aside. That is repeated until there were enough kills.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from seqbench.columns import flatten
from seqbench.records import Load
from seqbench.store import load_results

SETTINGS = {
    "task": "row-digits",
    "variant": "rnn,lstm,bigru",
    "seeds": "2",
    "epochs": "8",
    "hidden-size": "24",
    "dropout": "0.2",
    "schedule": "one-cycle",
    "device": "cpu",
    "name": "job",
}
JOB = ["run", *(f"--{name}={value}" for name, value in SETTINGS.items())]
TIMES = {"epoch_time_s", "train_samples_per_s", "eval_time_s", "eval_samples_per_s", "started_at"}
TIMES |= {"flops_per_s", "peak_flops_per_s", "peak_fraction", "peak_memory_bytes", "target_time_s"}
TIMES |= set(flatten(Load()))


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the job in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "seqbench", *JOB],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish_with_kills(folder: Path, longest_s: float | None, drawn: random.Random) -> int:
    """Run the job to its end, killing it at random instants if at all; return how often."""
    kills = 0
    while True:
        process = start(folder)
        try:
            _, errors = process.communicate(timeout=longest_s and drawn.uniform(0.1, longest_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            continue
        if process.returncode != 0:
            raise SystemExit(f"after {kills} kills the job ended badly: {errors.decode()}")
        return kills


def compare(expected: Path, found: Path) -> tuple[int, int, int]:
    """Return how many rows are lost, are there twice, and differ, in runs and epochs."""
    lost = twice = differing = 0
    whole, resumed = load_results(expected), load_results(found)
    for name, keys in (("runs", ["run_id"]), ("epochs", ["run_id", "epoch"])):
        before, after = (
            getattr(each, name).drop(columns=list(TIMES), errors="ignore")
            for each in (whole, resumed)
        )
        places = [pd.MultiIndex.from_frame(each[keys]) for each in (before, after)]
        lost += len(places[0].difference(places[1]))
        twice += int(places[1].duplicated().sum())
        if not before.equals(after):
            differing += 1
    return lost, twice, differing


def main() -> None:
    """Kill until there were enough kills; say what was found, and fail if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how many kills at least")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    wanted = parser.parse_args()
    drawn = random.Random(wanted.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole")
        whole.mkdir()
        begin = time.monotonic()
        if finish_with_kills(whole, None, drawn):
            raise SystemExit("the undisturbed job was disturbed")
        took = time.monotonic() - begin
        print(f"undisturbed: {took:.1f} s")
        kills = rounds = 0
        faults = [0, 0, 0]
        while kills < wanted.kills:
            disturbed = Path(folder, f"disturbed-{rounds}")
            disturbed.mkdir()
            now = finish_with_kills(disturbed, 0.8 * took, drawn)
            found = compare(whole / "results" / "job", disturbed / "results" / "job")
            faults = [a + b for a, b in zip(faults, found, strict=True)]
            kills, rounds = kills + now, rounds + 1
            print(f"round {rounds}: {now} kills, {found} rows lost, twice, files that differ")
    lost, twice, differing = faults
    print(
        f"{kills} kills in {rounds} rounds: {lost} rows lost, {twice} duplicated, "
        f"{differing} of {2 * rounds} files differ"
    )
    if any(faults):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
