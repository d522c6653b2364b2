"""When two versions are the same code: what may differ, and what may not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seqbench.gate.sameness import Differences, are_same_code, find_differences
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
Make = Callable[[dict[str, str | None]], Differences]


@pytest.fixture
def differ(tmp_path: Path) -> Make:
    """Return what tells the differences between the files above and changed ones; None: removed."""

    def make(changes: dict[str, str | None]) -> Differences:
        for side, files in (("base", FILES), ("head", FILES | changes)):
            for name, text in files.items():
                path = tmp_path / side / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if text is not None:
                    path.write_text(text)
        return find_differences(tmp_path / "base", tmp_path / "head")

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
def test_words_may_differ(differ: Make, changes: dict[str, str | None]) -> None:
    found = differ(changes)
    assert found.others == ()
    assert set(found.words) == set(changes)
    assert set(found.lone) == set(changes) - set(FILES) | {"README.md"} & {
        name for name, text in changes.items() if text is None
    }


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("mini/harness.py", HARNESS.replace("return 1", "return 2")),
        ("mini/harness.py", HARNESS.replace("return 1", "return globals()['one']")),
        ("mini/harness.py", "def broken(:\n"),
        ("mini/table.csv", "1,3\n"),
        ("mini/new.py", ""),
        ("mini/__init__.py", None),
        ("mini/table.csv", None),
        ("data.bin", "at the top\n"),
        ("docs/conf.py", "x = 1\n"),
        ("pyproject.toml", "[project]\n"),
        (".env", "X=1\n"),
        ("LICENSE", "MIT\n"),
    ],
)
def test_all_else_may_not(differ: Make, file: str, text: str | None) -> None:
    assert differ({file: text}) == Differences(others=(file,))


def test_kinds_of_files_and_permissions_may_not_differ(differ: Make, tmp_path: Path) -> None:
    assert differ({}) == Differences()
    head = tmp_path / "head" / "mini"
    (head / "harness.py").chmod(0o755)
    (head / "table.csv").unlink()
    (head / "table.csv").symlink_to("notes.md")
    (head / "more").symlink_to(tmp_path)
    (head / os.fsdecode(b"gr\xf6\xdfe.bin")).touch()
    assert differ({}).others == (
        *("mini/" + os.fsdecode(b"gr\xf6\xdfe.bin"), "mini/harness.py", "mini/more"),
        "mini/table.csv",
    )


def test_environments_may_not_differ(tmp_path: Path) -> None:
    def make(**head: str) -> Versions:
        one = Version("main", "c" * 40, "", False, tmp_path)
        return Versions(one, Version("main", "c" * 40, "", False, tmp_path, **head))

    def judge(versions: Versions) -> bool:
        return are_same_code(versions, Differences())

    assert judge(make())
    assert not judge(make(python="/other/python"))
    same = make()
    assert not judge(Versions(same.base, same.head, (), ("torch==2.12.0",)))
