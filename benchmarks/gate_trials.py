"""The gate itself, measured: how often it cries wolf, what it finds, and how others do beside it.

`nox -s gate-trials` runs it. A training step of the harness is slowed in a commit of a throw-away
clone, by a share of its own time; a gate run is then a trial for each of its benchmarks. After it
come the others, on samples taken as they take them: all of the base's in one process, then all of
the head's in another, for the same seconds of samples. Trials accumulate in
``results/gate-trials``, over as many sittings as it takes; the report is made from there.
"""

import argparse
import csv
import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytest_benchmark.utils import parse_compare_fail
from scipy.stats import mannwhitneyu

from benchmarks.gate_trials_report import write_report
from seqbench.gate.cases import Rules
from seqbench.gate.pairs import find_idlest_core
from seqbench.gate.processes import Side
from seqbench.gate.running import Outcome, run_gate
from seqbench.gate.versions import Versions, check_out_versions
from seqbench.harness.environment import describe_environment

ROOT = Path(__file__).parent.parent
FILE = Path("benchmarks/gate.py")
RESULTS = ROOT / "results" / "gate-trials"
REPORT = ROOT / "reports" / "gate-trials"

WANTED = {0.0: 34, 0.03: 4, 0.05: 10, 0.10: 10}
"""Gate runs by slowdown: six trials each."""

ERROR_RATE = 0.01
_DRAWS = 2000  # of the plain bootstrap

_SLOWED = """

def _slow_down(step, share):
    from time import perf_counter

    def slowed(*arguments):
        start = perf_counter()
        result = step(*arguments)
        end = perf_counter() + share * (perf_counter() - start)
        while perf_counter() < end:
            pass
        return result

    return slowed


Training.step = _slow_down(Training.step, {share})
"""


COLUMNS = (
    "run",
    "started_at",
    "commit",
    "environment_id",
    "slowdown",
    "method",
    "benchmark",
    "verdict",
    "ratio",
    "low",
    "high",
    "pairs",
    "sampled_s",
    "seconds",
)
"""Of ``trials.csv``: what one method said of one benchmark in one run."""


def slow_down(clone: Path, share: float) -> str:
    """Commit a slower training step in a clone; return the commit's hash."""
    with (clone / "seqbench" / "harness" / "training.py").open("a") as file:
        file.write(_SLOWED.format(share=share))
    author = ("-c", "user.name=seqbench", "-c", "user.email=seqbench@localhost")
    _git(clone, *author, "commit", "-qam", f"A training step takes {share:.0%} longer")
    return _git(clone, "rev-parse", "HEAD")


