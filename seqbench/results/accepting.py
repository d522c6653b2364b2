"""Edits of a result that were meant: its rows are taken as they are, and say so from then on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from seqbench.results.reader import load_environment, load_unfinished, read_results
from seqbench.results.records import RUNS
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
        edits = find_edits(results.frames)
        if edits:
            runs = results.runs.copy()
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            runs.loc[runs.index[sorted({place for place, _, _ in edits})], "edited_at"] = now
            runs = digest_runs({**results.frames, RUNS: runs})
            writer.resume(
                replace(results, runs=runs), list(runs["run_id"]), load_unfinished(folder)
            )
            writer.add_results([])
    return list(dict.fromkeys(told for _, _, told in edits))
