"""The tutorial: executed from beginning to end, with the text outputs that are committed.

`python tests/test_tutorial.py` executes it and writes its outputs back.
"""

import os
import re
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
VARIES = "machine-dependent"
"""Tag of a cell whose output is not compared."""

NUMBER = re.compile(r"-?\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b")


def execute(folder: Path) -> NotebookNode:
    """Return the notebook with the outputs that it has when it is executed in ``folder``."""
    notebook: NotebookNode = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook, timeout=None, kernel_name="python3", resources=where, record_timing=False
    ).execute()
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def list_texts(cell: NotebookNode) -> list[str]:
    """Return what a cell shows as text; of a figure its description."""
    if VARIES in cell.metadata.get("tags", ()):
        return []
    texts = [each.get("text") or each["data"]["text/plain"] for each in cell.outputs]
    return ["\n".join(" ".join(line.split()) for line in text.splitlines()) for text in texts]


def compare_texts(found: str, expected: str) -> None:
    """Assert that words and whole numbers are equal, and other numbers equal to a tolerance.

    Another processor rounds otherwise, so a trained model may answer a few of the 360 test images
    otherwise. Numbers with an exponent are compared by their ratio.
    """
    assert NUMBER.sub("#", found) == NUMBER.sub("#", expected)
    for one, other in zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True):
        absolute = 0 if "e" in other else 0.03 if "." in other else 0
        relative = 0.05 if absolute or "e" in other else 0
        assert float(one) == pytest.approx(float(other), rel=relative, abs=absolute)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """Return it as executed on one thread, where a run measures the machine's limits shortly."""
    folder = tmp_path_factory.mktemp("tutorial")
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "limits.py").write_text(
        "from tests import processes\n"
        "processes.import_packages()\n"
        "processes.let_workers_be_forked()\n"
        "processes.measure_small_limits()\n"
    )
    environment = {"IPYTHONDIR": str(folder / "ipython"), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.getenv("PYTHONPATH")]))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return execute(folder)


def list_code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_tutorial_shows_what_is_committed(executed: NotebookNode) -> None:
    committed = nbformat.read(NOTEBOOK, as_version=4)
    compared = 0
    for cell, other in zip(list_code(executed), list_code(committed), strict=True):
        found, expected = list_texts(cell), list_texts(other)
        assert len(found) == len(expected), other.source
        for one, two in zip(found, expected, strict=True):
            compare_texts(one, two)
            compared += 1
    assert compared >= 12


def test_the_tutorial_draws_its_figures(executed: NotebookNode) -> None:
    for notebook in (executed, nbformat.read(NOTEBOOK, as_version=4)):
        outputs = [each for cell in list_code(notebook) for each in cell.outputs]
        figures = [each for each in outputs if "image/png" in each.get("data", {})]
        assert len(figures) == 3
        assert not [each for each in outputs if each.get("name") == "stderr"]


def test_the_committed_tutorial_is_small_and_names_no_machine() -> None:
    text = NOTEBOOK.read_text()
    assert len(text) < 300_000
    nbformat.validate(nbformat.reads(text, as_version=4))
    counts = [cell.execution_count for cell in list_code(nbformat.reads(text, as_version=4))]
    assert counts == list(range(1, len(counts) + 1)), "executed once, from top to bottom"
    shown = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.findall(r"/(?:home|root|tmp|work|usr|Users)/|[A-Z]:\\\\", shown)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        nbformat.write(execute(Path(place)), NOTEBOOK)
