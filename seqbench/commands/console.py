"""The terminal: messages, errors and interruption of a command.

All output of a command goes through `Screen`, so that its rules hold everywhere: external text
cannot control the terminal, what an encoding lacks is replaced, a log has neither colours nor bars,
a closed pipe ends the command, and a full disk under a log costs no result.
"""

import codecs
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from seqbench.errors import ExitCode
from seqbench.printable import strip_controls

_PLAIN = {
    "−": "-",
    "–": "-",
    "—": "-",
    "×": "x",
    "·": "*",
    "→": "->",
    "±": "+/-",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "∞": "inf",
    "’": "'",
    "“": '"',
    "”": '"',
}
"""ASCII replacements of characters; a sign must not become a ``?``."""


class Screen(Console):
    """Standard output or standard error, as it is when something is printed.

    Text is printed unchanged, without markup and without what would control a terminal.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        self.lost: OSError | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether bars and colours can be shown; variables like FORCE_COLOR make no terminal."""
        if os.environ.get("TERM", "") in ("dumb", "unknown"):
            return False
        with suppress(ValueError):  # it is closed
            return self.file.isatty()
        return False

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text as rich draws it, without controls."""
        return super().render_str(strip_controls(text), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; if that fails, continue and remember the reason."""
        try:
            super().print(*objects, **options)
        except BrokenPipeError:
            self.on_broken_pipe()
        except OSError as error:
            self._give_up(error)

    def on_broken_pipe(self) -> None:
        """End the command silently, as tools do whose output is closed."""
        self._silence()
        raise SystemExit(ExitCode.OUTPUT_CLOSED)

    def flush(self) -> None:
        """Write what others have printed there and is still on its way."""
        try:
            self.file.flush()
        except BrokenPipeError:
            self._silence()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.lost = error
        self._silence()

    def _silence(self) -> None:
        """Send what is still to come nowhere: Python itself would fail over it at its end."""
        self.quiet = True
        with suppress(OSError, ValueError):  # no file of the system's
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.file.fileno())
            os.close(nowhere)


console = Screen()
errors = Screen(stderr=True)


def replace_unencodable() -> None:
    """Let standard output and error show something else for what their encoding lacks."""
    codecs.register_error("seqbench", _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="seqbench")


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return what replaces the characters that cannot be encoded, and where to continue."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each, "?") for each in lacking), error.end


def end_output(code: Any) -> Any:
    """Return the exit code of a command that ended with ``code``: another if its output was lost.

    A code of an error or a verdict has precedence.
    """
    console.flush()
    if console.lost is None:
        return code
    complain(f"error: standard output cannot be written: {console.lost.strerror}")
    return code or ExitCode.RESULTS_UNREADABLE


def say(text: str) -> None:
    """Print a text unchanged."""
    console.print(text, soft_wrap=True)


def complain(text: str) -> None:
    """Print a text unchanged where errors go."""
    errors.print(text, soft_wrap=True)


@contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """End with the exit code of an interruption, also when the system asks the process to end.

    ``kept`` describes the state of the results.
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
    """Yield a function that shows progress: one updated line, or separate lines in a log.

    Without ``in_log`` it prints only on a terminal.
    """
    if not console.is_terminal:
        yield say if in_log else lambda text: None
        return
    with console.status("", refresh_per_second=1) as status:
        yield lambda text: status.update(Text(strip_controls(text)))
