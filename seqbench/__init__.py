"""A reproducible benchmark suite for sequence models.

One harness trains every registered variant on every registered task and records accuracy, epoch
time and throughput as CSV; plots and Markdown reports are made from that CSV alone.

`run` does that, `load` reads what is there; both return a `Result`. Variants register in
`VARIANTS`, tasks in `TASKS`. All names are imported when they are first requested, so that `import
seqbench` takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqbench import explain
    from seqbench.api import load, load_data, load_model, run
    from seqbench.errors import (
        DataUnavailableError,
        RunsFailedWarning,
        SeqbenchError,
        SettingError,
        UnsupportedError,
        UsageError,
    )
    from seqbench.models.model import VARIANTS, Encoder, EncoderSizes
    from seqbench.models.readout import READOUTS, Encoding
    from seqbench.models.stacked import StackedEncoder
    from seqbench.result import Result
    from seqbench.spec import RunSpec
    from seqbench.tasks.task import TASKS, Classification, Regression, Split, Task, TaskData

__version__ = "0.2.0"

_HOMES = {
    "seqbench.api": ("load", "load_data", "load_model", "run"),
    "seqbench.errors": (
        *("DataUnavailableError", "RunsFailedWarning", "SeqbenchError", "SettingError"),
        *("UnsupportedError", "UsageError"),
    ),
    "seqbench.models.model": ("VARIANTS", "Encoder", "EncoderSizes"),
    "seqbench.models.readout": ("READOUTS", "Encoding"),
    "seqbench.models.stacked": ("StackedEncoder",),
    "seqbench.result": ("Result",),
    "seqbench.spec": ("RunSpec",),
    "seqbench.tasks.task": (
        *("TASKS", "Classification", "Regression", "Split", "Task", "TaskData"),
    ),
}
_NAMES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "READOUTS",
    "TASKS",
    "VARIANTS",
    "Classification",
    "DataUnavailableError",
    "Encoder",
    "EncoderSizes",
    "Encoding",
    "Regression",
    "Result",
    "RunSpec",
    "RunsFailedWarning",
    "SeqbenchError",
    "SettingError",
    "Split",
    "StackedEncoder",
    "Task",
    "TaskData",
    "UnsupportedError",
    "UsageError",
    "__version__",
    "explain",
    "load",
    "load_data",
    "load_model",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import a public name (PEP 562)."""
    if name == "explain":
        return import_module("seqbench.explain")
    if name not in _NAMES:
        raise AttributeError(f"module 'seqbench' has no attribute {name!r}")
    value = getattr(import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def find_home(name: str) -> str:
    """Return the module that a public name, such as ``seqbench.Task``, is in; else ``name``."""
    return _NAMES.get(name.removeprefix("seqbench."), name)


def __dir__() -> list[str]:
    return __all__
