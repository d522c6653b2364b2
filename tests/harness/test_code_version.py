"""Code versions: they change with what a run computes, and with no word that describes it."""

import ast
import importlib
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import seqbench
from seqbench.gate.sources import digest_benchmark
from seqbench.harness import code_version, source_digest
from seqbench.harness.code_version import digest_run, version_code
from seqbench.harness.imported_names import list_imports
from seqbench.harness.plugins import load_plugins
from seqbench.harness.source_digest import (
    Source,
    collect_sources,
    digest_sources,
    dump_source,
    is_own,
    list_describing,
    list_packages,
    read_source,
)
from seqbench.models.model import VARIANTS
from seqbench.results.environments import same_code
from seqbench.spec import RunSpec
from seqbench.tasks.task import TASKS
from tests.processes import run_seqbench

PACKAGE = Path(seqbench.__file__).parent
SOURCE = '''"""A module."""

from dataclasses import dataclass

from seqbench.columns import Check, column, matching
from seqbench.harness.suites import Suite

LIMIT = 3
"""How many."""


class OddError(ValueError):
    """Odd."""

    def __init__(self, number: int) -> None:
        super().__init__(f"{number} is odd")


@dataclass
class Record:
    """A record."""

    size: int = column("units in a layer", check=Check("at least 1", bool), default=3)
    name: str = column("its name", check=matching("[a-z]+", "a word"))


SUITE = Suite("which is best", {"seed": (0,)})


def twice(x: int) -> int:  # or more
    """Return twice x."""
    "a remark"
    if x % 2:
        raise ValueError(f"{x} is odd")
    return 2 * x


class Kept(SquaredError):
    metric = metrics.SquaredError.metric("sum")

    def score(self):
        return self.column("a")
'''


def dump(text: str) -> str:
    tree = ast.parse(text)
    return dump_source(tree, list_describing(tree))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""A module."""', '"""Some module."""'),
        ('"""A module."""', ""),
        ("# or more", "# or less"),
        ('"""How many."""', '"""How many there are."""'),
        ('"""Return twice x."""', '"""Return it twice."""'),
        ('"a remark"', '"another"'),
        ("units in a layer", "units, for each direction"),
        ("at least 1", "one or more"),
        ("a word", "one word"),
        ("its name", "the name"),
        ("which is best", "which one is best"),
        ('f"{x} is odd"', 'f"not even: {x!r}"'),
        ('f"{number} is odd"', '"odd"'),
        ("return 2 * x", "return (\n        2 * x\n    )"),
    ],
)
def test_words_that_describe_are_no_part_of_a_source(before: str, after: str) -> None:
    assert before in SOURCE
    assert dump(SOURCE.replace(before, after)) == dump(SOURCE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("2 * x", "2.0 * x"),
        ("x % 2", "x % 3"),
        ("raise ValueError", "raise TypeError"),
        ("default=3", "default=4"),
        ('"[a-z]+"', '"[a-z]*"'),
        ('{"seed": (0,)}', '{"seed": (1,)}'),
        ("size: int", "size: float"),
        ("@dataclass\n", "@dataclass()\n"),
        ('metric("sum")', 'metric("mean")'),
        ('self.column("a")', 'self.column("b")'),
    ],
)
def test_what_computes_is_part_of_a_source(before: str, after: str) -> None:
    assert before in SOURCE
    assert dump(SOURCE.replace(before, after)) != dump(SOURCE)


def test_the_gate_leaves_out_what_rows_leave_out(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        file = tmp_path / "gate.py"
        file.write_text(text)
        return digest_benchmark(tmp_path, file, "<lambda>", {})

    assert digest(SOURCE.replace("units in a layer", "units")) == digest(SOURCE)
    assert digest(SOURCE.replace('"""How many."""\n', "")) == digest(SOURCE)
    assert digest(SOURCE.replace("2 * x", "3 * x")) != digest(SOURCE)


PRINT = """
import seqbench.models
import seqbench.tasks
from seqbench.harness.code_version import version_code
from seqbench.spec import RunSpec
spec = RunSpec(task="row-digits", variant="lstm", seed=0, device="cpu", threads=1)
print(seqbench.__file__, version_code(spec, measured=True))
"""


def test_where_in_seqbench_something_is_defined_is_no_part_of_a_code_version(
    tmp_path: Path,
) -> None:
    package = tmp_path / "seqbench"
    shutil.copytree(
        Path(seqbench.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )

    program = tmp_path / "program.py"
    program.write_text(PRINT)

    def version() -> str:
        done = run_seqbench(cwd=tmp_path, program=program)
        place, told = done.stdout.split()
        assert Path(place).is_relative_to(tmp_path)
        return told

    before = version()
    (package / "models" / "reading").mkdir()
    (package / "models" / "readout.py").rename(package / "models" / "reading" / "out.py")
    for file in package.rglob("*.py"):
        text = file.read_text()
        file.write_text(text.replace("seqbench.models.readout", "seqbench.models.reading.out"))
    assert version() == before
    (package / "models" / "reading" / "more.py").write_text("FORGOTTEN = 1.0\n")
    moved = package / "models" / "reading" / "out.py"
    moved.write_text(f"from seqbench.models.reading.more import FORGOTTEN\n{moved.read_text()}")
    assert version() != before


def test_a_name_that_runs_import_within_seqbench_means_one_thing() -> None:
    """So imports tell as much without their modules as with them."""
    members = {registry.origin(name) for registry in (TASKS, VARIANTS) for name in registry}
    reached = collect_sources(["seqbench.harness.run", "seqbench.timing.speed", *members])
    homes: dict[str, set[str | None]] = {}
    for file in PACKAGE.rglob("*.py"):
        if ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) in reached:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("seqbench"):
                    for each in node.names:
                        homes.setdefault(each.name, set()).add(node.module)
    assert len(homes) > 100
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


@cache
def read_known(name: str, content: bytes) -> Source | None:
    return read_source.__wrapped__(name)


def read_anew(name: str) -> Source | None:
    """Read a source as if for the first time; one of seqbench's own once for what is in it."""
    found = source_digest._find_module(name) if name.startswith("seqbench.") else None
    if found and found.origin and found.origin.endswith(".py"):
        return read_known(name, Path(found.origin).read_bytes())
    return read_source.__wrapped__(name)


