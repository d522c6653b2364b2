"""`seqbench run`: the main job, and how it tells of itself."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqbench.commands.arguments import (
    COUNT,
    NUMBER,
    WHERE,
    DataFolder,
    Plugins,
    Publish,
    RootOfNew,
    RootOfNewReports,
    choose_root,
)
from seqbench.commands.console import complain, console, interruptible, say
from seqbench.commands.options import (
    check_folder_name,
    check_timeout,
    format_command,
    parse_axes,
    with_settings,
)
from seqbench.commands.outputs import check_folder
from seqbench.commands.results import update_index, write_page
from seqbench.errors import ExitCode
from seqbench.harness.execution import InterruptedRunsError, Request, execute
from seqbench.harness.suites import MATCH_TOLERANCE
from seqbench.results.local import LOCAL, REPORTS
from seqbench.spec import MEASURING, MODEL, WHAT

if TYPE_CHECKING:
    from seqbench.harness.runner import Progress
    from seqbench.spec import RunSpec


_HOW = "How runs are done"


@with_settings
def run(
    suite: Annotated[
        str | None,
        typer.Option(
            help="A suite, see `seqbench list`. Default: quick, or none with --task.",
            metavar="NAME",
            rich_help_panel=WHAT,
        ),
    ] = None,
    plugin: Plugins = None,
    data: DataFolder = None,
    allow_changed_data: Annotated[
        bool,
        typer.Option(
            "--allow-changed-data",
            help="Accept data files that differ from the published ones; rows and report name "
            "them.",
            rich_help_panel=WHAT,
        ),
    ] = False,
    match_parameters: Annotated[
        int | None,
        typer.Option(
            help="Choose each hidden size for this number of parameters.",
            parser=COUNT,
            metavar="N",
            rich_help_panel=MODEL,
        ),
    ] = None,
    match_tolerance: Annotated[
        float | None,
        typer.Option(
            help=f"Largest relative deviation from --match-parameters. Default: {MATCH_TOLERANCE}.",
            parser=NUMBER,
            metavar="SHARE",
            rich_help_panel=MODEL,
        ),
    ] = None,
    measure: Annotated[
        bool | None,
        typer.Option(
            "--measure/--no-measure",
            help="Measure speed apart from training: steps, latency, % of peak. With --epochs 0 "
            "nothing else is done. Default: the suite's.",
            rich_help_panel=MEASURING,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the result folder. Default: the suite's.",
            metavar="NAME",
            rich_help_panel=WHERE,
        ),
    ] = None,
    publish: Publish = False,
    results: RootOfNew = None,
    reports: RootOfNewReports = None,
    report: Annotated[
        bool, typer.Option(help="Also write the report.", rich_help_panel=WHERE)
    ] = False,
    save_checkpoints: Annotated[
        bool,
        typer.Option("--save-checkpoints", help="Save each trained model.", rich_help_panel=WHERE),
    ] = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Start over; the earlier result is archived.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Run failed runs again.", rich_help_panel=_HOW),
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="Longest time of a run, or of loading the data, in seconds.",
            parser=NUMBER,
            metavar="SECONDS",
            rich_help_panel=_HOW,
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Wait for another process that writes to the same folder.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    **settings: list[str] | None,
) -> None:
    """Train a suite, or a grid of your own, and record it in results/local/NAME.

    Several values of a setting, separated by commas, make a grid: --hidden-size 64,128. A setting
    that is left out is the suite's, or else its default; `none` unsets one.

    Started again, it resumes where it was interrupted; finished runs are kept.
    """
    if suite is None and not settings["task"]:
        suite = "quick"
    if name is not None:
        check_folder_name(name)
    check_timeout(timeout)
    if report:
        reports = reports or (REPORTS if publish else REPORTS / LOCAL)
        check_folder("--reports", reports)
    request = Request(
        results=choose_root(results, publish=publish),
        name=name,
        suite=suite,
        axes=parse_axes(settings),
        match_parameters=match_parameters,
        match_tolerance=match_tolerance,
        measure=measure,
        plugins=plugin or (),
        data=data,
        allow_changed_data=allow_changed_data,
        restart=restart,
        retry_failed=retry_failed,
        timeout_s=timeout,
        wait=wait,
        keep_weights=save_checkpoints,
    )
    with interruptible("no results written"):
        try:
            done = execute(request, RunScreen(), format_command(request))
        except InterruptedRunsError as interruption:
            complain(f"interrupted: {interruption}")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    if done.kept_aside:
        say(f"earlier result kept in {done.kept_aside}")
    say(f"results: {done.folder}")
    if reports and report:
        write_page(done.folder, reports)
        update_index(reports)
    _sum_up(done.statuses, done.folder)


class RunScreen:
    """Shows on the screen how a request goes."""

    def say(self, text: str) -> None:
        """Print it."""
        say(text)

    def warn(self, text: str) -> None:
        """Print it where errors go."""
        complain(text)

    def watch(self, specs: "Sequence[RunSpec]") -> "AbstractContextManager[Progress]":
        """Return a bar, or lines in a log."""
        from seqbench.commands.progress import show_progress

        return show_progress(console, specs)


def _sum_up(statuses: list[str], folder: Path) -> None:
    """Report how many runs failed or are unsupported, and exit with the code for that."""
    unsupported = statuses.count("unsupported")
    if unsupported:
        complain(f"{unsupported} of {len(statuses)} runs are unsupported; see {folder}/runs.csv")
    if failed := len(statuses) - statuses.count("ok") - unsupported:
        complain(f"{failed} of {len(statuses)} runs failed; see {folder}/runs.csv")
    if failed or unsupported == len(statuses):
        raise typer.Exit(ExitCode.RUNS_FAILED)
