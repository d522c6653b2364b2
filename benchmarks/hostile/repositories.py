"""Git repositories in every state, and third-party benchmark files, for gate and history."""

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.hostile.trial import Prepare, Trial, leave

WORK = "def work():\n    return sum(range(20_000))\n"
SLOW = "def work():\n    return sum(range(60_000))\n"
BENCHMARKS = '''
import sys

from seqbench.gate.benchmark import Benchmark, Trained

{imports}


def make_step(**settings):
    """Return the work."""
    {make}
    return work


def learn(seed, **settings):
    """Train."""
    {learn}


BENCHMARKS = {benchmarks}
'''
ONE = '[Benchmark("sum", make_step)]'
IMPORT = "from mini.work import work"

GATE: tuple[str, ...] = ("gate", "--base", "HEAD~1", "--head", "HEAD", "--budget", "4")


def format_benchmarks(
    imports: str = IMPORT, make: str = "pass", learn: str = "return Trained(0.9)", listed: str = ONE
) -> str:
    """Return a benchmark file."""
    return BENCHMARKS.format(imports=imports, make=make, learn=learn, benchmarks=listed)


def git(folder: Path, *words: str, content: bytes | None = None) -> str:
    """Run git in ``folder``; return its output."""
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(
        [
            "git",
            *identity,
            "-c",
            "commit.gpgsign=false",
            "-c",
            "protocol.file.allow=always",
            *words,
        ],
        cwd=folder,
        input=content,
        check=True,
        capture_output=True,
    )
    return done.stdout.decode(errors="replace").strip()


