"""What can go wrong, and the exit code that each kind of it has.

The table of exit codes in ``docs/exit-codes.md`` describes `ExitCode`; nothing else sets one.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """How a command ended, for the shell."""

    OK = 0
    RUNS_FAILED = 1
    BAD_USE = 2
    RESULTS_UNREADABLE = 3
    VERIFICATION_DIFFERS = 4
    REGRESSION_FOUND = 5
    NOTHING_MEASURED = 6
    EQUAL_TO_ROUNDING = 7
    EQUIVALENT = 8
    VERIFICATION_UNDECIDED = 9
    GATE_UNDECIDED = 10
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141


LONGEST_ON_ONE_LINE = 500
"""Characters; of a longer text the middle is left out."""

_HINT = re.compile(
    r"Set TORCH|For .*\bset TORCH|You can suppress this|For debugging consider|Compile with `"
)
"""How the lines begin with which torch closes its errors, whatever they are."""


def on_one_line(text: str) -> str:
    """Return a text as one line, for a cell: what does not print, and torch's hints, left out.

    Lines are joined by slashes. What is long loses its middle, for some errors have the cause at
    the beginning and others at the end.
    """
    lines = [
        " ".join("".join(each if each.isprintable() else " " for each in line).split())
        for line in text.splitlines()
    ]
    joined = " / ".join(line for line in lines if line and not _HINT.match(line))
    half = LONGEST_ON_ONE_LINE // 2
    return joined if len(joined) <= 2 * half else f"{joined[:half]} … {joined[-half:]}"


def read_message(error: BaseException) -> str:
    """Return an error's message on one line, empty if there is none, whatever its class does."""
    try:
        return on_one_line(str(error))
    except Exception:  # an error whose message raises one
        return ""


def describe_error(error: BaseException) -> str:
    """Return an error's kind and message on one line."""
    kind, message = on_one_line(type(error).__name__), read_message(error)
    return f"{kind}: {message}" if message else kind


class SeqbenchError(Exception):
    """An error whose message says what was wrong, where, and how to fix it."""

    exit_code: ExitCode = ExitCode.RUNS_FAILED

    def __reduce__(self) -> tuple[Any, ...]:
        """Let errors pass from a worker process, whatever the signature of their constructors."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[SeqbenchError], args: tuple[Any, ...], fields: dict[str, Any]) -> Any:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(fields)
    return error


class UsageError(SeqbenchError):
    """Invalid usage."""

    exit_code = ExitCode.BAD_USE


class UnknownNameError(UsageError):
    """A name that is not registered; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = tuple(known)
        near = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"available: {', '.join(known)}."
        super().__init__(f"unknown {kind} {name!r}; {hint}")


class SettingError(UsageError):
    """A setting whose value is out of its range."""

    def __init__(self, setting: str, value: object, expected: str) -> None:
        self.setting = setting
        self.value = value
        self.expected = expected
        super().__init__(f"{setting} must be {expected}, not {value!r}")


class ContractError(UsageError):
    """A variant or a task that violates its contract."""

    def __init__(self, kind: str, name: str, fault: str) -> None:
        super().__init__(f"{kind} {name} {fault}")


class UnsupportedError(SeqbenchError):
    """A configuration that this machine or variant does not support; a row gives the reason."""


class DisagreementError(SeqbenchError):
    """An implementation that does not compute what its variant does."""


class PluginError(UsageError):
    """A plugin that cannot be used."""

    def __init__(self, plugin: str, fault: str) -> None:
        super().__init__(
            f"plugin {plugin}: {fault}. A plugin is a Python file, or a module announced by a "
            f"package, that registers variants or tasks when it is imported."
        )


class DataUnavailableError(UsageError):
    """A task's data is not on this machine and could not be fetched, or is damaged."""


class ResultsError(SeqbenchError):
    """A result folder that is missing, truncated, edited by hand or from a newer schema."""

    exit_code = ExitCode.RESULTS_UNREADABLE


class RunsFailedWarning(UserWarning):
    """Some runs failed."""
