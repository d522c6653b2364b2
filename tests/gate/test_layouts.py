"""Where projects keep their packages, by what they declare to many build tools."""

from pathlib import Path

import pytest

from seqbench.gate.layouts import list_import_folders, list_version_files

PYPROJECT, CFG, SETUP = "pyproject.toml", "setup.cfg", "setup.py"

DECLARED = [
    (PYPROJECT, '[tool.setuptools.packages.find]\nwhere = ["code"]\n'),
    (PYPROJECT, '[tool.setuptools.package-dir]\n"" = "code"\n'),
    (PYPROJECT, '[tool.setuptools.package-dir]\nmini = "code/mini"\n'),
    (PYPROJECT, '[tool.setuptools]\npackage-dir = {"" = "code"}\n'),
    (PYPROJECT, '[[tool.poetry.packages]]\ninclude = "mini"\nfrom = "code"\n'),
    (PYPROJECT, '[tool.hatch.build.targets.wheel]\npackages = ["code/mini"]\n'),
    (PYPROJECT, '[tool.hatch.build.targets.wheel]\nsources = ["code"]\n'),
    (PYPROJECT, '[tool.hatch.build.targets.wheel.sources]\n"code/mini" = "mini"\n'),
    (PYPROJECT, '[tool.hatch.build.targets.wheel.sources]\ncode = ""\n'),
    (PYPROJECT, '[tool.hatch.build]\ndev-mode-dirs = ["code"]\n'),
    (PYPROJECT, '[tool.pdm.build]\npackage-dir = "code"\n'),
    (PYPROJECT, '[tool.maturin]\npython-source = "code"\n'),
    (PYPROJECT, '[tool.uv.build-backend]\nmodule-root = "code"\n'),
    (PYPROJECT, '[tool.scikit-build]\nwheel.packages = ["code/mini"]\n'),
    (PYPROJECT, '[tool.scikit-build.wheel.packages]\n"mini" = "code/mini"\n'),
    (CFG, "[options]\npackage_dir =\n  = code\n"),
    (CFG, "[options]\npackage_dir = =code\n"),
    (CFG, "[options.packages.find]\nwhere = code\n"),
    (SETUP, "from setuptools import setup\nsetup(package_dir={'': 'code'})\n"),
    (SETUP, "import setuptools as s\ns.setup(packages=s.find_packages('code'))\n"),
    (SETUP, "from setuptools import *\nsetup(packages=find_packages(where='code'))\n"),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("code/mini", "mini", "src", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(("file", "text"), DECLARED)
def test_a_declared_folder_comes_first(project: Path, file: str, text: str) -> None:
    (project / file).write_text(text)
    assert list_import_folders(project) == [project / each for each in ("code", "", "src")]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (PYPROJECT, ""),
        (PYPROJECT, '[tool.hatch.build.targets.wheel]\npackages = ["mini"]\n'),
        (PYPROJECT, '[[tool.poetry.packages]]\ninclude = "mini"\n'),
        (PYPROJECT, '[tool.setuptools]\npackages = ["mini"]\n'),
        (PYPROJECT, "[tool.setuptools.packages.find]\nwhere = 3\n"),
        (PYPROJECT, 'tool = "none"\n'),
        (PYPROJECT, "[tool\n"),
        (PYPROJECT, "[tool.maturin]\npython-source = '../elsewhere'\n"),
        (PYPROJECT, "[tool.maturin]\npython-source = '/usr'\n"),
        (CFG, "no section\n"),
        (CFG, "[options]\npackage_dir = code\n"),
        (SETUP, "setup(package_dir=find())\n"),
        (SETUP, "def broken(:\n"),
        (SETUP, "\0"),
    ],
)
def test_a_package_is_no_folder_to_import_from_and_nonsense_declares_nothing(
    project: Path, file: str, text: str
) -> None:
    """Else its modules would be importable by their own names, as ``random`` or ``signal``."""
    (project / file).write_text(text)
    assert list_import_folders(project) == [project, project / "src"]


def test_files_of_any_encoding_are_read(project: Path) -> None:
    (project / PYPROJECT).write_bytes("[tool.maturin]\npython-source = 'cödé'\n".encode("latin-1"))
    (project / CFG).write_bytes(b"\xef\xbb\xbf[options.packages.find]\nwhere = code\n# \xff\n")
    assert list_import_folders(project) == [project / each for each in ("code", "", "src")]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (PYPROJECT, '[tool.setuptools_scm]\nwrite_to = "mini/_version.py"\n'),
        (PYPROJECT, '[tool.setuptools_scm]\nversion_file = "mini/_version.py"\n'),
        (PYPROJECT, '[tool.hatch.build.hooks.vcs]\nversion-file = "mini/_version.py"\n'),
        (PYPROJECT, '[tool.pdm.version]\nsource = "scm"\nwrite_to = "mini/_version.py"\n'),
        (SETUP, "setup(use_scm_version={'write_to': 'mini/_version.py'})\n"),
        (SETUP, "setup(use_scm_version=dict(version_file='mini/_version.py'))\n"),
    ],
)
def test_version_files_that_a_build_writes_are_known(project: Path, file: str, text: str) -> None:
    (project / file).write_text(text)
    assert [str(each) for each in list_version_files(project)] == ["mini/_version.py"]


@pytest.mark.parametrize("place", ["/etc/version.py", "../version.py", "VERSION", "mini/v.txt"])
def test_a_version_file_lies_in_the_project_and_is_python(project: Path, place: str) -> None:
    (project / PYPROJECT).write_text(f"[tool.setuptools_scm]\nwrite_to = '{place}'\n")
    assert list_version_files(project) == []
