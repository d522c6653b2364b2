"""The gate itself, measured live: false alarms, what it finds, and how others do next to it.

`nox -s gate-trials` runs it. A training step of the harness is slowed in a commit of a temporary
clone, by a share of its own time. A gate run is the unit that false alarms are counted in, and a
trial for each of its benchmarks. After it come the others, on samples taken as they take them: all
of the base's in one process, then all of the head's in another, for the same seconds of samples.
Runs accumulate in ``results/gate-trials``, over as many sittings as it takes; those of another rule
of the gate are distinguished by its digest. The report is made from there.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.gate_others import ERROR_RATE, judge_as_others, sample_in_sequence
from benchmarks.gate_trials_report import write_report
from benchmarks.gate_trials_rows import (
    add_rows,
    count_run,
    digest_gate,
    read_done,
    record_environment,
)
from seqbench.gate.rules import Rules
from seqbench.gate.running import Outcome, run_gate
from seqbench.gate.versions import check_out_versions

ROOT = Path(__file__).parent.parent
FILE = Path("benchmarks/gate.py")
RESULTS = ROOT / "results" / "gate-trials"
REPORT = ROOT / "reports" / "gate-trials"

WANTED = {0.0: 100, 0.02: 60, 0.03: 60}
"""Gate runs of one rule by slowdown."""

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
"""Of ``trials.csv``: the verdict of one method on one benchmark in one run."""


def slow_down(clone: Path, share: float) -> str:
    """Commit a slower training step in a clone; return the commit's hash."""
    with (clone / "seqbench" / "training" / "loop.py").open("a") as file:
        file.write(_SLOWED.format(share=share))
    author = ("-c", "user.name=seqbench", "-c", "user.email=seqbench@localhost")
    _git(clone, *author, "commit", "-qam", f"A training step takes {share:.0%} longer")
    return _git(clone, "rev-parse", "HEAD")


def try_once(results: Path, clone: Path, base: str, head: str, about: dict[str, Any]) -> Outcome:
    """Run the gate and then the others on two commits of the clone; record their verdicts.

    Parameters
    ----------
    results
        Folder of the CSV files.
    clone, base, head
        A repository and two of its commits.
    about
        The ``run``'s number, its ``slowdown`` and the digest of the ``gate``.
    """
    environment = record_environment(results)
    about |= {
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": base,
        "environment_id": environment["environment_id"],
    }
    with check_out_versions(clone, base, head) as versions:
        outcome = run_gate(versions, FILE, Rules(error_rate=ERROR_RATE, measure_same=True))
        names = [case.name for case in outcome.cases]
        start = time.monotonic()
        base_s, head_s = sample_in_sequence(versions, FILE, names, outcome.sampled_s)
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
        for judgement in judge_as_others(base_s[case.name], head_s[case.name]):
            trials.append({**common, **judgement, "pairs": 1, "seconds": seconds})
    add_rows(results / "pairs.csv", list(_list_pairs(about["run"], outcome)))
    add_rows(results / "trials.csv", [{name: each[name] for name in COLUMNS} for each in trials])
    cpu = environment["machine"]["cpu"]
    add_rows(results / "runs.csv", [{**about, "cpu": cpu, **count_run(outcome)}])
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


def choose_slowdown(
    done: Mapping[float, int], number: int = 0, runs: int | None = None, change: float | None = None
) -> float | None:
    """Return the slowdown of the next run, of which the smallest share is done; None for an end.

    Parameters
    ----------
    done
        Runs so far by slowdown.
    number
        Runs of this sitting.
    runs
        How many this sitting shall have; None for as many as are requested in all.
    change
        The only slowdown that is requested.
    """
    wanted = WANTED if change is None else {change: WANTED.get(change, 0)}
    if runs is None:
        wanted = {each: most for each, most in wanted.items() if done.get(each, 0) < most}
    elif number >= runs:
        return None
    return min(wanted, key=lambda each: done.get(each, 0) / max(wanted[each], 1), default=None)


@contextmanager
def prepare_commits() -> Iterator[tuple[Path, str, Callable[[float], str]]]:
    """Make a clone; yield it, its base, and what makes the head of a slowdown."""
    with tempfile.TemporaryDirectory(prefix="seqbench-trials-") as place:
        clone = Path(place) / "clone"
        _git(ROOT, "clone", "--quiet", "--shared", str(ROOT), str(clone))
        base = _git(clone, "rev-parse", "HEAD")

        @cache
        def make_head(slowdown: float) -> str:
            _git(clone, "checkout", "--quiet", "--detach", base)
            return slow_down(clone, slowdown) if slowdown else base

        yield clone, base, make_head


def main() -> None:
    """Run the planned trials; they can be stopped and resumed at any time."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=int, metavar="N", help="run N, however many exist")
    parser.add_argument("--change", type=float, metavar="SHARE", help="of this slowdown only")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV files")
    parser.add_argument("--report", type=Path, default=REPORT, help="folder of the report")
    arguments = parser.parse_args()
    arguments.results.mkdir(parents=True, exist_ok=True)
    gate = digest_gate()  # of the code that is running, whatever is edited during the run
    with prepare_commits() as (clone, base, make_head):
        for number in count():
            run, done = read_done(arguments.results, gate)
            slowdown = choose_slowdown(done, number, arguments.runs, arguments.change)
            if slowdown is None:
                break
            about = {"run": run, "slowdown": slowdown, "gate": gate}
            outcome = try_once(arguments.results, clone, base, make_head(slowdown), about)
            verdicts = ", ".join(f"{case.name} {case.time.verdict}" for case in outcome.cases)
            print(f"run {run}, {slowdown:.0%}: {verdicts}; {outcome.seconds:.0f} s", flush=True)
    print(f"report: {write_report(arguments.results, arguments.report, gate)}")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
