"""The layout: which subpackage may import which, as in docs/architecture.md."""

import ast
import subprocess
import sys
from pathlib import Path

import seqbench

PACKAGE = Path(seqbench.__file__).parent
ORDER = (
    "",  # shared definitions: settings, columns, errors, formats
    *("results", "tasks", "models", "training", "timing", "harness"),
    *("analysis", "report", "verification", "history", "gate", "explain", "commands", "face"),
)
"""The subpackages from left to right; each imports only from those before it."""

FACES = ("__init__", "__main__", "api", "cli", "result")
"""Entry points: the command and the Python interface."""

APART = {("results", "tasks"), ("tasks", "models")}
"""Pairs of which the second does not import the first either."""

WITHOUT_TORCH = ("results", "analysis", "report", "history")


def subpackage_of(module: str) -> str:
    """Return the subpackage of a module of seqbench; the entry points are the last."""
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


def test_imports_have_one_direction() -> None:
    arrows = list_arrows()
    assert len(arrows) > 500
    assert [
        f"{one} imports {other}"
        for one, other in arrows
        if ORDER.index(subpackage_of(other)) > ORDER.index(subpackage_of(one))
        or (subpackage_of(other), subpackage_of(one)) in APART
    ] == []


def test_reading_results_needs_no_torch() -> None:
    modules = [
        f"seqbench.{subpackage}.{file.stem}"
        for subpackage in WITHOUT_TORCH
        for file in (PACKAGE / subpackage).glob("[!_]*.py")
    ]
    assert len(modules) > 30
    code = "import sys, importlib\n"
    code += f"for each in {modules}:\n"
    code += "    importlib.import_module(each)\n    assert 'torch' not in sys.modules, each"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)
