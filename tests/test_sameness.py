"""When two versions are the same code: what may differ, and what may not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seqbench.gate.sameness import are_same_code, find_differences
from seqbench.gate.versions import Version, Versions

HARNESS = '''"""Run."""

import json


def run():
    """Run."""
    return 1  # one
'''
FILES: dict[str, str | None] = {
    "README.md": "mini\n",
    "docs/index.rst": "mini\n",
    "docs/figure.png": "figure\n",
    "setup.py": "open('README.md')\n",
    "tests/test_it.py": "open('docs/index.rst')\n",
    "mini/__init__.py": "",
    "mini/harness.py": HARNESS,
    "mini/table.csv": "1,2\n",
    "mini/notes.md": "used\n",
    "benchmarks/gate.py": "from mini import harness\n",
}
Make = Callable[[dict[str, str | None]], list[str]]


@pytest.fixture
def differ(tmp_path: Path) -> Make:
    """Return what tells the differences between the files above and changed ones; None: removed."""

    def make(changes: dict[str, str | None]) -> list[str]:
        for side, files in (("base", FILES), ("head", FILES | changes)):
            for name, text in files.items():
                path = tmp_path / side / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if text is not None:
                    path.write_text(text)
        return list(map(str, find_differences(tmp_path / "base", tmp_path / "head")))

    return make


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"README.md": "mini, a project\n"},
        {"README.md": None, "CHANGES.rst": "1\n"},
        {"docs/index.rst": "more\n", "docs/figure.png": "other\n", "docs/more/new.md": "new\n"},
        {"mini/harness.py": HARNESS.replace('"""Run."""', '"""Run it."""')},
        {"mini/harness.py": HARNESS.replace('    """Run."""\n', "")},
        {"mini/harness.py": HARNESS.replace("  # one", "  # type: ignore")},
        {"mini/harness.py": HARNESS.replace("return 1", "return (\n        1\n    )")},
    ],
)
def test_documentation_may_differ(differ: Make, changes: dict[str, str | None]) -> None:
    assert differ(changes) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("mini/harness.py", HARNESS.replace("return 1", "return 2")),
        ("mini/harness.py", HARNESS.replace("return 1", "return globals()['one']")),
        ("mini/harness.py", "def broken(:\n"),
        ("mini/table.csv", "1,3\n"),
        ("mini/notes.md", "lies in a package\n"),
        ("mini/new.py", ""),
        ("mini/__init__.py", None),
        ("mini/table.csv", None),
        ("benchmarks/notes.md", "lies beside code\n"),
        ("data.bin", "at the top\n"),
        ("docs/conf.py", "x = 1\n"),
        ("pyproject.toml", "[project]\n"),
        (".env", "X=1\n"),
        ("LICENSE", "MIT\n"),
    ],
)
def test_all_else_may_not(differ: Make, file: str, text: str | None) -> None:
    assert differ({file: text}) == [file]


@pytest.mark.parametrize(
    ("reader", "read"),
    [
        ("open('README.md')", "README.md"),
        ("glob('*.md')", "README.md"),
        ("open(f'{name}.md')", "README.md"),
        ("open('%s.md' % name)", "README.md"),
        ("open(name + '.md')", "README.md"),
        ("open(f'{name}ME.md')", "README.md"),
        ("Path('docs') / 'index.rst'", "docs/index.rst"),
        ("(root / 'docs').iterdir()", "docs/index.rst"),
        ("open(f'docs/{name}')", "docs/index.rst"),
    ],
)
def test_documentation_that_code_names_may_not(differ: Make, reader: str, read: str) -> None:
    prose: dict[str, str | None] = {"README.md": "more\n", "docs/index.rst": "more\n"}
    assert differ(prose) == []
    assert read in differ({"mini/harness.py": f"{HARNESS}{reader}\n", **prose})


@pytest.mark.parametrize("file", ["tests/gate.py", "docs/helper.py", "tests/deep/util.py"])
def test_code_among_tests_and_docs_counts_too(
    differ: Make, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    monkeypatch.setitem(FILES, file, "open('notes/size.md')\n")
    assert differ({"notes/size.md": "2\n"}) == ["notes/size.md"]


def test_documentation_of_another_name_may(differ: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FILES, "mini/other.py", '"""See docs/index.rst."""\nopen("CHANGES.md")\n')
    assert differ({"README.md": "more\n", "docs/index.rst": "more\n"}) == []


@pytest.mark.parametrize(
    "reader",
    [
        "print(run.__doc__)",
        "import inspect",
        "from inspect import getsource",
        "x = [] # type: List[int]",
        "    import doctest",
        "open(__file__).read()",
        "import tokenize",
        "pydoc.getdoc(run)",
        "print(run.__code__.co_firstlineno)",
        "sys._getframe().f_lineno",
    ],
)
def test_docstrings_that_code_looks_at_may_not(
    differ: Make, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FILES, "mini/other.py", f"if 1:\n    pass\n{reader}\n")
    changed = HARNESS.replace('"""Run."""', '"""Run it."""')
    assert differ({"mini/harness.py": changed}) == ["mini/harness.py"]


def test_kinds_of_files_and_permissions_may_not_differ(differ: Make, tmp_path: Path) -> None:
    assert differ({}) == []
    head = tmp_path / "head" / "mini"
    (head / "harness.py").chmod(0o755)
    (head / "table.csv").unlink()
    (head / "table.csv").symlink_to("notes.md")
    (head / "more").symlink_to(tmp_path)
    (head / os.fsdecode(b"gr\xf6\xdfe.bin")).touch()
    assert differ({}) == [
        *("mini/" + os.fsdecode(b"gr\xf6\xdfe.bin"), "mini/harness.py", "mini/more"),
        "mini/table.csv",
    ]


def test_environments_may_not_differ(tmp_path: Path) -> None:
    def make(**head: str) -> Versions:
        one = Version("main", "c" * 40, "", False, tmp_path)
        return Versions(one, Version("main", "c" * 40, "", False, tmp_path, **head))

    assert are_same_code(make())
    assert not are_same_code(make(python="/other/python"))
    same = make()
    assert not are_same_code(Versions(same.base, same.head, (), ("torch==2.12.0",)))
