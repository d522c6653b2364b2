"""One side of a gate: a process that has one version of the code and executes its requests.

It is run as a script by the Python of that version's environment, so it imports only the standard
library, three files next to it and the benchmark file, and takes the folders of that version as its
first places to import from.
"""

import gc
import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter  # before any of the version's code can put another in its place
from types import ModuleType
from typing import Any

_MEMORY_CALLS = 2  # what a first call allocates and keeps counts in the peak of the second
_WARM_UP_CALLS = 3
_WARM_UP_S = 0.05


def import_file(name: str, file: Path, folder: Path | None = None) -> ModuleType:
    """Import a file under a name, as a package if a folder with its modules is given."""
    places = None if folder is None else [str(folder)]
    found = importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


# what lies next to this file, though the environment may have no seqbench
peaks: Any = import_file("seqbench_gate_peaks", Path(__file__).with_name("peaks.py"))
origins: Any = import_file("seqbench_gate_origins", Path(__file__).with_name("origins.py"))
reading: Any = import_file("seqbench_gate_reading", Path(__file__).with_name("reading.py"))


class Agent:
    """The benchmarks of one version, ready to be timed.

    Parameters
    ----------
    root
        Folder of the version.
    folders
        Its folders with packages.
    file
        Its benchmark file.
    watched
        Arguments of a `reading.Reading`: files that are watched, relative to ``root``.
    """

    def __init__(
        self, root: Path, folders: Sequence[Path], file: Path, watched: Sequence[Sequence[str]] = ()
    ) -> None:
        self.root, self.folders = root, folders
        self._reading = reading.Reading(root, *watched) if watched else None
        self._checked: set[tuple[str, str]] = set()
        module = import_file("gate_benchmarks", file)
        self.check_origin()
        self.benchmarks = {each.name: each for each in module.BENCHMARKS}
        if len(self.benchmarks) < len(module.BENCHMARKS):
            raise ValueError(f"two of BENCHMARKS in {file} have the same name")
        for name in self.benchmarks:
            if not (isinstance(name, str) and name.strip() and name.isprintable()):
                raise ValueError(f"a benchmark's name must be one printable line, not {name!r}")
        self.works: dict[str, Callable[[], object]] = {}

    def check_origin(self) -> None:
        """Raise if code was imported that is neither this version's nor installed."""
        if self._reading is None:  # to look means to read
            origins.check_origin(self.root, self.folders, self._checked)

    def describe(self) -> list[dict[str, Any]]:
        """Return what is declared of each benchmark, as text and numbers."""
        return [
            {
                "name": each.name,
                "settings": json.loads(json.dumps(dict(each.settings), default=repr)),
                "work": _locate(each.make_work),
                "train": None if each.train is None else _locate(each.train),
                "margin": float(each.margin),
                "memory_margin": _number(getattr(each, "memory_margin", None)),  # older: none
                "score_margin": float(each.score_margin),
                "metric": str(each.metric),
                "higher_is_better": bool(each.higher_is_better),
                "error_rate": _number(each.error_rate),
            }
            for each in self.benchmarks.values()
        ]

    def rehearse(self, name: str) -> None:
        """Do once all that is done of a benchmark."""
        self.prepare(name)
        if self.benchmarks[name].train is not None:
            self.train(name, 0)

    def tell_reading(self) -> tuple[list[str], list[str]]:
        """Return which of the watched files were read, and the version's files that were run."""
        assert self._reading is not None
        found, self._reading = sorted(self._reading.found), None
        self.check_origin()
        return found, sorted(origins.list_own(self.root))

    def prepare(self, name: str) -> float:
        """Make a benchmark's work and warm it up; return the seconds that a call then takes."""
        benchmark = self.benchmarks[name]
        self.works[name] = benchmark.make_work(**benchmark.settings)
        times: list[float] = []
        while len(times) < _WARM_UP_CALLS or sum(times) < _WARM_UP_S:
            times.append(self.time(name, 1))
        return min(times)

    def time(self, name: str, calls: int) -> float:
        """Return the seconds that some calls of a benchmark's work take together."""
        work = self.works[name]
        start = perf_counter()
        for _ in range(calls):
            work()
        return perf_counter() - start

    def measure_memory(self, name: str) -> tuple[str, int] | None:
        """Return how much memory a benchmark's work needs at its peak, made and called.

        Returns
        -------
        tuple
            As of `peaks.measure_peak`.
        """
        benchmark = self.benchmarks[name]

        def do() -> None:
            work = benchmark.make_work(**benchmark.settings)
            for _ in range(_MEMORY_CALLS):
                work()

        reading: tuple[str, int] | None = peaks.measure_peak(do)
        self.check_origin()
        return reading

    def settle(self, core: int | None) -> None:
        """Look where the code came from that was prepared; collect garbage; go to a core."""
        self.check_origin()
        gc.collect()
        gc.disable()
        if core is None:
            return
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # one that has just ended
                os.sched_setaffinity(int(thread.name), {core})

    def train(self, name: str, seed: int) -> tuple[float, tuple[float, ...]]:
        """Train a benchmark with a seed; return its score and its trace."""
        benchmark = self.benchmarks[name]
        trained = benchmark.train(seed=seed, **benchmark.settings)
        self.check_origin()
        figures = [_figure(each) for each in (trained.score, *trained.trace)]
        return figures[0], tuple(figures[1:])


def _figure(value: Any) -> float:
    """Return a number as Python's float; a text, a Boolean or what is masked is none."""
    kind = type(value).__name__
    if isinstance(value, str | bytes) or kind in ("bool", "bool_", "MaskedConstant"):
        raise TypeError(f"scores and losses must be numbers, not {value!r}")
    return float(value)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _locate(function: Callable[..., Any]) -> tuple[str, str]:
    """Return the file and the name of a function, or of the class of what can be called."""
    named: Any = function if hasattr(function, "__qualname__") else type(function)
    return getattr(sys.modules[named.__module__], "__file__", None) or "", named.__qualname__


def lend_seqbench() -> None:
    """Let the gate's own seqbench be imported, and nothing next to it, if there is no other."""
    if importlib.util.find_spec(origins.LENT) is None:
        package = Path(__file__).parents[1]
        import_file(origins.LENT, package / "__init__.py", package)


def main() -> None:
    """Answer the gate until it hangs up."""
    root, file, descriptor, *folders = sys.argv[1:]
    elsewhere = [each for each in sys.path if each != str(Path(__file__).parent)]
    sys.path[:] = [*folders, *elsewhere]
    # of the processes that the version's code starts
    inherited = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([*folders, *filter(None, [inherited])])
    lend_seqbench()
    connection = Connection(int(descriptor))
    agent: Agent | None = None
    while True:
        try:
            question, *arguments = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        try:
            if question == "load":
                agent = Agent(Path(root), list(map(Path, folders)), Path(file), arguments)
                answer = None
            else:
                answer = getattr(agent, question)(*arguments)
        except origins.ForeignCodeError as error:
            connection.send(("foreign", str(error)))
        except Exception:
            connection.send(("failed", traceback.format_exc()))
        else:
            connection.send(("done", answer))


if __name__ == "__main__":
    main()
