"""Kill the main job again and again, and see that nothing is lost: `nox -s stress`.

The job is started, killed by SIGKILL after a random share of the processor's time that it takes
undisturbed (so that it comes as far on a busy machine), all its processes at once, and started
again, until it ends by itself; its files must then equal those of a job that was never disturbed,
times and timestamps aside, and no run that was finished may be missing in between. That is
repeated until there were enough kills. Every third job writes to a disk that is too small for it,
which grows a little whenever the job has ended because it was full: a memory file system in a
mount namespace of this process's own, as Linux lets any user make one.
"""

import argparse
import math
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil

from seqbench.columns import flatten
from seqbench.errors import ExitCode
from seqbench.results.folder_lock import heal_folder
from seqbench.results.reader import load_results
from seqbench.results.records import Load

SETTINGS = {
    "task": "row-digits",
    "variant": "rnn,lstm,bigru",
    "seeds": "2",
    "epochs": "8",
    "hidden-size": "24",
    "dropout": "0.2",
    "schedule": "one-cycle",
    "eval-every": "5",
    "device": "cpu",
    "threads": "1",
    "name": "job",
}
JOB = [
    "run",
    "--results",
    "results",
    "--save-checkpoints",
    *(f"--{name}={value}" for name, value in SETTINGS.items()),
]
RESULT = Path("results", "job")
TIGHT_EVERY = 3
"""Every so many-th job writes to a disk that is too small."""

LONGEST = 0.3
"""The latest instant of a kill, as a share of what the runs of an undisturbed job take of a
processor; what it takes to start comes before.
"""
LOOK_EVERY_S = 0.05

INSIDE = "SEQBENCH_STRESS_INSIDE"
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
TIMES = {
    "epoch_time_s",
    "train_time_s",
    "train_samples_per_s",
    "eval_time_s",
    "eval_samples_per_s",
    "started_at",
}
TIMES |= {"flops_per_s", "peak_flops_per_s", "peak_fraction", "peak_memory_bytes", "target_time_s"}
TIMES |= {*flatten(Load()), "rows_digest"}


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the job in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "seqbench", *JOB],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


class Disk:
    """A file system of so many bytes below ``folder``, which can grow."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)

    def grow(self) -> None:
        """Make it a fifth larger."""
        self.size += self.size // 5
        remount = ["mount", "-o", f"remount,size={self.size}", str(self.folder)]
        subprocess.run(remount, check=True)

    def unmount(self) -> None:
        """Take it away."""
        subprocess.run(["umount", self.folder], check=True)


@dataclass
class Tally:
    """What happened to the jobs, and what must not have happened."""

    jobs: int = 0
    kills: int = 0
    full: int = 0
    lost: int = 0
    twice: int = 0
    files: int = 0
    differing: int = 0

    def count(self, name: str, *, equal: bool) -> None:
        """Count a file, and say which one differs."""
        self.files += 1
        self.differing += not equal
        if not equal:
            print(f"{name} of job {self.jobs + 1} differ", flush=True)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills and {self.full} full disks in {self.jobs} jobs: {self.lost} rows "
            f"lost, {self.twice} duplicated, {self.differing} of {self.files} files differ"
        )


def measure_cpu(pid: int) -> float:
    """Return the seconds of a processor that a process and its children have taken so far."""
    spent = 0.0
    with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
        job = psutil.Process(pid)
        for each in (job, *job.children(recursive=True)):
            times = each.cpu_times()
            spent += times.user + times.system
    return spent


def wait_for(process: subprocess.Popen[bytes], cpu_s: float) -> str | None:
    """Return what a job said when it ended, None if it has taken so much of a processor before."""
    while True:
        try:
            return process.communicate(timeout=LOOK_EVERY_S)[1].decode()
        except subprocess.TimeoutExpired:
            if measure_cpu(process.pid) >= cpu_s:
                return None


def finish_with_kills(
    folder: Path, longest_s: float, drawn: random.Random, tally: Tally, disk: Disk | None
) -> None:
    """Run the job to its end, killing it at random instants; count what happens."""
    finished: set[str] = set()
    while True:
        process = start(folder)
        errors = wait_for(process, drawn.uniform(0.1, longest_s))
        if errors is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            tally.kills += 1
        else:
            if process.returncode == 0:
                return
            if disk is None or process.returncode != ExitCode.RESULTS_UNREADABLE:
                raise SystemExit(f"{tally}; then the job ended badly: {errors}")
            tally.full += 1
            disk.grow()
        now = read_finished(folder)
        tally.lost += len(finished - now)
        finished |= now


def measure_job(folder: Path) -> float:
    """Do the job undisturbed; return the seconds of a processor that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    finish_with_kills(folder, math.inf, random.Random(), Tally(), None)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def read_finished(folder: Path) -> set[str]:
    """Return the runs that are finished in the result, or in what will take its place."""
    heal_folder(folder / RESULT)
    if not (folder / RESULT / "runs.csv").is_file():
        return set()
    return set(load_results(folder / RESULT).runs["run_id"])


