"""The Python of each version: one for both where they depend on the same packages."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from seqbench.errors import UsageError
from seqbench.formatting import join_words
from seqbench.gate.layouts import find_entry, read_pyproject, read_setup_cfg, read_text
from seqbench.printable import strip_controls

CONSTRAINTS = "constraints.txt"
_LOCKS = (
    *("poetry.lock", "uv.lock", "pdm.lock", "pylock.toml", "pixi.lock", "pixi.toml"),
    *("Pipfile", "Pipfile.lock", "environment*.yml", "environment*.yaml", "conda*.yml"),
    *("conda*.yaml", "conda/meta.yaml", "recipe/meta.yaml", "pylock.*.toml", "requirements*.in"),
    *("requirements/*.in", "Cargo.toml", "Cargo.lock", ".python-version"),
)
_NOT_FOLLOWED = (
    *("project.optional-dependencies", "dependency-groups", "tool.poetry.group"),
    *("tool.poetry.dev-dependencies", "tool.poetry.extras", "tool.pdm.dev-dependencies"),
    *("tool.uv", "tool.pixi", "tool.hatch.envs"),
)
"""Tables of ``pyproject.toml`` with optional dependencies, or for other tools only."""

_FOLLOWED = (
    *("build-system", "project.requires-python", "project.dependencies", "project.dynamic"),
    *("tool.poetry.dependencies", "tool.setuptools.dynamic.dependencies"),
)
_SETUP = ("setup.cfg", "setup.py")
_REQUIREMENTS = ("requirements*.txt", "requirements/*.txt")
_READ_BY_SETUP = re.compile(r"[\w./-]+\.(?:txt|in|toml|cfg|json|ya?ml)\b")
_PIP_LINES = 12  # lines


@dataclass(frozen=True)
class Environment:
    """A Python with packages; ``description`` states what differs from the gate's environment."""

    python: str
    description: str = ""


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
        separate virtual environment, kept for the next time in the user's cache folder. What
        differs but is not followed, such as a lock file, is reported.
    """
    environments = _choose_environments(base, head, base_env)
    ignored = _list_ignored(base, head)
    if not ignored:
        return environments
    ours, theirs = environments
    verb = "differs and is" if len(ignored) == 1 else "differ and are"
    parts = [theirs.description, f"{join_words(ignored)} {verb} not followed"]
    return ours, replace(theirs, description="; ".join(filter(None, parts)))


def _list_ignored(base: Path, head: Path) -> list[str]:
    """Return the files and tables that differ, and that no environment is made by."""
    names = {
        file.relative_to(side).as_posix(): None
        for glob in _LOCKS
        for side in (base, head)
        for file in sorted(side.glob(glob))
    }
    ignored = [
        strip_controls(name) for name in names if read_text(base / name) != read_text(head / name)
    ]
    ours, theirs = read_pyproject(base), read_pyproject(head)
    ignored += [
        each for each in _NOT_FOLLOWED if find_entry(ours, each) != find_entry(theirs, each)
    ]
    extras = "options.extras_require"
    sides = [
        dict(setup[extras]) if extras in setup else {}
        for setup in map(read_setup_cfg, (base, head))
    ]
    return [*ignored, extras] if sides[0] != sides[1] else ignored


def _choose_environments(
    base: Path, head: Path, base_env: Sequence[str]
) -> tuple[Environment, Environment]:
    if len(base_env) == 1 and Path(base_env[0]).is_file():
        python = str(Path(base_env[0]).absolute())  # not resolved: a venv's Python is a link
        return Environment(python, f"with {python}"), Environment(sys.executable)
    if not base_env and read_dependencies(base) == read_dependencies(head):
        return Environment(sys.executable), Environment(sys.executable)
    ours, theirs = make_environment(base, base_env), make_environment(head)
    description = f"with {', '.join(base_env)}" if base_env else "with its own dependencies"
    named = Environment(str(ours), description)
    return named, Environment(str(theirs), "" if base_env else description)


def read_dependencies(project: Path) -> str:
    """Return all declarations of dependencies for pip, as one text."""
    return "\n".join(_list_dependencies(project))


def _list_dependencies(project: Path) -> Iterator[str]:
    content, setup = read_pyproject(project), read_setup_cfg(project)
    if not content:  # there is none, or it cannot be parsed
        yield read_text(project / "pyproject.toml")
    yield from (repr(find_entry(content, name)) for name in _FOLLOWED)
    for name in ("python_requires", "install_requires"):
        yield f"{name}: {setup.get('options', name, fallback='').split()}"
    script = read_text(project / "setup.py")
    yield f"setup.py: {script}"
    declared = repr(find_entry(content, _FOLLOWED[-1]))
    declared += setup.get("options", "install_requires", fallback="")
    read = {project / each for each in _READ_BY_SETUP.findall(script + declared)}
    for file in sorted({project / CONSTRAINTS, *_list_requirements(project), *read}):
        if file.is_file():
            lines = (line.partition("#")[0].strip() for line in read_text(file).splitlines())
            yield f"{file.name}: {sorted(line for line in lines if line)}"


def _list_requirements(project: Path) -> list[Path]:
    return sorted(file for glob in _REQUIREMENTS for file in project.glob(glob) if file.is_file())


def make_environment(project: Path, wanted: Sequence[str] = ()) -> Path:
    """Return the Python of a virtual environment with a project's dependencies and some others.

    What is wanted goes before the project's constraints. It is made once for the same dependencies.

    Raises
    ------
    UsageError
        If pip cannot install them, with its output.
    """
    key = "\n".join([sys.version, read_dependencies(project), *wanted])
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    folder = Path(platformdirs.user_cache_dir("seqbench")) / "gate" / name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    complete = folder / "complete"
    if complete.is_file():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.create(folder, with_pip=True)
        if words := _list_installs(project, folder, wanted):
            _install(python, words)
        complete.touch()
    except subprocess.CalledProcessError as error:
        output = error.stderr or error.output or ""
        output = output if isinstance(output, str) else output.decode("utf-8", "replace")
        tail = "\n".join(strip_controls(output).strip().splitlines()[-_PIP_LINES:])
        raise UsageError(
            f"the environment of {project.name} cannot be installed:\n{tail}"
        ) from None
    except OSError as error:
        raise UsageError(
            f"the environment of {project.name} cannot be created in {folder}: {error.strerror}"
        ) from None
    return python


def _install(python: Path, words: Sequence[str]) -> None:
    """Let pip install something into an environment."""
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", *words],
        capture_output=True,
        check=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | {"PYTHONUTF8": "1"},  # requirements are UTF-8, whatever the locale
    )


def _list_installs(project: Path, folder: Path, wanted: Sequence[str]) -> list[str]:
    """Return the arguments of pip's install; none if there is nothing to install."""
    installs = [word for file in _list_requirements(project) for word in ("-r", str(file))]
    if any((project / each).is_file() for each in ("pyproject.toml", *_SETUP)):
        installs.append(str(project))
    installs += wanted
    if not installs or not (project / CONSTRAINTS).is_file():
        return installs
    names = {_name_package(each) for each in wanted}
    lines = read_text(project / CONSTRAINTS).splitlines()
    kept = folder / CONSTRAINTS
    text = "\n".join(each for each in lines if _name_package(each) not in names)
    kept.write_text(text, encoding="utf-8", errors="surrogateescape")
    return ["-c", str(kept), *installs]


def _name_package(requirement: str) -> str:
    """Return the normalised name of the package that a requirement is for."""
    name = re.match(r"\s*([A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", name[1]).lower() if name else ""
