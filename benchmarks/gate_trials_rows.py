"""What a trial of the gate leaves: rows that accumulate, and the rule that they belong to."""

import ast
import csv
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqbench.gate.running import Outcome
from seqbench.gate.verdicts import Verdict
from seqbench.harness.environment import describe_environment
from seqbench.harness.source_digest import dump_source, list_describing

_PACKAGE = Path(__file__).parent.parent / "seqbench"
RULE = tuple(
    _PACKAGE / f"{name}.py"
    for name in (
        *("intervals", "gate/agent", "gate/benchmark", "gate/cases", "gate/pairs", "gate/peaks"),
        *("gate/processes", "gate/rules", "gate/running", "gate/sides", "gate/verdicts"),
    )
)
"""The files that determine the gate's measurements and verdicts."""

_TIMES = (Verdict.SLOWER, Verdict.FASTER, Verdict.SAME, Verdict.INCONCLUSIVE)
_MEMORIES = (Verdict.MORE_MEMORY, Verdict.LESS_MEMORY)


def digest_gate(files: Sequence[Path] = RULE) -> str:
    """Return 12 hexadecimal digits that change with the gate's rule, not with comments on it."""
    trees = [ast.parse(file.read_bytes()) for file in files]
    sources = (dump_source(tree, list_describing(tree, "seqbench.gate")) for tree in trees)
    return hashlib.sha256("\n".join(sources).encode()).hexdigest()[:12]


def count_run(outcome: Outcome) -> dict[str, object]:
    """Return how many benchmarks of a run have which verdict, and what it cost."""
    times = Counter(case.time.verdict for case in outcome.cases)
    memories = Counter(case.memory.verdict for case in outcome.cases)
    return {
        "benchmarks": len(outcome.cases),
        **{str(each): times[each] for each in _TIMES},
        **{str(each).replace(" ", "_"): memories[each] for each in _MEMORIES},
        "pairs": outcome.pairs,
        "sampled_s": round(outcome.sampled_s, 3),
        "seconds": round(outcome.seconds, 3),
    }


def record_environment(results: Path) -> dict[str, Any]:
    """Store the environment with the trials; return it."""
    environment = describe_environment()
    del environment["code"]  # each row has its commit
    file = results / f"environment-{environment['environment_id']}.json"
    file.write_text(json.dumps(environment, indent=2) + "\n")
    return environment


def add_rows(file: Path, rows: Sequence[dict[str, object]]) -> None:
    """Add rows to a CSV file."""
    begun = file.exists()
    with file.open("a", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
        if not begun:
            writer.writeheader()
        writer.writerows(rows)


def read_done(results: Path, gate: str) -> tuple[int, Counter[float]]:
    """Return the number of the next run, and the runs so far of one rule by slowdown.

    A run's row is written last: one that was stopped before has taken its number.
    """
    files = ("pairs.csv", "trials.csv", "runs.csv")
    begun = [int(row["run"]) for name in files for row in _read_rows(results / name)]
    own = [row for row in _read_rows(results / "runs.csv") if row["gate"] == gate]
    return max(begun, default=-1) + 1, Counter(float(row["slowdown"]) for row in own)


def _read_rows(file: Path) -> list[dict[str, str]]:
    if not file.exists():
        return []
    with file.open() as opened:
        return list(csv.DictReader(opened))
