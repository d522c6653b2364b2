"""What a run leaves, as it would be read back; and the row of one that would not be.

The rule of what may be written is the reader's: a run is checked by what reads it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from seqbench.errors import ContractError, ResultsError
from seqbench.results.consistency import find_inconsistency
from seqbench.results.csv_files import format_header, format_records, parse_csv
from seqbench.results.records import EPOCHS, FILES, PARTS, RUNS, RunRecord

_MOST_SHOWN = 1_000  # characters of a fault
_KEPT = (
    *("run_id", "suite", "spec", "metric", "metric_unit", "higher_is_better", "baseline_score"),
    *("started_at", "environment_id", "data_fingerprint", "changed_data", "code_version", "commit"),
)
"""What a run was, whatever came of it."""


def check_run(run: RunRecord, left: Mapping[str, Sequence[object]]) -> dict[str, pd.DataFrame]:
    """Return a run's rows as a reader gets them, by the name of the file.

    Parameters
    ----------
    run
        Its row.
    left
        What it left besides, by the name of the file.

    Raises
    ------
    ValueError
        If a value does not fit its column, or the values do not go together.
    """
    frames = {}
    for name, kind in FILES.items():
        text = format_header(kind) + format_records(kind, {**left, RUNS: [run]}.get(name, ()))
        try:
            frames[name] = parse_csv(Path(name), text, kind)
        except ResultsError as error:
            raise ValueError(str(error)) from error
    for name in PARTS:
        if not (frames[name]["run_id"] == run.run_id).all():
            raise ValueError(f"{name} has rows of another run")
    if fault := find_inconsistency(frames[RUNS], frames[EPOCHS]):
        _, column, told = fault
        raise ValueError(f"{column}: {told}")
    return frames


def refuse_run(run: RunRecord, fault: str) -> RunRecord:
    """Return the row of a run whose records do not fit: what it was, and the fault.

    Raises
    ------
    ContractError
        If what the task says of its metric is what does not fit.
    """
    shown = " ".join(fault.split())[:_MOST_SHOWN]
    kept = {name: getattr(run, name) for name in _KEPT}
    told = f"it left what cannot be recorded: {shown}"
    refused = RunRecord(**kept, status="failed", error=told)
    try:
        check_run(refused, {})
    except ValueError as error:
        raise ContractError("task", run.spec.task, f"gives what no row holds: {error}") from error
    return refused
