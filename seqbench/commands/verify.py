"""`seqbench verify`: repeat published runs and report the outcome."""

import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqbench.commands.arguments import COUNT, NUMBER, DataFolder, Plugins, ResultsRoot, find_folder
from seqbench.commands.console import interruptible, say, tell_progress
from seqbench.errors import ExitCode, SettingError, UsageError
from seqbench.formatting import join_words

# torch is imported within functions, so that the worker can be started first
if TYPE_CHECKING:
    from seqbench.spec import RunSpec
    from seqbench.verification.outcome import PublishedRun

_EXIT_CODES = (
    ExitCode.OK,
    ExitCode.EQUAL_TO_ROUNDING,
    ExitCode.EQUIVALENT,
    ExitCode.VERIFICATION_UNDECIDED,
    ExitCode.VERIFICATION_DIFFERS,
)
"""By `Outcome`, from the best to the worst."""


def verify(
    name: Annotated[str, typer.Argument(help="A result folder, or its name below --results.")],
    sample: Annotated[
        int | None, typer.Option(help="Repeat only N of its rows.", parser=COUNT, metavar="N")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="Largest mean shift of the score that counts as equivalent, in the metric's unit "
            "(0.01 is one percentage point of accuracy). Default: 2 % of the distance from the "
            "baseline's score to the published mean.",
            parser=NUMBER,
            metavar="NUMBER",
        ),
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Add a line for each run.")] = False,
    plugin: Plugins = None,
    data: DataFolder = None,
    results: ResultsRoot = Path("results"),
) -> None:
    """Repeat published runs from their folder alone, and compare every epoch."""
    from seqbench.harness.worker import Worker

    with (
        interruptible("no results written"),
        Worker(data, plugin or (), allow_changed_data=True) as worker,
    ):
        from seqbench.harness.environment import describe_environment
        from seqbench.harness.plugins import load_plugins
        from seqbench.results.reader import load_results
        from seqbench.training.device import resolve_device
        from seqbench.verification.summary import describe_verification
        from seqbench.verification.verify import choose_rows, verify_runs

        load_plugins(plugin or ())
        folder = find_folder(name, results)
        published = load_results(folder)
        chosen = choose_rows(published, sample)
        if not chosen:
            raise UsageError(f"{folder} has no completed trained run: nothing to verify")
        _check_margin(margin, chosen)
        specs = [run.spec for run in chosen]
        _check_registered(specs, published.environment)
        for device in {spec.device for spec in specs}:
            resolve_device(device)
        problems = worker.load(specs)
        with tell_progress(in_log=False) as tell:
            done = 0

            def started(spec: "RunSpec") -> None:
                nonlocal done
                done += 1
                tell(f"[{done}/{len(specs)}] {spec.task} {spec.variant} seed {spec.seed}")

            found = verify_runs(
                published,
                chosen,
                problems,
                worker,
                describe_environment(),
                margin=margin,
                started=started,
            )
    for line in describe_verification(found, sampled=sample is not None, runs=runs):
        say(line)
    raise typer.Exit(_EXIT_CODES[found.outcome])


def _check_registered(specs: Sequence["RunSpec"], environment: Mapping[str, Any]) -> None:
    """Refuse runs of a missing plugin, and name it."""
    from seqbench.models.model import VARIANTS
    from seqbench.tasks.task import TASKS

    unknown = {f"variant {spec.variant}" for spec in specs if spec.variant not in VARIANTS}
    unknown |= {f"task {spec.task}" for spec in specs if spec.task not in TASKS}
    if not unknown:
        return
    command = str(environment.get("command", ""))
    names = join_words(sorted(unknown))
    if wanted := _list_plugins(command):
        raise UsageError(
            f"{names} came from a plugin: add {' '.join(wanted)}, with its path. The result was "
            f"made by `{command}`."
        )
    raise UsageError(
        f"{names} is not registered: name its plugin with --plugin, or install its package. The "
        f"result was made by `{command or 'an unrecorded command'}`."
    )


def _list_plugins(command: str) -> list[str]:
    """Return the options of a command that name plugins."""
    try:
        words = shlex.split(command)
    except ValueError:  # it was edited
        return []
    return [f"{word} {shlex.quote(name)}" for word, name in pairwise(words) if word == "--plugin"]


def _check_margin(margin: float | None, chosen: Sequence["PublishedRun"]) -> None:
    if margin is None:
        return
    if not 0 < margin < float("inf"):
        raise SettingError("margin", margin, "a number greater than 0")
    metrics = sorted({run.row["metric"] for run in chosen})
    if len(metrics) > 1:
        expected = f"omitted for results with several metrics ({join_words(metrics)})"
        raise SettingError("margin", margin, expected)