@pytest.fixture(autouse=True)
def _sources_are_read_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(source_digest, "read_source", read_anew)
    forget()
    yield
    forget()


def forget() -> None:
    for each in (digest_run, is_own):
        each.cache_clear()


PLUGIN = '''
import helper
from kit.sizes import SIZE
from seqbench.models.model import VARIANTS
from seqbench.models.native import NativeEncoder
from torch import nn


@VARIANTS.variant("versioned")
def versioned(sizes):
    """A variant."""
    return helper.build(nn.RNN, sizes, SIZE)


VARIANTS.variant("made-by-a-helper")(helper.make(3))
'''
FILES = {
    "versioned_plugin.py": PLUGIN,
    "helper.py": "import deeper\n\n\ndef make(number):\n    return lambda sizes: number\n",
    "deeper.py": '"""Deeper."""\nSTEPS = 3\n',
    "kit/__init__.py": "",
    "kit/sizes.py": "from .units import SIZE\n",
    "kit/units.py": "SIZE = 4\n",
    "unused.py": "",
    "site-packages/distant/__init__.py": "VALUE = 1\n",
    "site-packages/distant_kit-1.0.dist-info/METADATA": "Name: distant-kit\nVersion: 1.0\n",
    "site-packages/distant_kit-1.0.dist-info/top_level.txt": "distant\n",
}


