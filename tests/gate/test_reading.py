"""What a process reads of files that are watched: by every way that Python has, and by import."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqbench.gate import reading

Read = Callable[..., str]
READERS = {
    "open": "open('{}').read()",
    "absolute": "open(os.path.abspath('{}'))",
    "bytes": "open(b'{}')",
    "os.open": "os.open('{}', os.O_RDONLY)",
    "descriptor": "os.open('{}', os.O_RDONLY, dir_fd=os.open('.', os.O_RDONLY))",
    "path": "Path('{}').read_text()",
    "made up": "open(''.join('{}'))",
    "link": "os.symlink('{0}', 'link'); open('link')",
    "hard link": "os.link('{0}', 'hard'); open('hard')",
    "beside": "open(os.path.join(os.path.dirname(package.__file__), '..', '{}'))",
    "size": "os.path.getsize('{}')",
    "is there": "Path('{}').exists()",
    "access": "os.access('{}', os.R_OK)",
    "walk": "list(os.walk(os.path.dirname('{}') or '.'))",
    "glob": "list(Path('.').glob('**/{}'))",
    "state": "next(each.stat() for each in os.scandir(os.path.dirname('{}') or None))",
    "copy": "shutil.copy('{}', 'copy')",
    "map": "mmap.mmap(os.open('{}', os.O_RDONLY), 0, prot=mmap.PROT_READ)",
    "posix": "posix.stat('{}')",
    "volume": "os.statvfs('{}')",
    "times": "os.utime('{}')",
    "attributes": "os.listxattr('{}')",
    "imported as code": "SourceFileLoader('m', '{}').load_module()",
    "database": "sqlite3.connect('{}')",
    "executed": "exec(open('{}').read())",
}
SOURCE_READERS = {
    "getsource": "inspect.getsource(package)",
    "linecache": "linecache.getlines(package.__file__)",
    "loader": "package.__loader__.get_data(package.__file__)",
    "get_source": "package.__loader__.get_source('package')",
    "get_code": "package.__loader__.get_code('package')",
    "code": "open(package.f.__code__.co_filename)",
    "pkgutil": "pkgutil.get_data('package', '__init__.py')",
    "resources": "importlib.resources.files('package').joinpath('__init__.py').read_text()",
    "run": "runpy.run_path(package.__file__)",
    "warning": "warnings.warn_explicit('x', UserWarning, package.__file__, 1)",
}
PROCESSES = {
    "subprocess": "subprocess.run(['true'])",
    "system": "os.system('true')",
    "fork": "os.fork() or os._exit(0)",
    "spawn": "os.posix_spawnp('true', ['true'], {})",
    "multiprocessing": "multiprocessing.get_context('spawn').Process(target=print).start()",
}
HARMLESS = {
    "import": "import package.module",
    "reload": "importlib.reload(package)",
    "resolved": "Path(package.__file__).resolve(), os.path.realpath(package.__file__)",
    "version": "metadata.version('pytest')",
    "another file": "open('other.txt')",
    "list": "os.listdir('package')",
    "list of modules": "list(pkgutil.iter_modules(package.__path__))",
}
SCRIPT = """
import importlib.resources, inspect, linecache, mmap, multiprocessing, os, pkgutil, posix, runpy
import shutil, sqlite3, subprocess, sys, warnings
from importlib import metadata
from importlib.machinery import SourceFileLoader
from pathlib import Path
import reading
seen = reading.Reading(Path.cwd(), {files!r}, {lone!r})
sys.path.insert(0, '')
import package
assert not seen.found, seen.found
{reader}
print(*sorted(seen.found))
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return what tells which of some files a line of Python reads."""
    for name in ("package/__init__.py", "package/module.py", "notes.md", "other.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("def f(): pass\n")

    def run(reader: str, *files: str, lone: tuple[str, ...] = ()) -> str:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(reader=reader, files=files, lone=lone)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(reading.__file__).parent)},
            text=True,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.mark.parametrize("reader", READERS)
def test_every_way_to_read_a_file_is_seen(read: Read, reader: str) -> None:
    assert read(READERS[reader].format("notes.md"), "notes.md") == "notes.md"


@pytest.mark.parametrize("reader", SOURCE_READERS)
def test_a_source_that_is_read_as_text_is_seen(read: Read, reader: str) -> None:
    file = "package/__init__.py"
    assert read(SOURCE_READERS[reader], "notes.md", file) == file


@pytest.mark.parametrize("reader", PROCESSES)
def test_a_process_that_is_started_may_read_anything(read: Read, reader: str) -> None:
    assert read(PROCESSES[reader], "notes.md") == reading.PROCESS


@pytest.mark.parametrize("reader", HARMLESS)
def test_imports_and_other_files_are_not_reading(read: Read, reader: str) -> None:
    files = ("notes.md", "package/__init__.py", "package/module.py")
    assert read(HARMLESS[reader], *files, "gone.md", lone=("gone.md",)) == ""


@pytest.mark.parametrize("reader", ["os.listdir('.')", "Path('gone.md').exists()"])
def test_a_file_that_only_one_version_has_is_seen_in_its_folder(read: Read, reader: str) -> None:
    assert read(reader, "gone.md", lone=("gone.md",)) == "gone.md"
    assert read("os.listdir('package')", "gone.md", lone=("gone.md",)) == ""
