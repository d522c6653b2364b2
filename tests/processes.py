"""Commands in processes of their own, forked from one that has imported what takes seconds.

It has run a command, so that nothing is left to import, and has read seqbench's sources; a command
in a folder with another seqbench imports that. The gate's agents are forked from another one, which
has imported only what they import: without torch, a process is forked ten times as fast. Where the
start of an interpreter is the thing tested, a test starts one.
"""

import atexit
import compileall
import ctypes
import fcntl
import gc
import json
import multiprocessing.util
import os
import resource
import runpy
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from pkgutil import walk_packages
from py_compile import PycInvalidationMode
from tempfile import TemporaryFile
from types import ModuleType, SimpleNamespace
from typing import IO, Any, NoReturn, Self

from typer.testing import CliRunner

PACKAGES = (
    "torch",
    "torch._dynamo",
    "torch.utils.flop_counter",
    "torchrecurrent",
    "pandas",
    "scipy.stats",
    "matplotlib.pyplot",
    "seaborn",
    "sklearn.datasets",
    "sklearn.model_selection",
    "typer",
    "rich.progress",
    "jinja2",
    "psutil",
)

LIGHT_PACKAGES = ("seqbench.gate.agent", "seqbench.gate.benchmark", "random")
"""What an agent of the gate imports, and the project whose work it measures."""

SMALL_LIMITS: dict[str, Any] = {
    "MATRIX_SIZES": dict.fromkeys(("cpu", "cuda"), (16, 32)),
    "COPIED_BYTES": dict.fromkeys(("cpu", "cuda"), 1 << 12),
    "BUDGET_S": 1e-4,
}
"""Of `timing.peak`: every run measures the machine's limits, here shortly on little matrices."""

_ADOPT_ORPHANS = 36  # Linux's PR_SET_CHILD_SUBREAPER


def measure_small_limits() -> None:
    """Have this process measure the machine's limits on little matrices."""
    vars(import_module("seqbench.timing.peak")).update(SMALL_LIMITS)


def run_seqbench(
    *words: object,
    cwd: Path,
    program: Path | None = None,
    strict: bool = False,
    path: Path | None = None,
    env: Mapping[str, str] | None = None,
    out: int | None = None,
    anew: bool = False,
) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m seqbench``, or a program, as `subprocess.run` would, with texts captured.

    Parameters
    ----------
    words
        Of the command.
    cwd, env
        Where, and with what environment variables besides those of this process.
    strict
        Whether a warning is an error, as with ``-W error``.
    path
        A folder to import from, as in ``PYTHONPATH``.
    out
        What stands for the screen, a descriptor; None to capture that too.
    anew
        Whether it imports seqbench anew.
    """
    asked: dict[str, Any] = {
        "anew": anew,
        "program": str(program) if program else None,
        "env": env or {},
        "path": [str(path)] if path else [],
        "strict": strict,
    }
    with Command(words, cwd, out=out, **asked) as command:
        said, err = command.communicate()
        return subprocess.CompletedProcess(list(map(str, words)), command.wait(), said, err)


def run_code(folder: Path, code: str) -> None:
    """Run a program of a few lines, which imports seqbench anew and ends well."""
    program = folder / "program.py"
    program.write_text(code)
    done = run_seqbench(cwd=folder, program=program, anew=True)
    assert done.returncode == 0, done.stdout + done.stderr


class Forked:
    """A process that was forked for this one, with what a `subprocess.Popen` has.

    Parameters
    ----------
    forker
        What is asked for it.
    asked
        What it is to do: see `_become`.
    files
        Descriptors for its screen, for its errors, and others that it gets.
    """

    def __init__(self, forker: socket.socket, asked: Mapping[str, Any], *files: int) -> None:
        self._watcher, theirs = socket.socketpair()
        with theirs:
            message = json.dumps({**asked, "descriptors": files[2:]}).encode()
            socket.send_fds(forker, [message], [theirs.fileno(), *files])
        self.pid = self._receive(600)  # on a machine with much else to do
        self.returncode: int | None = None

    def _receive(self, within_s: float) -> int:
        self._watcher.settimeout(within_s)
        return int(self._watcher.recv(16, socket.MSG_WAITALL))

    def poll(self) -> int | None:
        """Return the exit status, None while it goes on."""
        with suppress(BlockingIOError):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float = 600) -> int:
        """Return the exit status when it has ended."""
        if self.returncode is None:
            self.returncode = self._receive(timeout)
            self._watcher.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to it if it goes on."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it if it goes on."""
        self.send_signal(signal.SIGKILL)


