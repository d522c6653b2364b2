"""Plugins with typical errors: tasks and variants with a fault each, files that misbehave."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.hostile.options import run_words
from benchmarks.hostile.trial import Trial

TASK = '''
import sys
from pathlib import Path

import numpy as np
import torch

from seqbench.errors import UnsupportedError
from seqbench.tasks.task import TASKS, Classification, Regression, Split, TaskData


def sequences(examples=60, time=8):
    x = torch.rand(examples, time, 1, generator=torch.Generator().manual_seed(0))
    y = (x[:, time // 2 :].sum((1, 2)) > x[:, : time // 2].sum((1, 2))).long()
    return x, y


@TASKS.register("own")
class Own(Classification):
    """Which half is greater?"""

    features, time, outputs = 1, 8, 2

    def load(self, data_dir: Path) -> TaskData:
        x, y = sequences()
        {change}
        return TaskData(Split(x[:40], y[:40]), Split(x[40:], y[40:]))
{more}
'''

VARIANT = '''
import torch
from torch import nn

from seqbench.errors import UnsupportedError
from seqbench.models.model import VARIANTS, Encoder, EncoderSizes
from seqbench.models.readout import Encoding


@VARIANTS.variant("own")
class Own(Encoder):
    """One recurrent layer."""

    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.width = sizes.hidden
        self.rnn = nn.GRU(sizes.features, sizes.hidden, batch_first=True)
        {init}

    def forward(self, inputs):
        steps, final = self.rnn(inputs)
        {change}
        return Encoding(steps, final)
'''

EXAMPLES = {
    "as it should be": ("pass", "accepted"),
    "float64 inputs": ("x = x.double()", "told"),
    "float16 inputs": ("x = x.half()", "told"),
    "NaN in one input": ("x[3, 2, 0] = float('nan')", "row"),
    "infinity in one input": ("x[3, 2, 0] = float('inf')", "row"),
    "NaN in the test split alone": ("x[-1, 0, 0] = float('nan')", "row"),
    "complex inputs": ("x = x.to(torch.complex64)", "row"),
    "inputs of two axes": ("x = x[:, :, 0]", "row"),
    "another number of features": ("x = x.repeat(1, 1, 2)", "row"),
    "another number of steps": ("x = x[:, :5]", "row"),
    "no examples": ("x, y = x[:0], y[:0]", "row"),
    "no test examples": ("x, y = x[:40], y[:40]", "row"),
    "labels from 1": ("y = y + 1", "row"),
    "negative labels": ("y = y - 1", "row"),
    "labels as numbers with a point": ("y = y.float()", "row"),
    "labels as a column": ("y = y[:, None]", "row"),
    "labels as one-hot": ("y = torch.nn.functional.one_hot(y, 2)", "row"),
    "labels as booleans": ("y = y.bool()", "told"),
    "labels as bytes": ("y = y.to(torch.uint8)", "told"),
    "labels that are all to be ignored": ("y = torch.full_like(y, -100)", "row"),
    "targets of another length": ("y = y[:-5]", "row"),
    "NumPy arrays": ("x, y = x.numpy(), y.numpy()", "row"),
    "lists": ("x, y = x.tolist(), y.tolist()", "row"),
    "None": ("return None", "row"),
    "a tuple": ("return x, y", "row"),
    "an exception without words": ("raise ValueError", "row"),
    "an exception of many lines": ("raise ValueError('one\\ntwo\\nthree')", "row"),
    "an exception with ESC": ("raise ValueError('\\x1b[31mred')", "row"),
    "an exception of a million letters": ("raise ValueError('x' * 10**6)", "row"),
    "a lone surrogate in an exception": ("raise ValueError('\\udcff')", "row"),
    "sys.exit": ("sys.exit(0)", "row"),
    "a process that ends": ("import os; os._exit(0)", "row"),
    "a process that is killed": ("import os; os.kill(os.getpid(), 9)", "row"),
    "memory without end": ("torch.zeros(10**13)", "row"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "told"),
    "a sparse tensor": ("x = x.to_sparse()", "row"),
    "a tensor with a gradient": ("x = x.requires_grad_()", "told"),
    "a view that is not contiguous": (
        "x = x.transpose(0, 1).contiguous().transpose(0, 1)",
        "accepted",
    ),
    "printing control characters": ("print('fine')", "accepted"),
}
"""What happens to the examples, and its expected outcome."""

_SCORE = "\n    def score(self, outputs, targets):\n        {}\n"
_LOSS = "\n    def loss(self, outputs, targets):\n        {}\n"
_TRIVIAL = "\n    def answer_trivially(self, data):\n        {}\n"
MEMBERS = {
    **{
        f"a score that is {value}": (_SCORE.format(f"return {value}"), "row")
        for value in (
            *("None", "'0.5'", "float('nan')", "float('inf')", "-0.5", "1.5", "10**30", "[0.5]"),
            *("torch.tensor([0.5, 0.5])", "np.array([0.5])", "1j", "object()", "{}", "(0.5,)"),
        )
    },
    **{
        f"a score that is {value}": (_SCORE.format(f"return {value}"), "accepted")
        for value in ("np.float32(0.5)", "np.float64(0.5)", "torch.tensor(0.5)", "1", "np.int64(1)")
    },
    "a score that raises": (_SCORE.format("raise RuntimeError('no')"), "row"),
    "a score that exits": (_SCORE.format("sys.exit(0)"), "row"),
    "a score that writes into the outputs": (
        _SCORE.format("targets.zero_(); return 0.5"),
        "row",
    ),
    **{
        f"a loss that is {value}": (_LOSS.format(f"return {value}"), "row")
        for value in ("None", "0.5", "outputs.sum(-1)", "outputs.detach().sum()", "'x'", "{}")
    },
    "a loss that is NaN": (_LOSS.format("return outputs.sum() * float('nan')"), "row"),
    **{
        f"a baseline that is {value}": (_TRIVIAL.format(f"return {value}"), "row")
        for value in ("None", "0.5", "torch.zeros(3)", "np.zeros((20, 2))", "data")
    },
    **{
        f"{name} = {value}": (f"\n    {name} = {value}\n", "row")
        for name, value in (
            *(("higher_is_better", "'yes'"), ("higher_is_better", "None")),
            *(("higher_is_better", "1"), ("higher_is_better", "False")),
            *(("metric", "'a b'"), ("metric", "''"), ("metric", "None"), ("metric", "'=1+1'")),
            *(("metric", "'Ä'"), ("metric", "7"), ("outputs", "0"), ("outputs", "-1")),
            *(("outputs", "2.5"), ("outputs", "None"), ("features", "0"), ("features", "'1'")),
            *(("time", "0"), ("time", "None"), ("readouts", "()"), ("readouts", "('nosuch',)")),
            *(("readouts", "None"), ("looks_ahead", "'no'"), ("default_length", "'8'")),
        )
    },
    "a metric of an unknown name": ("\n    metric = 'my_share'\n", "accepted"),
    "no load": ("\n    load = None\n", "row"),
    "an own __init__ without arguments": (
        "\n    def __init__(self):\n        pass\n",
        "row",
    ),
}
"""What a task declares besides, and its expected outcome."""

ENCODERS = {
    "as it should be": ("pass", "pass", "accepted"),
    "no steps": ("pass", "steps = None", "row"),
    "steps of two axes": ("pass", "steps = steps[:, -1]", "row"),
    "steps without time": ("pass", "steps = steps[:, :1]", "row"),
    "another width": ("pass", "steps = steps[..., :2]", "row"),
    "a list": ("pass", "return [steps, final]", "row"),
    "None": ("pass", "return None", "row"),
    "NaN": ("pass", "steps = steps * float('nan')", "row"),
    "no gradient": ("pass", "steps, final = steps.detach(), final.detach()", "told"),
    "an exception without words": ("pass", "raise RuntimeError", "row"),
    "unsupported without words": ("raise UnsupportedError('')", "pass", "row"),
    "unsupported in two lines": ("raise UnsupportedError('one\\ntwo')", "pass", "row"),
    "unsupported without arguments": ("raise UnsupportedError", "pass", "row"),
    "unsupported with a number": ("raise UnsupportedError(7)", "pass", "row"),
    "sys.exit": ("pass", "raise SystemExit(0)", "row"),
    "a process that ends": ("pass", "import os; os._exit(0)", "row"),
    "a process that is killed": ("pass", "import os; os.kill(os.getpid(), 11)", "row"),
    "memory without end": ("pass", "torch.zeros(10**13)", "row"),
    "no width": ("del self.width", "pass", "row"),
    "a width that is a text": ("self.width = '4'", "pass", "row"),
    "no parameters": ("self.rnn.requires_grad_(False)", "pass", "told"),
    "draws of its own": ("pass", "steps = steps + torch.rand(())", "told"),
    "inputs written into": ("pass", "inputs.zero_()", "row"),
    "integers": ("pass", "steps = steps.long()", "row"),
    "another type": ("pass", "steps, final = steps.double(), final.double()", "told"),
    "a very long error": ("pass", "raise RuntimeError('y' * 10**6)", "row"),
    "output on the screen": ("pass", "print('words')", "told"),
}
"""What a variant does when it is built and when it is called, and its expected outcome."""

FILES = {
    "no Python": "this is no Python",
    "a NUL byte": "x = '\0'",
    "sys.exit(0)": "import sys\nsys.exit(0)",
    "sys.exit(3)": "import sys\nsys.exit(3)",
    "an exception": "1 / 0",
    "an exception without words": "raise ValueError",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "an exception with ESC": "raise ValueError('\\x1b[31mred\\x1b[0m')",
    "a module that is not there": "import nosuch",
    "a name that is taken": (
        "from seqbench.tasks.task import TASKS\nTASKS.register('row-digits')(object)"
    ),
    "a bad name": "from seqbench.tasks.task import TASKS\nTASKS.register('No Name')(object)",
    "a variant that is no function": (
        "from seqbench.models.model import VARIANTS\nVARIANTS.variant('own')(7)"
    ),
    "a task that is no class": "from seqbench.tasks.task import TASKS\nTASKS.register('own')(7)",
    "recursion": "def f(): f()\nf()",
    "bytes of Latin-1": "# caf\udce9\nx = 1\nraise ValueError('late')",
}
"""Whole files that cannot be used."""


def list_trials() -> Iterator[Trial]:
    """Yield the trials of this family."""
    own_task = {"task": "own", "plugin": "own.py", "train-examples": "32"}
    for what, (change, expected) in EXAMPLES.items():
        content = TASK.format(change=change, more="")
        yield _trial(f"task: {what}", own_task, content, expected)
    for what, (more, expected) in MEMBERS.items():
        content = TASK.format(change="pass", more=more)
        yield _trial(f"task: {what}", own_task, content, expected)
    for what, (init, change, expected) in ENCODERS.items():
        own_variant = {"variant": "own", "plugin": "own.py"}
        content = VARIANT.format(init=init, change=change)
        yield _trial(f"variant: {what}", own_variant, content, expected)
    for what, content in FILES.items():
        yield _trial(f"file: {what}", {"plugin": "own.py"}, content, "refused")
        words = ("list", "--plugin", "own.py")
        prepare = partial(_put, content)
        yield Trial("plugins", f"file: {what}: list", words, "refused", prepare)


def _trial(what: str, changes: dict[str, str], content: str, expected: str) -> Trial:
    return Trial("plugins", what, run_words(changes), expected, partial(_put, content))


def _put(content: str, folder: Path) -> None:
    (folder / "own.py").write_text(content, encoding="utf-8", errors="surrogateescape")
