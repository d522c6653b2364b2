"""What a run leaves, as lines that read back as it was; and the row of one that would not.

The rule of what may be written is the reader's: a run is checked by what reads it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from seqbench.errors import ContractError, ResultsError
from seqbench.results.consistency import find_inconsistency
from seqbench.results.csv_files import parse_csv
from seqbench.results.csv_lines import format_header, format_records, format_table
from seqbench.results.records import EPOCHS, FILES, PARTS, RUNS, RunRecord
from seqbench.results.row_digests import digest_runs

_MOST_SHOWN = 1_000  # characters of a fault
_KEPT = (
    *("run_id", "suite", "spec", "metric", "metric_unit", "higher_is_better", "baseline_score"),
    *("started_at", "environment_id", "data_fingerprint", "changed_data", "code_version", "commit"),
)
"""What a run was, however it ended."""


def format_run(run: RunRecord, left: Mapping[str, Sequence[object]]) -> dict[str, list[str]]:
    """Return a run's lines by the name of the file, its row with the digests of all of them.

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
    records = {**left, RUNS: [run]}
    lines, tables = {}, {}
    for name, kind in FILES.items():
        lines[name] = format_records(kind, records.get(name, ()))
        if not lines[name] and name != EPOCHS:  # nothing to check, and digested as no rows
            continue
        try:
            tables[name] = parse_csv(Path(name), format_header(kind) + "".join(lines[name]), kind)
        except ResultsError as error:
            raise ValueError(str(error)) from error
    for name in PARTS:
        if set(tables.get(name, {}).get("run_id", ())) - {run.run_id}:
            raise ValueError(f"{name} has rows of another run")
    if fault := find_inconsistency(tables[RUNS], tables[EPOCHS]):
        _, column, told = fault
        raise ValueError(f"{column}: {told}")
    return lines | {RUNS: format_table(RunRecord, digest_runs(tables))}


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
        format_run(refused, {})
    except ValueError as error:
        raise ContractError("task", run.spec.task, f"gives what no row holds: {error}") from error
    return refused
