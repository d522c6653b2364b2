"""Which code a run executes: a digest of its sources, so that a row knows what it came from.

What counts is the variant's module, the task's, the read-out's and those that registered them, and
the harness's; all that these import of seqbench or of the user's own code; and the versions of
installed packages that the variant, the task or the read-out import besides. Torch and NumPy are
in the environment. What only describes is no part of it, see `source_digest`.
"""

import secrets
from functools import cache, partial
from pathlib import Path

from seqbench.harness.source_digest import (
    collect_sources,
    digest_sources,
    lies_in_file,
    list_packages,
)
from seqbench.models.model import VARIANTS
from seqbench.models.readout import READOUTS
from seqbench.spec import RunSpec
from seqbench.tasks.task import TASKS

_RUN = "seqbench.harness.run"
_TIMING = ("seqbench.timing.speed", "seqbench.timing.sampler")
"""What a run that is not measured executes for the hardware peaks alone."""


def version_code(spec: RunSpec, *, measured: bool = False) -> str:
    """Return 12 hexadecimal digits that change with the code that a run executes.

    Parameters
    ----------
    spec
        The run.
    measured
        Whether its speed is measured apart from training. Then there is a plus sign after them, and
        as many digits for the code that does so.

    Returns
    -------
    str
        The digits. Of a member without a file they are drawn, so that it counts as new.
    """
    members = (
        (VARIANTS[spec.variant].build, VARIANTS.origin(spec.variant)),
        (TASKS[spec.task], TASKS.origin(spec.task)),
        (READOUTS[spec.readout], READOUTS.origin(spec.readout)),
    )
    roots = {name for member, origin in members for name in (_module_of(member), origin)}
    lie_there = all(map(lies_in_file, roots)) and all(
        _is_of_a_file(member) for member, _ in members
    )
    if not lie_there:  # typed into a notebook: it may be another every time
        return secrets.token_hex(6)
    return digest_run(frozenset(roots), measured=measured)


@cache
def digest_run(roots: frozenset[str], *, measured: bool = False) -> str:
    """Return `version_code` of a run whose members are in modules of these names."""
    loop = collect_sources([_RUN], without=_TIMING)
    members = collect_sources(roots, without=_TIMING)
    packages = list_packages(members) - list_packages(loop)
    trained = digest_sources({**loop, **members}, packages)
    if not measured:
        return trained
    timing = collect_sources(_TIMING, without=[*loop, *members])
    return f"{trained}+{digest_sources(timing)}"


def _is_of_a_file(member: object) -> bool:
    """Return whether the code of a function, or of a class's methods, came from a file."""
    while isinstance(member, partial):
        member = member.func
    functions = vars(member).values() if isinstance(member, type) else [member]
    codes = (getattr(each, "__code__", None) for each in functions)
    files = {code.co_filename for code in codes if code} - {"<string>"}  # methods of a dataclass
    return all(Path(file).is_file() for file in files)


def _module_of(member: object) -> str:
    """Return the module that a function or a class is defined in."""
    while isinstance(member, partial):
        member = member.func
    module: str = getattr(member, "__module__", None) or type(member).__module__
    return module
