"""The command line: its commands, and errors to exit codes.

Torch is imported by the commands that train or inspect models, so that a report is made, and help
is given, without it.
"""

import os
import sys
from pathlib import Path
from traceback import extract_tb
from typing import Annotated, Any

import typer

import seqbench
from seqbench.commands.console import complain, console, end_output, replace_unencodable, say
from seqbench.commands.explain import app as explain
from seqbench.commands.gate import gate
from seqbench.commands.history import history
from seqbench.commands.options import GroupedCommand, option_of
from seqbench.commands.registered import env, list_, show
from seqbench.commands.results import accept, compare, pool, report
from seqbench.commands.run import run
from seqbench.commands.verify import verify
from seqbench.errors import ExitCode, SeqbenchError, SettingError, UsageError
from seqbench.harness.execution import choose_workspace
from seqbench.printable import shorten

app = typer.Typer(
    name="seqbench",
    help="Train recurrent networks side by side; record accuracy, epoch time and throughput.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("list")(list_)
app.command(cls=GroupedCommand)(run)
for command in (show, report, pool, compare, history, verify, accept, gate, env):
    app.command()(command)
app.add_typer(explain, name="explain")


def _version(wanted: bool) -> None:
    if wanted:
        say(f"seqbench {seqbench.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _refuse_empty(arguments: list[str]) -> None:
    """Raise `UsageError` for an empty argument, which would pass for the current folder."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=")
        if argument == "" or (option.startswith("--") and equals and not value):
            place = option or (before if before.startswith("-") else "an argument")
            raise UsageError(f"{shorten(place)} is empty; perhaps a variable is not set")


def main() -> None:
    """Run the command line; an error of ours or of a file is one message and its exit code."""
    # read when a process first uses CUDA: cuBLAS then repeats itself
    choose_workspace()
    os.environ["MPLBACKEND"] = "agg"  # figures are files; an unknown one would end the import
    os.environ.pop("SOURCE_DATE_EPOCH", None)  # no date goes into them; numpy's import reads it
    replace_unencodable()
    sys.exit(end_output(_run()))


def _run() -> Any:
    """Run the command that was requested; return its exit code."""
    try:
        _refuse_empty(sys.argv[1:])
        return app()
    except SystemExit as ended:  # so every command ends, unless it raises
        return ended.code
    except SettingError as error:
        value = shorten(repr(error.value))
        message = f"{option_of(error.setting)} must be {error.expected}, not {value}"
        code = error.exit_code
    except SeqbenchError as error:
        message, code = str(error), error.exit_code
    except UnicodeDecodeError as error:
        files = [Path(frame.filename) for frame in extract_tb(error.__traceback__)]
        if not any(file.parts[-2:] == ("matplotlib", "__init__.py") for file in files):
            raise
        message = (
            "matplotlib cannot be imported: a matplotlibrc is not UTF-8 text, in this folder, at "
            "`MATPLOTLIBRC` or in the user's configuration; move it away"
        )
        code = ExitCode.BAD_USE
    except (ImportError, MemoryError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        message = f"a dependency of seqbench cannot be imported, or memory is exhausted: {reason}"
        code = ExitCode.BAD_USE
    except OSError as error:
        console.flush()
        if console.lost is not None:  # help, which typer prints
            return None
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        code = ExitCode.RESULTS_UNREADABLE
    complain(f"error: {message}")
    return code