class Plugin:
    """A plugin with helpers beside it, which can be edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, content in FILES.items():
            self.write(name, content)

    def write(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def version(self, spec: RunSpec, *, measured: bool = False) -> str:
        forget()
        source_digest._list_distributions.cache_clear()
        return version_code(spec, measured=measured)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugin]:
    made = Plugin(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(VARIANTS, "_members", dict(VARIANTS._members))
    monkeypatch.setattr(VARIANTS, "_origins", dict(VARIANTS._origins))
    before = set(sys.modules)
    load_plugins([tmp_path / "versioned_plugin.py"])
    yield made
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {
            "helper",
            "deeper",
            "kit",
            "seqbench_plugin_versioned_plugin",
        }:
            del sys.modules[name]


@pytest.mark.parametrize("variant", ["versioned", "made-by-a-helper"])
@pytest.mark.parametrize(
    ("file", "content", "counts"),
    [
        ("versioned_plugin.py", PLUGIN.replace("helper.make(3)", "helper.make(4)"), True),
        ("versioned_plugin.py", PLUGIN.replace("A variant.", "Some variant."), False),
        ("helper.py", FILES["helper.py"].replace(": number", ": 2 * number"), True),
        ("deeper.py", '"""Deeper."""\nSTEPS = 4\n', True),
        ("deeper.py", '"""Deeper still."""\nSTEPS = 3\n', False),
        ("kit/units.py", "SIZE = 5\n", True),
        ("unused.py", "X = 1\n", False),
    ],
)
def test_a_plugin_counts_with_all_of_ones_own_that_it_imports(
    plugin: Plugin,
    make_spec: Callable[..., RunSpec],
    variant: str,
    file: str,
    content: str,
    counts: bool,
) -> None:
    spec = make_spec(variant=variant)
    before, other = plugin.version(spec), plugin.version(make_spec())
    plugin.write(file, content)
    assert (plugin.version(spec) != before) is counts
    assert plugin.version(make_spec()) == other, "others do not go through it"


DYNAMIC = {
    "by its name": 'import importlib\n\nlate = importlib.import_module("late")\n',
    "by a name of its own": "from importlib import import_module as load\n\nload('la' + 'te')\n",
    "by a name that is made up": (
        "import importlib\n\n[importlib.import_module(n) for n in ('late',)]"
    ),
    "by a dunder": "late = __import__('late')\n",
    "within a function": "import importlib\n\n\ndef go():\n    importlib.import_module('late')\n",
    "from a file": (
        "from pathlib import Path\n\nexec((Path(__file__).parent / 'late.py').read_text())\n"
    ),
    "as a module": "import runpy\n\nrunpy.run_path(__file__.replace('helper.py', 'late.py'))\n",
}


@pytest.mark.parametrize("way", DYNAMIC)
def test_a_helper_counts_however_it_is_imported(
    plugin: Plugin, make_spec: Callable[..., RunSpec], way: str
) -> None:
    plugin.write("late.py", "import later\n\nRATE = 1\n")
    plugin.write("later.py", "STEPS = 1\n")
    plugin.write("helper.py", FILES["helper.py"] + DYNAMIC[way])
    importlib.invalidate_caches()
    importlib.reload(sys.modules["helper"])
    try:
        spec = make_spec(variant="versioned")
        before = plugin.version(spec)
        plugin.write("unused.py", "X = 2\n")
        plugin.write("late.py", "# a remark\nimport later\n\nRATE = 1\n")
        assert plugin.version(spec) == before
        plugin.write("late.py", "import later\n\nRATE = 2\n")
        assert plugin.version(spec) != before
        before = plugin.version(spec)
        plugin.write("later.py", "STEPS = 2\n")
        assert plugin.version(spec) != before
    finally:
        for name in ("late", "later"):
            sys.modules.pop(name, None)


def test_of_an_installed_package_the_version_counts(
    plugin: Plugin, make_spec: Callable[..., RunSpec]
) -> None:
    spec = make_spec(variant="versioned")
    plugin.write("deeper.py", "import distant\n")
    before = plugin.version(spec)
    assert "distant" in list_packages(collect_sources(["deeper"]))
    plugin.write("site-packages/distant/__init__.py", "VALUE = 2\n")
    assert plugin.version(spec) == before, "its files are its distribution's"
    metadata = "site-packages/distant_kit-1.0.dist-info/METADATA"
    plugin.write(metadata, FILES[metadata].replace("1.0", "2.0"))
    importlib.invalidate_caches()
    assert plugin.version(spec) != before


def test_variants_tasks_and_readouts_have_versions_of_their_own(
    make_spec: Callable[..., RunSpec],
) -> None:
    assert version_code(make_spec(seed=1)) == version_code(make_spec(seed=2, epochs=9))
    versions = {version_code(make_spec(variant=each)) for each in ("rnn", "gru", "lru")}
    assert len(versions) == 3
    assert version_code(make_spec(task="adding", length=9)) != version_code(make_spec())


def with_source(monkeypatch: pytest.MonkeyPatch, module: str, before: str, after: str) -> None:
    """Let a module of seqbench's be read as if it had been edited."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    file, read = Path(found.origin), Path.read_bytes
    text = file.read_text()
    assert before in text

    def read_edited(path: Path) -> bytes:
        return text.replace(before, after).encode() if path == file else read(path)

    forget()
    monkeypatch.setattr(Path, "read_bytes", read_edited)