class Command(Forked):
    """``python -m seqbench`` that goes on beside the test.

    Parameters
    ----------
    words, cwd
        Of the command; where it runs.
    memory
        Limit to its address space, in bytes.
    out
        What stands for the screen, a descriptor; None to capture that too.
    more
        See `run_seqbench`.
    """

    def __init__(
        self,
        words: Sequence[object],
        cwd: Path,
        *,
        memory: int | None = None,
        out: int | None = None,
        **more: Any,
    ) -> None:
        asked: dict[str, Any] = {"program": None, "strict": False, "memory": memory, **more}
        asked["words"], asked["cwd"] = list(map(str, words)), str(cwd)
        asked["env"] = {**os.environ, "COLUMNS": "200", **asked.get("env", {})}
        asked["path"] = [str(cwd), *asked.get("path", [])]
        self._said, self._err = TemporaryFile(), TemporaryFile()  # noqa: SIM115
        screen = self._said.fileno() if out is None else out
        super().__init__(_start_forker(), asked, screen, self._err.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self.wait()
        for each in (self._said, self._err):
            each.close()

    def communicate(self, timeout: float = 600) -> tuple[str, str]:
        """Return what it has said, to the screen and as errors, when it has ended."""
        self.wait(timeout)
        return self.read_screen(), _read(self._err)

    def read_screen(self) -> str:
        """Return what it has said to the screen so far."""
        return _read(self._said)


def start_agent(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    pass_fds: Sequence[int],
    stdin: int,
    stdout: IO[bytes],
    stderr: IO[bytes],
) -> "Forked | subprocess.Popen[bytes]":
    """Start an agent of the gate, as `subprocess.Popen` would; forked if it is this Python's."""
    python, program, *words = command
    if python != sys.executable:
        files: dict[str, Any] = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        return subprocess.Popen(command, cwd=cwd, env=env, pass_fds=pass_fds, **files)
    inherited = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    asked = {
        "program": program,
        "words": words,
        "cwd": str(cwd),
        "env": dict(env),
        "path": [str(Path(program).parent), *inherited],
        "strict": False,
        "memory": None,
    }
    return Forked(_start_light_forker(), asked, stdout.fileno(), stderr.fileno(), *pass_fds)


FORKING = SimpleNamespace(**vars(subprocess) | {"Popen": start_agent})
"""What stands for the gate's `subprocess`, so that its agents are forked."""

_light_forker: list[socket.socket] = []
"""What is asked for agents, in a process that was forked for a test."""


def _start_light_forker() -> socket.socket:
    return _light_forker[0] if _light_forker else _start_forker(light=True)


@cache
def _start_forker(light: bool = False) -> socket.socket:
    """Start the process that forks; return what it is asked through."""
    ours, theirs = socket.socketpair()
    places = [theirs.fileno(), *([] if light else [_start_light_forker().fileno()])]
    process = subprocess.Popen(
        [sys.executable, "-c", f"from tests.processes import serve; serve(*{places})"],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"MPLBACKEND": "agg"},
        pass_fds=places,
    )
    theirs.close()

    def close() -> None:
        ours.close()
        process.wait()

    atexit.register(close)
    return ours


def _read(file: IO[bytes]) -> str:
    """Return the whole of a file, whose place in it a process that writes may share."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


def _import_for_commands() -> None:
    """Import other people's packages, and compile seqbench.

    Where Python writes no bytecode, each process would compile it.
    """
    package = Path(__file__).parents[1] / "seqbench"
    compileall.compile_dir(package, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
    import_packages()
    for module in walk_packages([str(package)], "seqbench."):
        if module.name != "seqbench.__main__":
            import_module(module.name)
            import_module("seqbench.harness.source_digest").read_source(module.name)
    CliRunner().invoke(import_module("seqbench.cli").app, ["show", "rnn"])
    vars(os)["fsync"] = lambda descriptor: None  # as in this folder's `conftest`
    import_module("torch").set_num_threads(1)  # tests beside each other leave no core idle


def _import_for_agents() -> None:
    for name in LIGHT_PACKAGES:
        import_module(name)


def serve(place: int, light_place: int | None = None) -> None:
    """Import, then answer until nobody asks any more."""
    if light_place is None:
        _import_for_agents()
    else:
        _light_forker.append(socket.socket(fileno=light_place))
        _import_for_commands()
    gc.freeze()
    replies: dict[int, int] = {}

    def tell_ends(how: int = os.WNOHANG) -> None:
        """Reply with the exit statuses of those that have ended, or of all when they end."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, how))[0]:
                _tell(replies[ended[0]], os.waitstatus_to_exitcode(ended[1]))
                os.close(replies.pop(ended[0]))

    signal.signal(signal.SIGCHLD, lambda *_: tell_ends())
    with socket.socket(fileno=place) as asker:
        while True:
            message, files, _, _ = socket.recv_fds(asker, 1 << 20, 4)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
            if not message:
                return tell_ends(how=0)
            process = os.fork()
            if process == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
                for each in (asker.detach(), files[0], *replies.values()):
                    os.close(each)
                _become(json.loads(message), *files[1:])
            replies[process] = files[0]
            _tell(files[0], process)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
            for each in files[1:]:
                os.close(each)


