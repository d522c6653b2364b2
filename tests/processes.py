"""Commands in processes of their own, forked from one that has imported what takes seconds.

It has other people's packages only: each command, and each process that a command starts with
`multiprocessing`, imports seqbench anew. Where the start of an interpreter is the thing tested, or
a signal, or memory, a test starts one.
"""

import atexit
import gc
import json
import multiprocessing.util
import os
import runpy
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from types import ModuleType
from typing import IO, Any, NoReturn

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


SMALL_LIMITS = {"MATRIX_SIZES": {"cpu": (16, 32)}, "COPIED_BYTES": {"cpu": 1 << 12}}
"""Of `timing.peak`: every run measures the machine's limits, here on little matrices."""


def run_seqbench(
    *words: object,
    cwd: Path,
    program: Path | None = None,
    strict: bool = False,
    path: Path | None = None,
    env: Mapping[str, str] | None = None,
    out: int | None = None,
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
    """
    asked: dict[str, Any] = {
        "program": str(program) if program else None,
        "words": list(map(str, words)),
        "cwd": str(cwd),
        "env": {**os.environ, "COLUMNS": "200", **(env or {})},
        "path": [str(cwd), *([str(path)] if path else [])],
        "strict": strict,
    }
    with TemporaryFile() as said, TemporaryFile() as err:
        connection, screen = _start_forker(), said.fileno() if out is None else out
        socket.send_fds(connection, [_pack(asked)], [screen, err.fileno()])
        code = int(connection.recv(16))
        return subprocess.CompletedProcess(asked["words"], code, _read(said), _read(err))


@cache
def _start_forker() -> socket.socket:
    """Start the process that forks; return what it is asked through."""
    ours, theirs = socket.socketpair()
    ours.settimeout(600)  # on a machine with much else to do
    code = f"from tests.processes import serve; serve({theirs.fileno()})"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"MPLBACKEND": "agg"},
        pass_fds=[theirs.fileno()],
    )
    theirs.close()

    def close() -> None:
        ours.close()
        process.wait()

    atexit.register(close)
    return ours


def _pack(asked: Mapping[str, Any]) -> bytes:
    return json.dumps(asked).encode()


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def serve(place: int) -> None:
    """Import, then answer until nobody asks any more."""
    for name in PACKAGES:
        import_module(name)
    gc.freeze()
    with socket.socket(fileno=place) as asker:
        while True:
            message, files, _, _ = socket.recv_fds(asker, 1 << 20, 2)
            if not message:
                return
            process = os.fork()
            if process == 0:
                asker.close()
                _become(json.loads(message), *files)
            for each in files:
                os.close(each)
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            asker.send(str(code).encode())


def _become(asked: Mapping[str, Any], out: int, err: int) -> NoReturn:
    """Turn this process into the one that was asked for."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.path[:] = [*asked["path"], *filter(None, sys.path)]
    if asked["strict"]:
        sys.warnoptions[:] = ["error"]
        warnings.resetwarnings()
        warnings.simplefilter("error")
    imported = frozenset(sys.modules)
    start_anew = multiprocessing.util.spawnv_passfds

    def start(program: bytes, words: Sequence[Any], files: Sequence[int]) -> int:
        if any("resource_tracker" in os.fsdecode(each) for each in words):
            return int(start_anew(program, words, files))
        process = os.fork()
        if process == 0:
            _become_python(words, imported, files)
        return process

    vars(multiprocessing.util)["spawnv_passfds"] = start
    program = asked["program"]
    sys.argv = [program or "seqbench", *asked["words"]]
    if program:
        _end_as(lambda: runpy.run_path(program, run_name="__main__"))
    _end_as(lambda: runpy.run_module("seqbench", run_name="__main__", alter_sys=True))


def _become_python(
    words: Sequence[Any], imported: frozenset[str], files: Sequence[int]
) -> NoReturn:
    """Run ``python … -c code …`` as if nothing but ``imported`` was, with these files open."""
    for name in sys.modules.keys() - imported:
        del sys.modules[name]
    sys.modules["__main__"] = ModuleType("__main__")
    bounds = [2, *sorted(set(files)), os.sysconf("SC_OPEN_MAX")]
    for before, after in pairwise(bounds):
        os.closerange(before + 1, after)
    told = list(map(os.fsdecode, words))
    place = told.index("-c")
    sys.argv = ["-c", *told[place + 2 :]]
    vars(import_module("seqbench.timing.peak")).update(SMALL_LIMITS)
    _end_as(lambda: exec(told[place + 1], {}))


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
