"""What is to be known of where rows come from, before their numbers are read: sentences."""

from collections.abc import Iterator

from seqbench.reader import Results
from seqbench.records import DIGEST_SCHEMA
from seqbench.stats import count_machines


def describe_provenance(results: Results) -> Iterator[str]:
    """Yield what was edited, or could have been, and how many machines there were, if not one."""
    runs = results.runs
    edited = runs["edited_at"].dropna()
    if len(edited):
        yield (
            f"**{len(edited)} of {len(runs)} runs were edited by hand** after they were written, "
            f"last accepted at {edited.max()}."
        )
    undigested = (runs["schema_version"] < DIGEST_SCHEMA).sum()
    if undigested:
        yield (
            f"{undigested} of {len(runs)} runs are of a schema before {DIGEST_SCHEMA} and have no "
            f"digests: an edit of them is told only where numbers do not go together."
        )
    if (machines := count_machines(runs)) > 1:
        timed = (runs["environment_id"] == results.environment.get("environment_id")).sum()
        yield (
            f"The runs were made on {machines} machines. Scores are of all {len(runs)} runs, times "
            f"of the {timed} that were made on the one that is described below."
        )
