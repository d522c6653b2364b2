"""Edits of a result that were meant: its rows are taken as they are, and say so from then on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from seqbench.results.csv_files import make_frame
from seqbench.results.reader import load_environment, load_unfinished, read_results
from seqbench.results.records import RUNS, RunRecord
from seqbench.results.row_digests import digest_runs, find_edits
from seqbench.results.writer import ResultWriter


def accept_edits(folder: Path) -> Sequence[str]:
    """Give the runs of a result digests of their rows as they are; return what had been edited.

    The runs that were edited, or all of them where rows are missing, get today's ``edited_at``.
    Nothing is written where nothing was edited.

    Raises
    ------
    ResultsError
        If a cell does not fit its column, or cells do not go together: that can only be mended.
    UsageError
        If another command is writing there.
    """
    with ResultWriter(folder, load_environment(folder)) as writer:
        results = read_results(folder)
        edits = find_edits(results.tables)
        if edits:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            runs = dict(results.tables[RUNS])
            edited = {place for place, _, _ in edits}
            runs["edited_at"] = [
                now if place in edited else before for place, before in enumerate(runs["edited_at"])
            ]
            digested = make_frame(RunRecord, digest_runs({**results.tables, RUNS: runs}))
            writer.resume(replace(results, runs=digested), runs["run_id"], load_unfinished(folder))
            writer.add_results([])
    return list(dict.fromkeys(told for _, _, told in edits))
