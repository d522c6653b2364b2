"""When a benchmark is the same one in two versions."""

from pathlib import Path

import pytest

from seqbench.gate.sources import digest_benchmark

FILE = '''"""Benchmarks."""

import math

from bench import shapes
from mini import harness

SIZE = 28
UNUSED = 3


class Rows:
    """Rows."""

    size = SIZE


if SIZE:
    from mini import extras
else:
    extras = None


def make_step(variant):
    """Return a step."""
    extras
    rows = Rows()
    return lambda: harness.step(rows, variant, shapes.WIDE)  # done when it returns


def other():
    return math.pi


BENCHMARKS = [(variant, make_step) for variant in ("rnn", "lstm")]
'''


def digest(tmp_path: Path, text: str = FILE, settings: object = "rnn", wide: str = "4") -> str:
    folder = tmp_path / "bench"
    folder.mkdir(exist_ok=True)
    (folder / "shapes.py").write_text("from bench import widths\n\nWIDE = widths.WIDE\n")
    (folder / "widths.py").write_text(f"WIDE = {wide}\n")
    file = folder / "gate.py"
    file.write_text(text)
    return digest_benchmark(folder, file, "make_step", {"variant": settings})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Return a step."""', '"""Return one step."""'),
        ("  # done when it returns", ""),
        ("rows = Rows()", "rows = (\n        Rows()\n    )"),
        ("UNUSED = 3", "UNUSED = 4\nMORE = 5"),
        ("return math.pi", "return math.e"),
        ('("rnn", "lstm")', '("rnn", "lstm", "gru")'),  # its variable is no other's
        ('"""Rows."""', '"""Rows of an image."""'),
        ("from mini import harness", "\nfrom mini import harness"),
    ],
)
def test_what_a_benchmark_does_not_do_leaves_it_the_same(
    tmp_path: Path, before: str, after: str
) -> None:
    assert before in FILE
    assert digest(tmp_path, FILE.replace(before, after)) == digest(tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SIZE = 28", "SIZE = 29"),
        ("size = SIZE", "size = SIZE + 1"),
        ("rows = Rows()", "rows = Rows"),
        ("def make_step(variant)", "def make_step(variant, more=1)"),
        ("from mini import harness", "from mini import quick as harness"),
        ("UNUSED = 3", "UNUSED = 3\nSIZE += 1"),
        ("UNUSED = 3", "UNUSED = 3\nharness.set_threads(2)"),  # defines nothing, so it may matter
        ("extras = None", "extras = 1"),
        ("from mini import extras", "from mini import more as extras"),
    ],
)
def test_what_it_does_makes_it_another(tmp_path: Path, before: str, after: str) -> None:
    assert before in FILE
    assert digest(tmp_path, FILE.replace(before, after)) != digest(tmp_path)


def test_settings_and_files_beside_it_count_at_any_remove(tmp_path: Path) -> None:
    assert digest(tmp_path, settings="lstm") != digest(tmp_path)
    assert digest(tmp_path, wide="5") != digest(tmp_path)


def test_a_function_that_is_not_defined_there_stands_for_the_whole_file(tmp_path: Path) -> None:
    def whole(text: str) -> str:
        file = tmp_path / "gate.py"
        file.write_text(text)
        return digest_benchmark(tmp_path, file, "<lambda>", {})

    assert whole(FILE) != whole(FILE.replace("UNUSED = 3", "UNUSED = 4"))
    assert whole(FILE) == whole(FILE.replace("  # done when it returns", ""))
