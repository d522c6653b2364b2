"""Options and arguments: every one of them with texts that do not belong there."""

from collections.abc import Iterator

from benchmarks.hostile.trial import Trial

SMALL = {
    "task": "row-digits",
    "variant": "rnn",
    "hidden-size": "4",
    "num-layers": "1",
    "train-examples": "32",
    "epochs": "1",
    "seeds": "1",
    "threads": "1",
    "name": "trial",
    "results": "results",
}
"""A run of a second: what is hostile comes in place of one of these, or is added."""

OFFLINE = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}

NO_NUMBERS = (
    *("nan", "NaN", "inf", "-inf", "1e999", "1e-999x", "abc", "true", "None", "null", "0x10"),
    *("1_0", "１２", "٣", "½", "1 2", "1;2", "1/2", "1e", "--", "++1", "=1+1", "'", '"', "\\"),
    *("\x1b[31m1", "\udcff", "\U0001f600", "$(id)", "9" * 5000, "1\n2", "{}", "[1]"),
)
"""Texts that no option for a number may take."""

NO_NAMES = (
    *("", " ", "nosuch", "*nosuch*", "../x", "/etc/passwd", "a" * 300, "RNN ", "rnn\nlstm", "-"),
    *("\x1b[31mrnn", "\udcff", "名前", "rnn;lstm", "=1+1", "<img src=x>", "$(id)", "None", "[a]"),
    *("{rnn}", "rnn\\", "ｒｎｎ", "weather.csv", "'", "```", "rnn,,lstm"),
)
"""Texts that name nothing that is registered, and can name no result."""

NUMBERS = {
    "seeds": ("-1", "0", "1001", "1.5", "3,x", "-1,", "2147483648,", "99999999999999999999,"),
    "length": ("-1", "0", "1.5"),
    "train-examples": ("-1", "0", "1.5", "1000000000", "99999999999999999999"),
    "epochs": ("-1", "0", "1.5", "1e-1"),
    "batch-size": ("-1", "0", "1.5"),
    "learning-rate": ("-1", "0", "-0.0", "1e400"),
    "clip-norm": ("-1", "0"),
    "hidden-size": ("-1", "0", "1.5"),
    "num-layers": ("-1", "0", "1.5"),
    "dropout": ("-1", "1", "1.0", "2"),
    "threads": ("-1", "0", "1.5"),
    "eval-every": ("-1", "0", "1.5", ""),
    "target": ("",),
    "timeout": ("-1", "0", "-0.0", ""),
    "match-parameters": ("-1", "0", "1.5", ""),
}
"""By option for a number: what is out of its range."""

NAMES = ("suite", "task", "variant", "readout", "schedule", "implementation", "precision", "device")

VAST = (
    ("hidden-size", "10000000"),
    ("hidden-size", "99999999999999999999"),
    ("num-layers", "100000"),
    ("num-layers", "99999999999999999999"),
    ("batch-size", "99999999999999999999"),
    ("threads", "100000"),
    ("threads", "99999999999999999999"),
    ("eval-every", "99999999999999999999"),
    ("match-parameters", "99999999999999999999"),
    ("match-parameters", "1"),
)
"""Numbers of the right kind that no machine can do: a row, or a refusal, within the patience."""

VAST_TASKS = (
    {"task": "adding", "length": "100000000"},
    {"task": "adding", "length": "99999999999999999999"},
    {"task": "copying", "length": "100000000"},
    {"task": "mackey-glass", "length": "100000000"},
    {"task": "bouncing-balls", "length": "100000000"},
    {"task": "adding", "length": "1"},
    {"task": "copying", "length": "1"},
    {"task": "mackey-glass", "length": "1"},
)

NO_PATHS = (
    "/dev/full",
    "/dev/null",
    "/etc/passwd",
    "/proc/nosuch",
    "a" * 300,
    "results/good/runs.csv",
)
"""Paths in which no folder can be made."""

NO_PLUGINS = (
    "",
    "nosuch.py",
    "/etc/passwd",
    "results",
    "/dev/null",
    "\udcff.py",
    "a" * 300 + ".py",
)