def compare(expected: Path, found: Path, tally: Tally) -> None:
    """Count rows that are lost, rows that are there twice, and files that differ."""
    whole, resumed = load_results(expected), load_results(found)
    keys = {"runs": ["run_id"], "epochs": ["run_id", "epoch"]}
    keys["evaluations"] = [*keys["epochs"], "batches"]
    for name, columns in keys.items():
        before, after = (
            getattr(each, name).drop(columns=list(TIMES), errors="ignore")
            for each in (whole, resumed)
        )
        places = [pd.MultiIndex.from_frame(each[columns]) for each in (before, after)]
        tally.lost += len(places[0].difference(places[1]))
        tally.twice += int(places[1].duplicated().sum())
        apart = [each for each in before if not before[each].equals(after[each])]
        tally.count(f"{name}, in {', '.join(apart)},", equal=before.equals(after))
    for path in sorted((expected / "checkpoints").iterdir()):
        there = found / "checkpoints" / path.name
        equal = there.is_file() and there.read_bytes() == path.read_bytes()
        tally.count(path.name, equal=equal)
    names = [{path.name for path in each.iterdir()} for each in (expected, found)]
    tally.count(f"the names {names[0] ^ names[1]}", equal=names[0] == names[1])


def disturb(
    whole: Path, folder: Path, longest_s: float, drawn: random.Random, tally: Tally
) -> None:
    """Do one job with kills, every third on a disk that is too small, and compare its files."""
    folder.mkdir()
    disk = None
    if tally.jobs % TIGHT_EVERY == TIGHT_EVERY - 1:
        needed = sum(path.stat().st_size for path in (whole / "results").rglob("*"))
        disk = Disk(folder / "results", int(needed * drawn.uniform(0.3, 1)))
    finish_with_kills(folder, longest_s, drawn, tally, disk)
    compare(whole / RESULT, folder / RESULT, tally)
    tally.jobs += 1
    if disk is not None:
        disk.unmount()
    shutil.rmtree(folder)


def main() -> None:
    """Kill until there were enough kills; say what was found, and fail if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how many kills at least")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    wanted = parser.parse_args()
    if INSIDE not in os.environ:  # in a namespace of its own this process may mount
        command = [*NAMESPACE, sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, env=os.environ | {INSIDE: "1"}).returncode)
    drawn = random.Random(wanted.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole")
        whole.mkdir()
        took, start_s = measure_job(whole), measure_job(whole)  # the second finds all finished
        print(f"undisturbed: {took:.1f} s of a processor, {start_s:.1f} to start", flush=True)
        longest_s = start_s + LONGEST * (took - start_s)
        tally = Tally()
        while tally.kills < wanted.kills:
            disturb(whole, Path(folder, f"disturbed-{tally.jobs}"), longest_s, drawn, tally)
            print(tally, flush=True)
    if tally.lost or tally.twice or tally.differing:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
