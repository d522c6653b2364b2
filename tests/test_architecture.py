"""The layout: which room may import which, as docs/architecture.md draws it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import seqbench

PACKAGE = Path(seqbench.__file__).parent
ORDER = (
    "",  # what everybody speaks: settings, columns, errors, formats
    *("results", "tasks", "models", "training", "timing", "harness"),
    *("analysis", "report", "verification", "history", "gate", "explain", "commands", "face"),
)
"""The rooms from left to right; each imports of those before it alone."""

FACES = ("__init__", "__main__", "api", "cli", "result")
"""What people use: the command and the Python interface."""

APART = {("results", "tasks"), ("tasks", "models")}
"""Rooms of which the second does not import the first either."""

WITHOUT_TORCH = ("results", "analysis", "report", "history")


def room_of(module: str) -> str:
    """Return the room that a module of seqbench lies in; the entry points are in the last."""
    parts = module.split(".")
    if len(parts) > 1 and (PACKAGE / parts[1]).is_dir():
        return parts[1]
    return "face" if parts[1:2] and parts[1] in FACES else ""


def list_arrows() -> list[tuple[str, str]]:
    """Return each module with each that it imports, within functions too."""
    arrows = []
    for file in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "seqbench":
                arrows += [(module, f"{node.module}.{each.name}") for each in node.names]
            elif isinstance(node, ast.Import):
                names = (each.name for each in node.names)
                arrows += [(module, each) for each in names if each.split(".")[0] == "seqbench"]
    return arrows


def test_imports_go_one_way() -> None:
    arrows = list_arrows()
    assert len(arrows) > 500
    assert [
        f"{one} imports {other}"
        for one, other in arrows
        if ORDER.index(room_of(other)) > ORDER.index(room_of(one))
        or (room_of(other), room_of(one)) in APART
    ] == []


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_what_reads_results_does_without_torch(room: str) -> None:
    modules = [f"seqbench.{room}.{file.stem}" for file in (PACKAGE / room).glob("[!_]*.py")]
    code = f"import sys, {', '.join(modules)}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)
