"""The screen: what a command says, what it complains of, how it ends when it is interrupted."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from seqbench.errors import ExitCode

console = Console()
errors = Console(stderr=True)


def say(text: str) -> None:
    """Print a text as it stands."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print a text as it stands where errors go."""
    errors.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def interruptible() -> Iterator[None]:
    """End with the exit code of an interruption, also when the system asks the process to end."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        complain("interrupted before anything was begun")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
