"""The command line: its commands, and errors to exit codes.

Torch is imported by the commands that train or look at models, so that a report is made, and help
is given, without it.
"""

import os
import sys
from typing import Annotated

import typer

import seqbench
from seqbench.commands.console import complain, say
from seqbench.commands.explain import app as explain
from seqbench.commands.gate import gate
from seqbench.commands.history import history
from seqbench.commands.registered import env, list_, show
from seqbench.commands.results import compare, pool, report
from seqbench.commands.run import run
from seqbench.commands.verify import verify
from seqbench.errors import SeqbenchError, SettingError
from seqbench.options import option_of

app = typer.Typer(
    name="seqbench",
    help="Train recurrent networks side by side; record accuracy, epoch time and throughput.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("list")(list_)
for command in (show, run, report, pool, compare, history, verify, gate, env):
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


def main() -> None:
    """Run the command line; an error of ours is one message and its exit code."""
    # read when a process first uses CUDA: cuBLAS then repeats itself
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        app()
    except SettingError as error:
        expected = f"{option_of(error.setting)} must be {error.expected}"
        complain(f"error: {expected}, not {error.value!r}")
        sys.exit(error.exit_code)
    except SeqbenchError as error:
        complain(f"error: {error}")
        sys.exit(error.exit_code)
