"""What can go wrong, and the exit code that each kind of it has.

The table of exit codes in ``docs/exit-codes.md`` describes `ExitCode`; nothing else sets one.
"""

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
    INTERRUPTED = 130


class SeqbenchError(Exception):
    """An error whose message says what was wrong, where, and how to mend it."""

    exit_code: ExitCode = ExitCode.RUNS_FAILED

    def __reduce__(self) -> tuple[Any, ...]:
        """Let errors pass from a worker process, whatever their constructors take."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[SeqbenchError], args: tuple[Any, ...], fields: dict[str, Any]) -> Any:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(fields)
    return error


class UsageError(SeqbenchError):
    """The caller asked for something that cannot be."""

    exit_code = ExitCode.BAD_USE


class UnknownNameError(UsageError):
    """A name that is not registered; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = tuple(known)
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}."
        super().__init__(f"no {kind} is called {name!r}; {hint}")


class SettingError(UsageError):
    """A setting whose value is out of its range."""

    def __init__(self, setting: str, value: object, expected: str) -> None:
        self.setting = setting
        self.value = value
        self.expected = expected
        super().__init__(f"{setting} must be {expected}, not {value!r}")


class ContractError(UsageError):
    """A variant or a task that does not give what its contract says."""

    def __init__(self, kind: str, name: str, fault: str) -> None:
        super().__init__(f"{kind} {name} {fault}")


class UnsupportedError(SeqbenchError):
    """Settings that do not go together on this machine or in this variant: a row says why."""


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
    """A result folder that is missing, torn, edited by hand or from a newer schema."""

    exit_code = ExitCode.RESULTS_UNREADABLE