@pytest.mark.parametrize(
    ("module", "before", "after", "trained", "timed"),
    [
        ("models.gru", '"native": partial(NativeEncoder, nn.GRU)', '"native": None', True, True),
        ("models.gru", "GRU, with the reset gate", "A GRU whose reset gate", False, False),
        ("spec", "hidden size per direction", "hidden size, each direction", False, False),
        ("tasks.row_digits", "BRIGHTEST = 16", "BRIGHTEST = 17", True, True),
        ("training.loop", "import", "import os\nimport", True, True),
        ("training.observation", "import", "import os\nimport", True, True),
        ("timing.contention", "CONTENDED_SHARE = 0.05", "CONTENDED_SHARE = 0.5", True, True),
        ("training.clock", "import", "import os\nimport", True, True),
        ("timing.speed", "WARM_UP_STEPS = 3", "WARM_UP_STEPS = 4", False, True),
        ("timing.sampler", "import", "import os\nimport", False, True),
        ("timing.peak", "import", "import os\nimport", False, True),
        ("intervals", "CONFIDENCE = 0.95", "CONFIDENCE = 0.9", False, True),
        ("models.lru", "import", "import os\nimport", False, False),
        ("report.page", "import", "import os\nimport", False, False),
    ],
)
def test_what_a_run_goes_through_decides(
    monkeypatch: pytest.MonkeyPatch,
    make_spec: Callable[..., RunSpec],
    module: str,
    before: str,
    after: str,
    trained: bool,
    timed: bool,
) -> None:
    spec = make_spec(variant="gru")
    plain, measured = version_code(spec), version_code(spec, measured=True)
    with_source(monkeypatch, f"seqbench.{module}", before, after)
    assert (version_code(spec) != plain) is trained
    assert (version_code(spec, measured=True) != measured) is timed


@pytest.mark.parametrize(
    "text",
    ["from seqbench import StackedEncoder", "import seqbench\n\nBASE = seqbench.StackedEncoder"],
)
def test_a_public_name_stands_for_what_lies_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "user_of_names.py").write_text(f"{text}\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = collect_sources(["user_of_names"])
    assert "seqbench.models.stacked" in found
    assert "seqbench.api" not in found


def test_what_only_type_checkers_import_is_not_run() -> None:
    found = collect_sources(["seqbench.harness.execution"])
    assert "seqbench.harness.worker" in found  # imported within a function
    only_typed = "import typing\nif typing.TYPE_CHECKING:\n    import a\nelse:\n    import b\n"
    assert list(list_imports(ast.parse(only_typed), "")) == ["typing", "b"]


def test_what_python_writes_for_a_class_lies_in_its_file() -> None:
    """A dataclass's own methods have no file; the class does."""

    @dataclass
    class Written:
        size: int = 1

        def double(self) -> int:
            return 2 * self.size

    typed: dict[str, Any] = {}
    exec(compile("def typed(): return 1", "<ipython-input-1>", "exec"), typed)
    assert code_version._is_of_a_file(Written)
    assert not code_version._is_of_a_file(typed["typed"])


def test_the_training_of_a_measured_run_is_that_of_one_that_is_not(
    make_spec: Callable[..., RunSpec],
) -> None:
    plain, measured = (version_code(make_spec(), measured=each) for each in (False, True))
    assert measured.startswith(f"{plain}+")
    assert same_code(measured, plain)
    assert same_code(plain, measured)
    assert not same_code("a+b", "a+c")
    assert not same_code("a+b", "c")


def test_code_is_ones_own_unless_it_is_installed() -> None:
    assert is_own("seqbench")
    for other in ("torch", "json", "numpy", "sys", "not_there", "__main__"):
        assert not is_own(other)
    assert digest_sources(collect_sources(["torch", "json", "not_there"])) == digest_sources({})