def _tell(reply: int, number: int) -> None:
    with suppress(BrokenPipeError):
        os.write(reply, b"%16d" % number)


def _become(asked: Mapping[str, Any], out: int, err: int, *others: int) -> NoReturn:
    """Turn this process into the one that was asked for."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for each, descriptor in zip(others, asked["descriptors"], strict=True):
        os.dup2(each, descriptor)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    # a shell that starts jobs in the background has them ignore the signal
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if asked["memory"] is not None:
        resource.setrlimit(resource.RLIMIT_AS, (asked["memory"], asked["memory"]))
    sys.path[:] = [*asked["path"], *filter(None, sys.path)]
    homes = (Path(each, "seqbench", "__init__.py") for each in asked["path"])
    if asked.get("anew") or any(each.is_file() for each in homes):
        for name in [each for each in sys.modules if each.partition(".")[0] == "seqbench"]:
            del sys.modules[name]
    if asked["strict"]:
        sys.warnoptions[:] = ["error"]
        warnings.resetwarnings()
        warnings.simplefilter("error")
    if sys.platform == "linux" and "torch" in sys.modules:
        let_workers_be_forked()
    program = asked["program"]
    sys.argv = [program or "seqbench", *asked["words"]]
    if program:
        _end_as(lambda: runpy.run_path(program, run_name="__main__"))
    _end_as(lambda: runpy.run_module("seqbench", run_name="__main__", alter_sys=True))


def import_packages() -> None:
    """Import other people's packages that seqbench uses."""
    for name in PACKAGES:
        import_module(name)


def let_workers_be_forked() -> None:
    """Let processes that `multiprocessing` starts from here be forked, as children of this one.

    They are forked from one that stays as this one is now: what this one imports or patches later,
    they do not have, as in an interpreter of their own.
    """
    start_anew = multiprocessing.util.spawnv_passfds
    ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1)
    asker, theirs = socket.socketpair()
    command = os.getpid()
    if os.fork() == 0:
        asker.close()
        _fork_workers(command, theirs)
    theirs.close()

    def start(program: bytes, words: Sequence[Any], files: Sequence[int]) -> int:
        told, files = list(map(os.fsdecode, words)), sorted(set(files))
        if any("resource_tracker" in each for each in told):
            return int(start_anew(program, words, files))
        asked = {
            "words": told,
            "files": files,
            "env": dict(os.environ),
            "cwd": str(Path.cwd()),
            "ignores": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        }
        socket.send_fds(asker, [json.dumps(asked).encode()], files)
        return int(asker.recv(16))

    vars(multiprocessing.util)["spawnv_passfds"] = start


def _fork_workers(command: int, asker: socket.socket) -> NoReturn:
    """Fork for a command until it is gone; it adopts each worker, whose parent ends at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(asker, 1 << 20, 100)
        if not message:
            os._exit(0)
        parent = os.fork()
        if parent == 0:
            if os.fork():
                os._exit(0)
            while os.getppid() != command:
                time.sleep(0.001)
            asker.send(str(os.getpid()).encode())
            asker.close()
            _become_python(json.loads(message), files)
        os.waitpid(parent, 0)
        for each in files:
            os.close(each)


def _become_python(asked: Mapping[str, Any], files: Sequence[int]) -> NoReturn:
    """Run ``python … -c code …`` with these files open, under the numbers that it knows."""
    if not asked["ignores"]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    above = max(asked["files"]) + 1
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD, above) for each in files]
    for file, number in zip(moved, asked["files"], strict=True):
        os.dup2(file, number)
    for before, after in pairwise([2, *asked["files"], os.sysconf("SC_OPEN_MAX")]):
        os.closerange(before + 1, after)
    sys.modules["__main__"] = ModuleType("__main__")
    place = asked["words"].index("-c")
    sys.argv = ["-c", *asked["words"][place + 2 :]]
    measure_small_limits()
    _end_as(lambda: exec(asked["words"][place + 1], {}))


def _end_as(work: Callable[[], object]) -> NoReturn:
    """Do what an interpreter does with a program, and end as it ends."""
    code: Any = 1
    try:
        work()
        code = 0
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(code or 0))
