"""The Python of each version: one for both where they depend on the same packages."""

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator, Sequence
from configparser import ParsingError, RawConfigParser
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from seqbench.errors import UsageError
from seqbench.formatting import join_words

CONSTRAINTS = "constraints.txt"
_LOCKS = (
    *("poetry.lock", "uv.lock", "pdm.lock", "pixi.lock", "Pipfile", "Pipfile.lock"),
    *("environment.yml", "environment.yaml", "conda-lock.yml"),
)
_SETUP = ("setup.cfg", "setup.py")
_REQUIREMENTS = "requirements*.txt"
_TOLD_OF_PIP = 12  # lines


@dataclass(frozen=True)
class Environment:
    """A Python with packages; ``told`` is in words what it has of its own."""

    python: str
    told: str = ""


def find_environments(
    base: Path, head: Path, base_env: Sequence[str] = ()
) -> tuple[Environment, Environment]:
    """Return the environments of two versions of a project.

    Parameters
    ----------
    base, head
        Folders of the versions.
    base_env
        As in `check_out_versions`.

    Returns
    -------
    base, head
        Both the Python that runs here if nothing that they depend on differs; else each has a
        virtual environment of its own, kept for the next time in the user's cache folder. What
        differs but only another tool than pip would follow, such as a lock file, is told.
    """
    environments = _choose_environments(base, head, base_env)
    ignored = [name for name in _LOCKS if _read(base / name) != _read(head / name)]
    if not ignored:
        return environments
    ours, theirs = environments
    verb = "differs and is" if len(ignored) == 1 else "differ and are"
    told = f"{join_words(ignored)} {verb} not followed"
    return ours, replace(theirs, told="; ".join(each for each in (theirs.told, told) if each))


def _choose_environments(
    base: Path, head: Path, base_env: Sequence[str]
) -> tuple[Environment, Environment]:
    if len(base_env) == 1 and Path(base_env[0]).is_file():
        python = str(Path(base_env[0]).absolute())  # not resolved: a venv's Python is a link
        return Environment(python, f"with {python}"), Environment(sys.executable)
    if not base_env and read_dependencies(base) == read_dependencies(head):
        return Environment(sys.executable), Environment(sys.executable)
    ours, theirs = make_environment(base, base_env), make_environment(head)
    told = f"with {', '.join(base_env)}" if base_env else "with dependencies of its own"
    return Environment(str(ours), told), Environment(str(theirs), "" if base_env else told)


def read_dependencies(project: Path) -> str:
    """Return all that tells pip what a project depends on, as one text."""
    return "\n".join(_list_dependencies(project))


def _list_dependencies(project: Path) -> Iterator[str]:
    declared = project / "pyproject.toml"
    if declared.is_file():
        content = tomllib.loads(declared.read_text(encoding="utf-8"))
        told = content.get("project", {})
        yield repr(content.get("build-system"))
        yield repr([told.get(each) for each in ("requires-python", "dependencies")])
        yield repr(content.get("tool", {}).get("poetry", {}).get("dependencies"))
    setup = RawConfigParser(strict=False)
    with suppress(ParsingError):
        setup.read_string(_read(project / "setup.cfg"))
    for name in ("python_requires", "install_requires"):
        yield f"{name}: {setup.get('options', name, fallback='').split()}"
    yield f"setup.py: {_read(project / 'setup.py')}"
    for file in sorted({project / CONSTRAINTS, *project.glob(_REQUIREMENTS)}):
        if file.is_file():
            lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
            yield f"{file.name}: {sorted(line for line in lines if line)}"


def _read(file: Path) -> str:
    """Return a file's text, whatever its encoding; empty if there is none."""
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def make_environment(project: Path, wanted: Sequence[str] = ()) -> Path:
    """Return the Python of a virtual environment with a project's dependencies and some others.

    What is wanted goes before the project's constraints. It is made once for the same dependencies.

    Raises
    ------
    UsageError
        If pip cannot install them, with what it says.
    """
    key = "\n".join([sys.version, read_dependencies(project), *wanted])
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    folder = Path(platformdirs.user_cache_dir("seqbench")) / "gate" / name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    complete = folder / "complete"
    if complete.is_file():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    try:
        _install(python, [*_list_installs(project, folder, wanted)])
    except subprocess.CalledProcessError as error:
        told = "\n".join(error.stderr.strip().splitlines()[-_TOLD_OF_PIP:])
        raise UsageError(
            f"the environment of {project.name} cannot be installed:\n{told}"
        ) from None
    complete.touch()
    return python


def _install(python: Path, words: Sequence[str]) -> None:
    """Let pip install something into an environment."""
    command = [str(python), "-m", "pip", "install", "--quiet", *words]
    subprocess.run(command, capture_output=True, text=True, check=True)


def _list_installs(project: Path, folder: Path, wanted: Sequence[str]) -> Iterator[str]:
    """Yield the arguments of pip's install."""
    if (project / CONSTRAINTS).is_file():
        names = {_name_package(each) for each in wanted}
        lines = (project / CONSTRAINTS).read_text().splitlines()
        kept = folder / CONSTRAINTS
        kept.write_text("\n".join(each for each in lines if _name_package(each) not in names))
        yield from ("-c", str(kept))
    for file in sorted(project.glob(_REQUIREMENTS)):
        yield from ("-r", str(file))
    if any((project / each).is_file() for each in ("pyproject.toml", *_SETUP)):
        yield str(project)
    yield from wanted


def _name_package(requirement: str) -> str:
    """Return the normalised name of the package that a requirement is for."""
    name = re.match(r"\s*([A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", name[1]).lower() if name else ""