def judge_as_others(base_s: Sequence[float], head_s: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Yield what others say of two rows of samples, one taken after the other, in seconds."""
    ratio = fmean(head_s) / fmean(base_s)
    told: dict[str, Any] = {"ratio": ratio, "low": float("nan"), "high": float("nan")}
    rule = parse_compare_fail("mean:5%")
    fails = rule.fails({"mean": fmean(head_s)}, {"mean": fmean(base_s)})
    yield {**told, "method": "pytest-benchmark", "verdict": "slower" if fails else "same"}
    p = mannwhitneyu(base_s, head_s).pvalue
    slower = median(head_s) > median(base_s)
    verdict = "same" if p >= ERROR_RATE else "slower" if slower else "faster"
    yield {**told, "method": "mann-whitney", "verdict": verdict}
    low, high = _bootstrap(np.asarray(base_s), np.asarray(head_s))
    verdict = "slower" if low > 1 else "faster" if high < 1 else "same"
    yield {"ratio": ratio, "low": low, "high": high, "method": "bootstrap", "verdict": verdict}


def _bootstrap(base_s: NDArray[np.float64], head_s: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the percentile interval of the ratio of means."""
    stream = np.random.default_rng(0)
    means = [stream.choice(each, (_DRAWS, len(each))).mean(axis=1) for each in (base_s, head_s)]
    low, high = np.quantile(means[1] / means[0], [ERROR_RATE / 2, 1 - ERROR_RATE / 2])
    return float(low), float(high)


def sample_in_sequence(
    versions: Versions, names: Sequence[str], sampled_s: float
) -> Iterator[dict[str, list[float]]]:
    """Yield each version's samples in seconds by benchmark: one process after the other."""
    each_s = sampled_s / 2 / len(names)
    for name, version in (("base", versions.base), ("head", versions.head)):
        side = Side(name, version, FILE)
        try:
            side.ask("load")
            for benchmark in names:
                side.ask("prepare", benchmark)
            side.ask("settle", find_idlest_core())
            taken: dict[str, list[float]] = {benchmark: [] for benchmark in names}
            for benchmark, samples in taken.items():
                while sum(samples) < each_s:
                    samples.append(side.ask("time", benchmark, 1))
            yield taken
        finally:
            side.end()


def try_once(clone: Path, base: str, head: str, run: int, slowdown: float) -> Outcome:
    """Run the gate and then the others on two commits of the clone; record what they say."""
    about = {
        "run": run,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": base,
        "environment_id": record_environment(),
        "slowdown": slowdown,
    }
    with check_out_versions(clone, base, head) as versions:
        outcome = run_gate(versions, FILE, Rules(error_rate=ERROR_RATE))
        names = [case.name for case in outcome.cases]
        start = time.monotonic()
        base_s, head_s = sample_in_sequence(versions, names, outcome.sampled_s)
        seconds = time.monotonic() - start
    trials = []
    for case in outcome.cases:
        found = case.time
        common = {**about, "benchmark": case.name, "sampled_s": outcome.sampled_s}
        ours: dict[str, object] = {
            "ratio": 1 + found.change,
            "low": 1 + found.low,
            "high": 1 + found.high,
            "pairs": found.count,
            "seconds": outcome.seconds,
            "verdict": str(found.verdict),
        }
        trials.append({**common, **ours, "method": "gate"})
        for told in judge_as_others(base_s[case.name], head_s[case.name]):
            trials.append({**common, **told, "pairs": 1, "seconds": seconds})
    add_rows(RESULTS / "pairs.csv", list(_list_pairs(run, outcome)))
    add_rows(RESULTS / "trials.csv", [{name: each[name] for name in COLUMNS} for each in trials])
    return outcome


def _list_pairs(run: int, outcome: Outcome) -> Iterator[dict[str, object]]:
    for case in outcome.cases:
        for pair, (base_s, head_s) in enumerate(zip(case.base_s, case.head_s, strict=True)):
            yield {
                "run": run,
                "benchmark": case.name,
                "pair": pair,
                "base_s": f"{base_s:.7g}",
                "head_s": f"{head_s:.7g}",
            }


def record_environment() -> str:
    """Keep what this machine is beside the trials; return its digest."""
    environment = describe_environment()
    del environment["code"]  # each row has its commit
    name = environment["environment_id"]
    (RESULTS / f"environment-{name}.json").write_text(json.dumps(environment, indent=2) + "\n")
    return str(name)


def add_rows(file: Path, rows: Sequence[dict[str, object]]) -> None:
    """Add rows to a CSV file."""
    begun = file.exists()
    with file.open("a", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
        if not begun:
            writer.writeheader()
        writer.writerows(rows)


def choose_slowdown(done: Counter[float]) -> float:
    """Return the slowdown of which the smallest share of the wanted runs is done."""
    return min(WANTED, key=lambda slowdown: done[slowdown] / WANTED[slowdown])


def is_complete(done: Counter[float]) -> bool:
    """Return whether all that are wanted are done."""
    return all(done[slowdown] >= wanted for slowdown, wanted in WANTED.items())


def read_done(results: Path) -> tuple[int, Counter[float]]:
    """Return the number of the next run, and the runs so far by slowdown.

    Pairs are written first: a run that was killed before its trials were has taken its number.
    """
    begun = [int(row["run"]) for row in _read_rows(results / "pairs.csv")]
    done = {int(row["run"]): float(row["slowdown"]) for row in _read_rows(results / "trials.csv")}
    return max([*begun, *done], default=-1) + 1, Counter(done.values())


def _read_rows(file: Path) -> list[dict[str, str]]:
    if not file.exists():
        return []
    with file.open() as opened:
        return list(csv.DictReader(opened))


def main() -> None:
    """Run trials until all that are wanted are there or, with --minutes, for that long."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--minutes", type=float, help="go on so long, however many there are")
    arguments = parser.parse_args()
    end = time.monotonic() + 60 * (arguments.minutes or 0)
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="seqbench-trials-") as place:
        clone = Path(place) / "clone"
        _git(ROOT, "clone", "--quiet", "--shared", str(ROOT), str(clone))
        base = _git(clone, "rev-parse", "HEAD")
        heads = {}
        for slowdown in WANTED:
            _git(clone, "checkout", "--quiet", "--detach", base)
            heads[slowdown] = slow_down(clone, slowdown) if slowdown else base
        while True:
            run, done = read_done(RESULTS)
            if is_complete(done) if arguments.minutes is None else time.monotonic() >= end:
                break
            slowdown = choose_slowdown(done)
            outcome = try_once(clone, base, heads[slowdown], run, slowdown)
            verdicts = ", ".join(f"{case.name} {case.time.verdict}" for case in outcome.cases)
            print(f"run {run}, {slowdown:.0%}: {verdicts}; {outcome.seconds:.0f} s", flush=True)
    print(f"report: {write_report(RESULTS, REPORT)}")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
