"""The process of a version: start, requests, answers and end."""

import os
import subprocess
import tempfile
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from seqbench.errors import ExitCode, SeqbenchError
from seqbench.formatting import format_seconds
from seqbench.gate.layouts import list_import_folders
from seqbench.gate.versions import Version
from seqbench.printable import strip_controls

AGENT = Path(__file__).with_name("agent.py")
"""What the process runs."""

PATIENCE_S = 120.0
"""Longest that a version may take over a question, by default."""

_MOST_PATIENCE_S = 1e6
_PATIENCE_WITH_DEATH_S = 5
_ERROR_LINES = 20  # lines of an error
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # a team that waits by spinning takes the core from the other
}


class VersionError(SeqbenchError):
    """A version that failed a request.

    Parameters
    ----------
    side
        ``base`` or ``head``.
    version
        Which one that is.
    fault
        The end of its traceback, or of its last output.
    """

    exit_code = ExitCode.NOTHING_MEASURED

    def __init__(self, side: str, version: Version, fault: str) -> None:
        fault = strip_controls(fault)
        super().__init__(f"the {side}, {version}, cannot be measured: {fault}")
        self.side = side
        self.fault = fault

    @property
    def brief(self) -> str:
        """The most informative line of the fault: a traceback's last one."""
        return (self.fault.splitlines() or [""])[-1]


class ForeignVersionError(VersionError):
    """A version that runs code which is neither its own nor installed: nothing of it counts."""


class EndedError(VersionError):
    """A version whose process is gone, or is not waited for any longer."""

    @property
    def brief(self) -> str:
        """How it ended."""
        return (self.fault.splitlines() or [""])[0]


class LateError(EndedError):
    """A version that did not answer in time.

    Parameters
    ----------
    side, version
        As of a `VersionError`.
    waited_s
        How long it was waited for, in seconds.
    """

    def __init__(self, side: str, version: Version, waited_s: float) -> None:
        super().__init__(side, version, f"no response within {format_seconds(waited_s)}")
        self.hangs = False
        """Whether the other side was so much faster that it is taken to hang."""


class Side:
    """A live process of one version, which executes requests in order.

    Parameters
    ----------
    name
        ``base`` or ``head``.
    version
        Whose code it runs.
    file
        The benchmark file, relative to the version's folder.
    """

    def __init__(self, name: str, version: Version, file: Path) -> None:
        self._name, self._version = name, version
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process is)
        self._connection, theirs = Pipe()
        command = [version.python, str(AGENT), str(version.folder), str(version.folder / file)]
        folders = map(str, list_import_folders(version.folder))
        try:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), *folders],
                cwd=version.folder,
                env={**os.environ, **_ONE_THREAD},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._output,  # the screen is the gate's
                stderr=self._output,
            )
        except OSError as error:
            self._output.close()
            self._connection.close()
            fault = f"{version.python} cannot be run: {error.strerror}"
            raise VersionError(name, version, fault) from None
        finally:
            theirs.close()

    def send(self, question: str, *arguments: object) -> None:
        """Send a request; `receive` waits for its answer."""
        with suppress(OSError):  # it has died; `receive` reports it
            self._connection.send((question, *arguments))

    def receive(self, within_s: float = PATIENCE_S, since_s: float = 0.0) -> Any:
        """Return the answer to the last question.

        Parameters
        ----------
        within_s
            Timeout in seconds.
        since_s
            How many of them have passed.

        Raises
        ------
        VersionError
            If the version failed over it; a `ForeignVersionError` if its code comes from elsewhere.
        EndedError
            If it ended; a `LateError` if it did not answer in time.
        """
        try:
            if not self._connection.poll(min(max(within_s - since_s, 0.0), _MOST_PATIENCE_S)):
                raise LateError(self._name, self._version, within_s)
            outcome, answer = self._connection.recv()
        except (EOFError, OSError):
            raise EndedError(self._name, self._version, self._describe_end()) from None
        if outcome == "foreign":
            raise ForeignVersionError(self._name, self._version, answer)
        if outcome == "failed":
            raise VersionError(self._name, self._version, _end_of(answer))
        return answer

    def ask(self, question: str, *arguments: object, within_s: float = PATIENCE_S) -> Any:
        """Send a request and return the answer; see `receive`."""
        self.send(question, *arguments)
        return self.receive(within_s)

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._output.close()
        self._connection.close()

    def _describe_end(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_WITH_DEATH_S)
        self._output.seek(0)
        output = _end_of(self._output.read().decode(errors="replace"))
        return f"its process exited with code {self._process.returncode}\n{output}".strip()


def _end_of(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_ERROR_LINES:])