def commit(folder: Path, files: dict[str, str], subject: str = "A change") -> None:
    """Write files and commit everything in the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", subject)


def make_project(
    folder: Path, benchmarks: str | None = None, place: str = "", first: str = WORK
) -> None:
    """Make a repository of one commit: a package ``mini`` below ``place``, and its benchmarks."""
    git(folder, "init", "--quiet", "--initial-branch", "main")
    files = {
        "benchmarks/gate.py": format_benchmarks() if benchmarks is None else benchmarks,
        f"{place}mini/__init__.py": "",
        f"{place}mini/work.py": first,
        ".gitignore": "results\nreports\n__pycache__\n",
    }
    commit(folder, files, "A project")


def _prepare(
    then: Callable[[Path], object], benchmarks: str | None = None, place: str = ""
) -> Prepare:
    def prepare(folder: Path) -> None:
        make_project(folder, benchmarks, place)
        then(folder)

    return prepare


def _slower(folder: Path, place: str = "") -> None:
    commit(folder, {f"{place}mini/work.py": SLOW})


def _same(folder: Path) -> None:
    commit(folder, {"NOTES.md": "words\n"})


def _latin_1(folder: Path) -> None:
    commit(folder, {"mini/work.py": WORK + "# more\n"})
    git(folder, "config", "i18n.commitEncoding", "latin-1")
    git(folder, "commit", "--quiet", "--amend", "--file", "-", content="café\n".encode("latin-1"))


def _latin_1_path(folder: Path) -> None:
    (Path(str(folder)) / "caf\udce9.md").write_text("words")
    _same(folder)


def _configured(name: str, value: str, folder: Path) -> None:
    _same(folder)
    git(folder, "config", name, value)


def _submodule(folder: Path) -> None:
    inner = folder / "results" / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet", "--initial-branch", "main")
    commit(inner, {"part.py": "x = 1\n"})
    git(folder, "submodule", "--quiet", "add", str(inner), "part")
    commit(folder, {})
    commit(inner, {"part.py": "x = 2\n"})
    git(folder / "part", "pull", "--quiet")
    commit(folder, {})


def _generated(folder: Path) -> None:
    (folder / ".gitignore").write_text("results\nreports\n__pycache__\nmini/_version.py\n")
    commit(folder, {"mini/__init__.py": "from mini._version import version\n"})
    commit(folder, {"NOTES.md": "words\n"})
    (folder / "mini" / "_version.py").write_text("version = '1'\n")


def _shallow(folder: Path) -> None:
    _same(folder)
    place = folder / "results" / "clone"
    git(folder, "clone", "--quiet", "--depth", "1", f"file://{folder}", str(place))


def _bare(folder: Path) -> None:
    _same(folder)
    git(folder, "config", "core.bare", "true")


def _broken_index(folder: Path) -> None:
    _same(folder)
    (folder / ".git" / "index").write_bytes(b"broken")


def _broken_object(folder: Path) -> None:
    _same(folder)
    for path in (folder / ".git" / "objects").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(b"")


def _no_commit(folder: Path) -> None:
    git(folder, "init", "--quiet")


def _requirements(folder: Path) -> None:
    commit(folder, {"pyproject.toml": "[project]\nname = 'mini'\ndependencies = ['torch']\n"})
    commit(folder, {"pyproject.toml": "[project]\nname = 'mini'\ndependencies = ['torch<3']\n"})


def _broken_toml(folder: Path) -> None:
    commit(folder, {"pyproject.toml": "[project\n", "setup.cfg": "x\n", "setup.py": "(\n"})
    _slower(folder)


STATES: dict[str, tuple[Prepare, str]] = {
    "no repository": (leave, "refused"),
    "a repository without a commit": (_no_commit, "refused"),
    "one commit only": (_prepare(leave), "refused"),
    "documentation changed only": (_prepare(_same), "accepted"),
    "a slower head": (_prepare(_slower), "refused"),
    "a slower head in src": (_prepare(partial(_slower, place="src/"), place="src/"), "refused"),
    "a slower head in python": (
        _prepare(partial(_slower, place="python/"), place="python/"),
        "refused",
    ),
    "a subject in Latin-1": (_prepare(_latin_1), "told"),
    "a path in Latin-1": (_prepare(_latin_1_path), "accepted"),
    "log.showSignature": (_prepare(partial(_configured, "log.showSignature", "true")), "accepted"),
    "color.ui = always": (_prepare(partial(_configured, "color.ui", "always")), "accepted"),
    "core.quotePath = false": (
        _prepare(partial(_configured, "core.quotePath", "false")),
        "accepted",
    ),
    "log.date = raw": (_prepare(partial(_configured, "log.date", "raw")), "accepted"),
    "format.pretty = raw": (_prepare(partial(_configured, "format.pretty", "raw")), "accepted"),
    "status.short": (_prepare(partial(_configured, "status.short", "true")), "accepted"),
    "core.abbrev = 4": (_prepare(partial(_configured, "core.abbrev", "4")), "accepted"),
    "diff.noprefix": (_prepare(partial(_configured, "diff.noprefix", "true")), "accepted"),
    "a submodule with a new commit": (_prepare(_submodule), "told"),
    "a generated _version.py": (_prepare(_generated), "told"),
    "a bare repository": (_prepare(_bare), "told"),
    "a broken index": (_prepare(_broken_index), "told"),
    "broken objects": (_prepare(_broken_object), "refused"),
    "another requirement": (_prepare(_requirements), "told"),
    "pyproject.toml, setup.cfg and setup.py that cannot be read": (_prepare(_broken_toml), "told"),
}
"""States of a repository, and what must come of the gate there; a slower head ends with 5."""

NAMED = "[Benchmark({!r}, make_step)]"
FILES: dict[str, tuple[str, str]] = {
    "no benchmarks": (format_benchmarks(listed="[]"), "refused"),
    "no list": (format_benchmarks(listed="None"), "refused"),
    "numbers": (format_benchmarks(listed="[1, 2]"), "refused"),
    "a dictionary": (format_benchmarks(listed="{}"), "refused"),
    "one name twice": (format_benchmarks(listed=f"2 * {ONE}"), "refused"),
    "an exception": ("1 / 0\n", "refused"),
    "no Python": ("this is no Python\n", "refused"),
    "sys.exit(0)": ("import sys\nsys.exit(0)\n", "refused"),
    "a process that ends": ("import os\nos._exit(0)\n", "refused"),
    "work that cannot be made": (format_benchmarks(make="raise ValueError"), "refused"),
    "work that is None": (format_benchmarks(make="return None"), "refused"),
    "work that raises": (format_benchmarks(make="return lambda: 1 / 0"), "refused"),
    "work that exits": (format_benchmarks(make="return lambda: sys.exit(0)"), "refused"),
    "work that raises ESC": (
        format_benchmarks(make="raise ValueError('\\x1b[31m```\\n# title')"),
        "refused",
    ),
    "output on the screen": (format_benchmarks(make="print('words')"), "told"),
    "a name with a comma": (format_benchmarks(listed=NAMED.format("a,b")), "told"),
    "an empty name": (format_benchmarks(listed=NAMED.format("")), "refused"),
    "a name with ESC": (format_benchmarks(listed=NAMED.format("\x1b[31m")), "told"),
    "a name with a line end": (format_benchmarks(listed=NAMED.format("a\nb")), "told"),
    "a name with a tag": (format_benchmarks(listed=NAMED.format("<img src=x>|`")), "told"),
    "a name that is a number": (format_benchmarks(listed=NAMED.format(7)), "refused"),
    "a margin of nan": (
        format_benchmarks(listed='[Benchmark("sum", make_step, margin=float("nan"))]'),
        "refused",
    ),
    "a negative margin": (
        format_benchmarks(listed='[Benchmark("sum", make_step, margin=-1)]'),
        "refused",
    ),
    "settings that are no mapping": (
        format_benchmarks(listed='[Benchmark("sum", make_step, 7)]'),
        "refused",
    ),
    "settings that are no JSON": (
        format_benchmarks(listed='[Benchmark("sum", make_step, {"x": object()})]'),
        "told",
    ),
    **{
        f"a training that gives {value}": (
            format_benchmarks(
                learn=f"return {value}", listed='[Benchmark("sum", make_step, train=learn)]'
            ),
            "told",
        )
        for value in (
            *("None", "0.9", "Trained(float('nan'))", "Trained(float('inf'))", "Trained('x')"),
            *("Trained(0.9, [float('nan')])", "Trained(0.9, 'words')", "Trained(None)"),
        )
    },
}
"""Benchmark files, and what must come of the gate on a head that changed the code."""


def _history(change: Callable[[Path, int], object], folder: Path) -> None:
    """Commit the good result four times, each time changed."""
    git(folder, "init", "--quiet", "--initial-branch", "main")
    for number in range(4):
        change(folder / "results" / "good", number)
        commit(folder, {"NUMBER": f"{number}\n"}, f"Result {number}")


def _break_file(name: str, good: Path, number: int) -> None:
    path = good / name
    if number == 1:
        (good.parent / "kept").write_bytes(path.read_bytes())
        path.write_bytes(b"broken\n")
    elif number == 2:
        path.write_bytes((good.parent / "kept").read_bytes())


def _remove(good: Path, number: int) -> None:
    if number == 1:
        good.rename(good.with_name("moved"))
    elif number == 2:
        good.with_name("moved").rename(good)


def _point_to_lfs(good: Path, number: int) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    if number == 1:
        (good.parent / "kept").write_bytes((good / "runs.csv").read_bytes())
        (good / "runs.csv").write_text(pointer)
    elif number == 2:
        (good / "runs.csv").write_bytes((good.parent / "kept").read_bytes())


HISTORIES: dict[str, Callable[[Path, int], object]] = {
    "nothing changed": lambda good, number: None,
    "a broken runs.csv": partial(_break_file, "runs.csv"),
    "a broken epochs.csv": partial(_break_file, "epochs.csv"),
    "a broken environment.json": partial(_break_file, "environment.json"),
    "a result that was away": _remove,
    "a pointer of LFS": _point_to_lfs,
}
"""Revisions of a result: `history` must read the good ones and name the others."""


def list_trials() -> Iterator[Trial]:
    """Yield the trials of this family."""
    for what, (prepare, expected) in STATES.items():
        yield Trial("repositories", f"gate: {what}", GATE, expected, prepare)
        words: tuple[str, ...] = ("gate", "--base", "HEAD~1", "--budget", "4")
        words += ("--summary", "summary.md")
        yield Trial("repositories", f"gate of the worktree: {what}", words, expected, prepare)
    for what, (content, expected) in FILES.items():
        prepare = _prepare(
            lambda folder: commit(folder, {"mini/work.py": WORK + "x = 1\n"}), content
        )
        words = (*GATE, "--summary", "reports/summary.md", "--evidence", "reports/evidence.csv")
        yield Trial("repositories", f"benchmarks: {what}", words, expected, prepare)
    for path in ("/dev/full", "/proc/nosuch", "nosuch/file", "results", "a" * 300):
        for option in ("summary", "evidence"):
            words = (*GATE, f"--{option}", path)
            what = f"gate: --{option} {path[:40]}"
            yield Trial("repositories", what, words, "refused", _prepare(_same))
        step = {"GITHUB_STEP_SUMMARY": path}
        what = f"gate: GITHUB_STEP_SUMMARY={path[:40]}"
        yield Trial("repositories", what, GATE, "told", _prepare(_same), step)
    for number in range(4):
        commands = (GATE, ("history", "good"), ("env",), ("report", "good"))
        surroundings = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
        what = f"git that refuses a folder of somebody else's: {commands[number][0]}"
        expected = "refused" if number < 2 else "accepted"
        prepare = _prepare(_same)
        yield Trial("repositories", what, commands[number], expected, prepare, surroundings)
        what = f"no git: {commands[number][0]}"
        yield Trial("repositories", what, commands[number], expected, prepare, {"PATH": "/nosuch"})
    for what, change in HISTORIES.items():
        prepare = partial(_history, change)
        words = ("history", "good")
        yield Trial("repositories", f"history: {what}", words, "accepted", prepare)
    words = (*GATE, "--repository", "results/clone")
    yield Trial("repositories", "gate: a shallow clone", words, "refused", _prepare(_shallow))