ARGUMENTS = (
    ("report", "{}"),
    ("compare", "good", "{}"),
    ("compare", "{}", "good"),
    ("pool", "both", "{}"),
    ("pool", "{}", "good"),
    ("show", "{}"),
    ("verify", "{}"),
    ("history", "{}"),
    ("history", "--folder", "{}"),
    ("explain", "gates", "--task", "{}"),
    ("explain", "gradients", "--variant", "{}"),
    ("gate", "--base", "{}"),
    ("list", "--plugin", "{}"),
    ("{}",),
)
"""Commands with one text that names nothing in the place of ``{}``."""

GATE_SHARES = ("margin", "memory-margin", "score-margin", "error-rate")


def run_words(changes: dict[str, str]) -> tuple[str, ...]:
    """Return the small run with some options instead of its own, or added."""
    return ("run", *(f"--{name}={text}" for name, text in (SMALL | changes).items()))


def list_trials() -> Iterator[Trial]:
    """Yield the trials of this family."""
    yield from _list_numbers()
    yield from _list_names()
    yield from _list_vast()
    yield from _list_arguments()
    yield from _list_gate()


def _list_numbers() -> Iterator[Trial]:
    for option, out_of_range in NUMBERS.items():
        changes = {"task": "adding"} if option == "length" else {}
        for text in (*NO_NUMBERS, *out_of_range):
            expected = "told" if (option, text) == ("epochs", "0") else "refused"
            if option == "match-parameters":
                words = [each for each in run_words({}) if not each.startswith("--hidden-size")]
                words.append(f"--{option}={text}")
            else:
                words = list(run_words({**changes, option: text}))
            yield Trial("options", f"run --{option} {text[:40]!r}", tuple(words), expected)


def _list_names() -> Iterator[Trial]:
    for option in NAMES:
        for text in NO_NAMES:
            words = run_words({option: text})
            yield Trial("options", f"run --{option} {text[:40]!r}", words, "refused")
    for text in NO_NAMES:
        expected = "told" if text in ("nosuch",) else "refused"
        yield Trial("options", f"run --name {text[:40]!r}", run_words({"name": text}), expected)
    for text in ("yes", "1", "maybe", "", "True"):
        words = run_words({"cuda-graph": text})
        yield Trial("options", f"run --cuda-graph {text!r}", words, "refused")
    for option in ("results", "reports"):
        for text in NO_PATHS:
            words = (*run_words({option: text}), "--report")
            yield Trial("options", f"run --{option} {text[:40]!r}", words, "refused")
            words = ("report", "good", f"--{option}", text)
            yield Trial("options", f"report --{option} {text[:40]!r}", words, "refused")
    for text in NO_PLUGINS:
        words = run_words({"plugin": text})
        yield Trial("options", f"run --plugin {text[:40]!r}", words, "refused")
    for text in (*NO_PATHS, "nosuch", "results"):
        words = run_words({"task": "row-mnist", "data": text})
        yield Trial("options", f"run --data {text[:40]!r}", words, "refused", surroundings=OFFLINE)


def _list_vast() -> Iterator[Trial]:
    for option, text in VAST:
        words = run_words({option: text})
        if option == "match-parameters":
            words = tuple(each for each in words if not each.startswith("--hidden-size"))
        expected = "told" if option in ("batch-size", "threads", "eval-every") else "row"
        yield Trial("options", f"run --{option} {text}", words, expected)
    for changes in VAST_TASKS:
        yield Trial("options", f"run {changes}", run_words(changes), "told")


def _list_arguments() -> Iterator[Trial]:
    for words in ARGUMENTS:
        for text in NO_NAMES:
            if words == ("pool", "{}", "good") and text == "nosuch":
                continue  # a good name for a new result
            filled = tuple(word.replace("{}", text) for word in words)
            documented = {("{}",), ("report", "{}")}  # no text is no argument, or the folder itself
            expected = "told" if words in documented and not text.strip() else "refused"
            yield Trial("options", " ".join(filled)[:60], filled, expected)


def _list_gate() -> Iterator[Trial]:
    for option in GATE_SHARES:
        for text in (*NO_NUMBERS, "-1", "x=0.1", "=", "=0.1"):
            words = ("gate", "--base", "HEAD", f"--{option}={text}")
            yield Trial("options", f"gate --{option} {text[:40]!r}", words, "refused")
    for option in ("budget", "only", "benchmarks", "repository", "base-env", "head"):
        for text in ("nan", "-1", "", "/etc/passwd", "\udcff", "a" * 300):
            words = ("gate", "--base", "HEAD", f"--{option}={text}")
            yield Trial("options", f"gate --{option} {text[:40]!r}", words, "refused")
