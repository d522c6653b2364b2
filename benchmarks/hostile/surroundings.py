"""What a command finds around it: variables, terminals, pipes, and files of the user's."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from benchmarks.hostile.options import OFFLINE, run_words
from benchmarks.hostile.trial import Trial

COMMANDS = (
    ("list",),
    ("show", "gru"),
    ("env",),
    ("report", "good"),
    ("compare", "good", "other"),
    ("pool", "both", "good"),
    (*run_words({}), "--report"),
)

VARIABLES: dict[str, Mapping[str, str | None]] = {
    "an ASCII locale": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a locale that is not there": {"LC_ALL": "xx_XX.UTF-8"},
    "an ASCII terminal": {"PYTHONIOENCODING": "ascii"},
    "a strict ASCII terminal": {"PYTHONIOENCODING": "ascii:strict"},
    "a Latin-1 terminal": {"PYTHONIOENCODING": "latin-1"},
    "a cp1252 terminal": {"PYTHONIOENCODING": "cp1252"},
    "20 columns": {"COLUMNS": "20"},
    "1 column": {"COLUMNS": "1"},
    "no columns": {"COLUMNS": "0"},
    "columns that are no number": {"COLUMNS": "wide"},
    "TERM=dumb": {"TERM": "dumb"},
    "no TERM": {"TERM": None},
    "TERM=nosuch": {"TERM": "nosuch"},
    "NO_COLOR": {"NO_COLOR": "1"},
    "MPLBACKEND=nosuch": {"MPLBACKEND": "nosuch"},
    "MPLBACKEND=TkAgg": {"MPLBACKEND": "TkAgg"},
    "MPLCONFIGDIR in no folder": {"MPLCONFIGDIR": "/proc/nosuch"},
    "XDG_CACHE_HOME in no folder": {"XDG_CACHE_HOME": "/dev/null"},
    "XDG_CONFIG_HOME in no folder": {"XDG_CONFIG_HOME": "/dev/null"},
    "no HOME": {"HOME": None},
    "HOME in no folder": {"HOME": "/proc/nosuch"},
    "TMPDIR in no folder": {"TMPDIR": "/proc/nosuch"},
    "an empty SEQBENCH_DATA": {"SEQBENCH_DATA": "", **OFFLINE},
    "SEQBENCH_DATA=~/data": {"SEQBENCH_DATA": "~/data", **OFFLINE},
    "OMP_NUM_THREADS that is no number": {"OMP_NUM_THREADS": "many"},
    "OMP_NUM_THREADS=1000": {"OMP_NUM_THREADS": "1000"},
    "CUDA_VISIBLE_DEVICES=nosuch": {"CUDA_VISIBLE_DEVICES": "nosuch"},
    "PYTHONOPTIMIZE=2": {"PYTHONOPTIMIZE": "2"},
    "PYTHONDONTWRITEBYTECODE": {"PYTHONDONTWRITEBYTECODE": "1"},
    "PYTHONHASHSEED=7": {"PYTHONHASHSEED": "7"},
    "PYTHONSAFEPATH": {"PYTHONSAFEPATH": "1"},
    "TZ=nosuch": {"TZ": "No/Such"},
    "no git on the path": {"PATH": "/nosuch"},
    "GIT_DIR in no folder": {"GIT_DIR": "/proc/nosuch"},
    "git that wants a password": {"GIT_ASKPASS": "/nosuch", "GIT_TERMINAL_PROMPT": "0"},
    "GITHUB_STEP_SUMMARY in no folder": {"GITHUB_STEP_SUMMARY": "/proc/nosuch"},
    "a variable of other bytes": {"STRANGE": "\udcff"},
    "CI": {"CI": "true", "GITHUB_ACTIONS": "true"},
}

COLOURS = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1"}

MATPLOTLIBRC = (
    "text.usetex: true\n",
    "savefig.bbox: tight\n",
    "backend: nosuch\n",
    "no such line\n",
    "savefig.dpi: 100000\n",
    "savefig.format: nosuch\n",
    "font.family: nosuch\naxes.prop_cycle: cycler('color', ['k'])\n",
)

SHADOWS = (
    *("signal", "socket", "random", "json", "csv", "typing", "types", "torch", "numpy", "pandas"),
    *(
        "logging",
        "multiprocessing",
        "statistics",
        "seqbench",
        "report",
        "results",
        "pickle",
        "enum",
    ),
)

LINES = (
    *(("$SEQBENCH list | head -1", "accepted"), ("$SEQBENCH list | true", "accepted")),
    *(("$SEQBENCH show gru | head -1", "accepted"), ("$SEQBENCH env | head -1", "accepted")),
    ("$SEQBENCH env | python3 -m json.tool", "accepted"),
    ("FORCE_COLOR=1 $SEQBENCH env | python3 -m json.tool", "accepted"),
    ("COLUMNS=20 FORCE_COLOR=1 TTY_COMPATIBLE=1 $SEQBENCH env | python3 -m json.tool", "accepted"),
    ("$SEQBENCH report good | true", "accepted"),
    ("$SEQBENCH report good >/dev/full; [ -s reports/good/README.md ]", "accepted"),
    ("$SEQBENCH list >/dev/full", "refused"),
    ("$SEQBENCH env >/dev/full", "refused"),
    ("$SEQBENCH compare good other >/dev/full", "refused"),
    ("$SEQBENCH list >&-", "told"),
    ("$SEQBENCH report good >&-; [ -s reports/good/README.md ]", "accepted"),
    ("$SEQBENCH report good 2>&-", "accepted"),
    ("$SEQBENCH report nosuch 2>&- || true", "accepted"),
    ("$SEQBENCH list <&-", "accepted"),
    ("$RUN | true; [ -s results/trial/runs.csv ]", "told"),
    ("$RUN >/dev/full; [ -s results/trial/runs.csv ]", "told"),
    ("$RUN >&-; [ -s results/trial/runs.csv ]", "told"),
    ("timeout -s INT 3 $RUN; true", "accepted"),
    ("timeout -s TERM 3 $RUN; true", "accepted"),
    ("(ulimit -n 20; $RUN)", "told"),
    ("(ulimit -f 8; $RUN)", "told"),
    ("(ulimit -v 500000; $RUN)", "told"),
    ("(ulimit -f 8; $SEQBENCH report good)", "told"),
    ("cd /proc && $SEQBENCH list", "accepted"),
    ("mkdir gone && cd gone && rmdir ../gone && $SEQBENCH list", "told"),
    ("mkdir gone && cd gone && rmdir ../gone && $RUN", "told"),
)
"""Lines for a shell; ``$RUN`` is a run of a second."""

Place = Callable[[Path], object]


def _write(name: str, content: str, folder: Path) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _move(name: str, folder: Path) -> None:
    (folder / "results" / "good").rename(folder / "results" / name)


def _replace(name: str, folder: Path) -> None:
    """Put a file into the place of a folder that is not there yet."""
    _write(name, "a file\n", folder)


def _loop(name: str, folder: Path) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(folder / name)


def _mkdir(name: str, folder: Path) -> None:
    (folder / name).mkdir(parents=True)


PLACES: dict[str, tuple[Place, tuple[str, ...], str]] = {
    "reports is a file": (partial(_replace, "reports"), ("report", "good"), "refused"),
    "the page is a folder": (
        partial(_mkdir, "reports/good/README.md"),
        ("report", "good"),
        "refused",
    ),
    "a figure is a folder": (
        partial(_mkdir, "reports/good/final_score.png"),
        ("report", "good"),
        "refused",
    ),
    "the report's folder is a loop": (
        partial(_loop, "reports/good"),
        ("report", "good"),
        "refused",
    ),
    "the result's folder is a file": (
        partial(_replace, "results/trial"),
        run_words({}),
        "refused",
    ),
    "the result's folder is a loop": (partial(_loop, "results/trial"), run_words({}), "refused"),
    "runs.csv is a folder": (partial(_mkdir, "results/trial/runs.csv"), run_words({}), "told"),
    "a folder of strange files": (
        partial(_write, "results/trial/strange.bin", "x"),
        run_words({}),
        "accepted",
    ),
    "a broken unfinished run": (
        partial(_write, "results/trial/.unfinished/broken", "x"),
        run_words({}),
        "told",
    ),
    "an unfinished run that is a pickle": (
        partial(_write, "results/trial/.unfinished/row-digits-rnn", "cos\nsystem\n(S'false'\ntR."),
        run_words({}),
        "told",
    ),
    "a broken lock": (partial(_write, "results/.trial.holder", "x"), run_words({}), "accepted"),
    "a lock that is a folder": (partial(_mkdir, "results/.trial.lock"), run_words({}), "told"),
    "a broken result beside": (
        partial(_write, "results/broken/runs.csv", "x"),
        ("report", "good"),
        "accepted",
    ),
    "a broken result among all": (
        partial(_write, "results/broken/runs.csv", "x"),
        ("report",),
        "refused",
    ),
    "a broken result in the history": (
        partial(_write, "results/broken/runs.csv", "x"),
        ("history", "--folder", "results"),
        "told",
    ),
}

NAMES = (
    *(
        "<img src=x onerror=1>",
        "a`b",
        "```",
        "a|b",
        "[a](b)",
        "\x1b[31m",
        "a\nb",
        "\udcff",
        " ",
        "-x",
    ),
    *("名前", "a" * 200, "#a", "*", "$(id)", "..a", "a.b", "=1"),
)
"""Names of result folders given by users."""


def list_trials() -> Iterator[Trial]:
    """Yield the trials of this family."""
    for what, surroundings in VARIABLES.items():
        for words in COMMANDS:
            named = f"{what}: {words[0]}"
            yield Trial("surroundings", named, words, "accepted", surroundings=surroundings)
    for words in COMMANDS:
        yield Trial("surroundings", f"colours: {words[0]}", words, "told", surroundings=COLOURS)
    for content in MATPLOTLIBRC:
        for words in COMMANDS[3:4] + COMMANDS[6:]:
            what = f"matplotlibrc {content.strip()!r}: {words[0]}"
            place = partial(_write, "matplotlibrc", content)
            yield Trial("surroundings", what, words, "accepted", place)
    for module in SHADOWS:
        for words in COMMANDS[3:4] + COMMANDS[6:]:
            what = f"a file {module}.py of the user's: {words[0]}"
            place = partial(_write, f"{module}.py", "raise ImportError('of the user')\n")
            yield Trial("surroundings", what, words, "accepted", place)
    yield from _list_places()
    run = " ".join(run_words({}))
    for line, expected in LINES:
        filled = (line.replace("$RUN", f"$SEQBENCH {run}"),)
        yield Trial("surroundings", line, filled, expected, shell=True)


def _list_places() -> Iterator[Trial]:
    for what, (place, words, expected) in PLACES.items():
        yield Trial("surroundings", what, words, expected, place)
    for name in NAMES:
        place = partial(_move, name)
        for words in (
            ("report", f"results/{name}"),
            ("compare", f"results/{name}", "other"),
            ("report",),
        ):
            what = f"a folder called {name[:40]!r}: {' '.join(words)[:20]!r}"
            yield Trial("surroundings", what, words, "accepted", place, spoilt=True)
