"""What is to be known of where rows come from, before their numbers are read: sentences."""

from collections.abc import Iterator

from seqbench.analysis.stats import count_machines
from seqbench.results.reader import Results


def describe_provenance(results: Results) -> Iterator[str]:
    """Yield what was edited, and on how many machines runs were made, if it was more than one."""
    runs = results.runs
    edited = runs["edited_at"].dropna()
    if len(edited):
        yield (
            f"**{len(edited)} of {len(runs)} runs were edited by hand** after they were written, "
            f"or others of their file were deleted; last accepted at {edited.max()}."
        )
    if (machines := count_machines(runs)) > 1:
        timed = (runs["environment_id"] == results.environment.get("environment_id")).sum()
        yield (
            f"The runs are from {machines} machines. Scores include all {len(runs)} runs, times "
            f"the {timed} runs from the machine described below."
        )
