"""Small git repositories for tests: a project whose work has a clock of its own.

`OWN_CLOCK` is `seqbench gate` by that clock, so that tests do not depend on the machine.
"""

import subprocess
from pathlib import Path
from textwrap import dedent

SOON = ("--error-rate", "elman=0.9,gated=0.9")
"""Fewer pairs, and so a shorter test: what they are drawn from is far from the margins."""

OWN_CLOCK = Path(__file__).with_name("own_clock") / "gate.py"

BENCHMARKS = '''
"""Benchmarks of a project that is called mini."""

from seqbench.gate.benchmark import Benchmark, Trained

from mini import harness


def make_step(variant):
    """Return a training step."""
    return lambda: harness.step(variant)


def learn(variant, seed):
    """Train."""
    return Trained(*harness.train(variant, seed))


BENCHMARKS = [
    Benchmark(name, make_step, {"variant": name}, learn) for name in ("elman", "gated")
]
'''
HARNESS = '''
"""A harness whose steps take what its clock says, 0.1 % more or less by process and step."""

import random

STEP_S = {"elman": 0.010, "gated": 0.030}
process = random.Random()
layout = process.gauss(1, 0.001)
now = 0.0


def read_clock():
    return now


def step(variant):
    global now
    now += STEP_S[variant] * layout * process.gauss(1, 0.001)


def train(variant, seed):
    stream = random.Random(f"{variant} {seed}")
    losses = [stream.random() for epoch in range(3)]
    return 0.9 + 0.01 * stream.random(), losses
'''


class Repository:
    """A git repository with the project in it, and what changes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commit(
            "A project",
            {"benchmarks/gate.py": BENCHMARKS, "mini/harness.py": HARNESS, "README.md": "mini\n"},
        )

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        command = ["git", *identity, "-c", "commit.gpgsign=false", *words]
        return subprocess.run(
            command, cwd=self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text).lstrip("\n"))

    def commit(self, subject: str, files: dict[str, str]) -> str:
        """Write files, commit them and return the commit's hash."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD")

    def replace(self, subject: str, file: str, before: str, after: str) -> str:
        """Replace a text in a file, commit that and return the commit's hash."""
        text = (self.folder / file).read_text()
        assert before in text
        return self.commit(subject, {file: text.replace(before, after)})
