"""The gate in other people's projects: with few packages, and where there is no seqbench."""

import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from seqbench.errors import ExitCode
from seqbench.gate.processes import Side, VersionError
from seqbench.gate.versions import Version
from tests.repositories import BENCHMARKS, OWN_CLOCK, SOON, Repository

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gate.md").read_text()
MODULES = {"scikit-learn": "sklearn"}

BLOCKER = """
import sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)


sys.meta_path.insert(0, Blocker())
"""


def list_needed() -> set[str]:
    """Return the packages that the page says the gate needs."""
    found = re.search(r"pip install (numpy [\w -]+)", PAGE)
    assert found is not None
    return set(found[1].split())


def test_the_gate_runs_with_the_packages_that_its_page_names(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=]", each)[0] for each in project["dependencies"]}
    assert list_needed() < declared
    blocked = {MODULES.get(each, each) for each in declared - list_needed()}
    assert {"torch", "torchvision", "seaborn", "matplotlib", "pandas"} < blocked
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.format(blocked=blocked))
    repository = Repository(tmp_path / "mini")
    repository.replace("Slow", "mini/harness.py", "now += ", "now += 1.2 * ")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, str(OWN_CLOCK), "gate", "--base", "main~1", *SOON],
        cwd=repository.folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path, "GITHUB_STEP_SUMMARY": ""},
    )
    assert done.returncode == ExitCode.REGRESSION_FOUND, done.stderr


def test_an_environment_without_seqbench_is_lent_it_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    without = [str(python), "-c", "import seqbench"]
    assert subprocess.run(without, capture_output=True, cwd=tmp_path).returncode == 1
    repository = Repository(tmp_path / "mini")
    version = Version("main", "c" * 40, "", False, repository.folder, str(python))
    side = Side("base", version, Path("benchmarks/gate.py"))
    try:
        side.ask("load")
        assert [each["name"] for each in side.ask("describe")] == ["elman", "gated"]
    finally:
        side.end()
    repository.write({"benchmarks/gate.py": f"import numpy\n{BENCHMARKS}"})
    side = Side("base", version, Path("benchmarks/gate.py"))
    try:
        with pytest.raises(VersionError, match="No module named 'numpy'"):
            side.ask("load")
    finally:
        side.end()


def test_the_workflow_for_other_projects_names_what_there_is() -> None:
    text = PAGE.split("```yaml\n")[1].split("```")[0]
    assert "fetch-depth: 0" in text
    assert list_needed() == set(text.split("pip install numpy")[1].splitlines()[0].split()) | {
        "numpy"
    }
    shown = subprocess.run(
        [sys.executable, "-m", "seqbench", "gate", "--help"],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    wanted = set(re.findall(r"(?<!\S)--[a-z-]+", text.split("seqbench gate")[1].split("- uses")[0]))
    assert {"--base", "--head", "--summary", "--evidence"} <= wanted
    assert wanted <= set(re.findall(r"--[a-z-]+", shown.stdout))
