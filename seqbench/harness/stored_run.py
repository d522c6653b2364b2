"""Whether a stored run counts for a planned one: what changed since, and what it lacks."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from seqbench.harness.job import Job
from seqbench.harness.problems import Problem
from seqbench.results.environments import same_code
from seqbench.results.reader import CHECKPOINTS
from seqbench.results.records import CODE_DIGEST_SCHEMA
from seqbench.spec import RunSpec

OLDEST_SCHEMA = 5
"""Rows of an earlier one were trained by code that gave some layers wrong gradients."""

ENDED_WELL = ("ok", "unsupported")


def find_change(job: Job, problem: Problem, row: Mapping[str, Any]) -> str | None:
    """Describe what makes a run another one than that in the folder, or None."""
    schema = row["schema_version"]
    if schema < OLDEST_SCHEMA:
        return f"it has schema {schema}, whose code computed some gradients incorrectly"
    if row["environment_id"] != job.environment_id:
        return "it was made in another environment"
    if row["data_fingerprint"] != problem.fingerprint:
        return "its data has changed"
    if schema < CODE_DIGEST_SCHEMA:
        return None
    if pd.isna(row["code_version"]) or job.code_version is None:
        return "the version of its code is not known"
    return None if same_code(row["code_version"], job.code_version) else "its code has changed"


def find_other_settings(
    spec: RunSpec, others: Mapping[tuple[str, str, int], RunSpec]
) -> str | None:
    """Describe in which settings a run differs from one of its task, variant and seed.

    Parameters
    ----------
    spec
        A run that is not in the folder.
    others
        Runs that are and are no longer planned, by task, variant and seed.
    """
    other = others.get((spec.task, spec.variant, spec.seed))
    if other is None:
        return None
    pairs = ((each.name, getattr(other, each.name)) for each in fields(spec))
    return "; ".join(
        f"{name} was {was}, is {getattr(spec, name)}"
        for name, was in pairs
        if was != getattr(spec, name)
    )


def find_lack(
    job: Job, row: Mapping[str, Any], folder: Path, timed: bool, retry_failed: bool
) -> str | None:
    """Describe what a finished run lacks, or return None."""
    if row["status"] not in ENDED_WELL:
        return "it failed" if retry_failed else None
    if row["status"] == "unsupported":
        return None
    if job.sampling is not None and not timed:
        return "its speed was not measured"
    weights = folder / CHECKPOINTS / f"{row['run_id']}.ckpt"
    if job.keep_weights and not weights.is_file():
        return "its weights were not saved"
    return None
