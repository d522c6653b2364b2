"""The screen: what a command says, what it complains of, how it ends when it is interrupted."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

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
def interruptible(kept: str) -> Iterator[None]:
    """End with the exit code of an interruption, also when the system asks the process to end.

    ``kept`` says what there is then.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        complain(f"interrupted: {kept}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def tell_progress(*, in_log: bool = True) -> Iterator[Callable[[str], object]]:
    """Give what says how far a command is: one line that changes, or a line each in a log.

    Without ``in_log`` it says nothing where there is no terminal.
    """
    if not console.is_terminal:
        yield say if in_log else lambda text: None
        return
    with console.status("", refresh_per_second=1) as status:
        yield lambda text: status.update(escape(text))
