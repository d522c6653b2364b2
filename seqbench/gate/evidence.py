"""What pairs, readings and seeds gave, as CSV."""

import csv
import io
from collections.abc import Iterator
from itertools import zip_longest

from seqbench.gate.cases import Case
from seqbench.gate.running import Outcome

_HEADER = ("benchmark", "kind", "number", "step", "base", "head")


def format_evidence(outcome: Outcome) -> str:
    """Return a row for each pair, memory reading and seed, and for each value of a seed's trace.

    Times are in seconds, memory in bytes. A value that only one side has leaves the other empty.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_HEADER)
    for case in outcome.cases:
        writer.writerows((case.name, *row) for row in _list_rows(case))
    return file.getvalue()


def _list_rows(case: Case) -> Iterator[tuple[object, ...]]:
    for number, sides in enumerate(zip(case.base_s, case.head_s, strict=True)):
        yield ("pair_s", number, "", *sides)
    for number, readings in enumerate(zip(case.base_bytes, case.head_bytes, strict=True)):
        yield ("memory_bytes", number, "", *readings)
    trained = list(enumerate(zip(case.base_scores, case.head_scores, strict=True)))
    for seed, (base, head) in trained:
        yield ("seed_score", seed, "", base[0], head[0])
    for seed, (base, head) in trained:
        for step, losses in enumerate(zip_longest(base[1], head[1], fillvalue="")):
            yield ("seed_trace", seed, step, *losses)
