"""The hostile trials: their number, their draws, and a judge that sees what is wrong."""

import sys
from pathlib import Path

import pytest

from benchmarks.hostile import trial as trials
from benchmarks.hostile.__main__ import FAMILIES, list_trials
from benchmarks.hostile.trial import Trial, find_faults, run_trial


def test_there_are_more_than_a_thousand_of_all_families() -> None:
    listed = list_trials(seed=0, cells=200, values=150)
    assert len(listed) >= 1000
    assert {each.family for each in listed} == set(FAMILIES)
    assert all(min(sum(t.family == f for t in listed) for f in FAMILIES) >= 40 for _ in listed[:1])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_draws_follow_from_the_seed(seed: int) -> None:
    def list_draws(seed: int) -> list[str]:
        drawn = [t for t in list_trials(seed, 50, 50) if "random" in t.what]
        return [repr((t.what, t.words, getattr(t.prepare, "keywords", {}))) for t in drawn]

    assert list_draws(seed) == list_draws(seed)
    assert list_draws(seed) != list_draws(seed + 1)


TRACEBACK = "Traceback (most recent call last):\n  File x\nKeyError: 'a'\n"


@pytest.mark.parametrize(
    ("expected", "code", "output", "faults"),
    [
        ("refused", 2, "error: no", []),
        ("refused", 0, "", ["accepted in silence"]),
        ("refused", 1, TRACEBACK, ["traceback"]),
        ("refused", 2, " \n", ["no word said"]),
        ("accepted", 0, "", []),
        ("accepted", 2, "error: no", ["good input refused"]),
        ("told", 2, "error: no", []),
        ("told", None, "", ["hang"]),
        ("told", -11, "words", ["undocumented exit code"]),
        ("told", 0, "\x1b[31mred", ["control characters on the screen"]),
        ("told", 0, "two\r\nlines\tand\n", []),
    ],
)
def test_what_is_wrong_is_seen(
    expected: str, code: int | None, output: str, faults: list[str]
) -> None:
    assert list(find_faults(Trial("x", "x", (), expected), code, output)) == faults


ROW = "run_id,status\n1,ok\n"
SCRIPTS = {
    "pass": (),
    "raise ValueError": ("traceback",),
    "import time; time.sleep(60)": ("hang",),
    "import shutil; shutil.rmtree('results/good')": ("rows lost",),
    "import shutil; shutil.move('results/good', 'results/.earlier')": (),
    "open('results/good/runs.csv', 'a').write('2,ok\\n')": (),
    "open('reports/x/README.md', 'w').write('a <img src=x> here')": ("raw text in a page",),
    r"open('reports/x/README.md', 'w').write('a \\\\<img src=x>')": ("raw text in a page",),
    r"open('reports/x/README.md', 'w').write('a \\<img src=x> here')": (),
    "open('reports/x/README.md', 'w').write('`<img src=x>`')": (),
    "import os; os.mkdir('reports/x/README.md')": (),
    "open('reports/x/README.md', 'w').write('\\x1b')": ("raw text in a page",),
    "import os; os.kill(os.getpid(), 9)": ("undocumented exit code", "no word said"),
}


@pytest.mark.parametrize(("script", "faults"), SCRIPTS.items())
def test_what_a_command_does_to_its_folder_is_seen(
    script: str, faults: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "SEQBENCH", (sys.executable, "-c"))
    monkeypatch.setattr(trials, "PATIENCE_S", 3)
    good = tmp_path / "template" / "results" / "good"
    good.mkdir(parents=True)
    (good / "runs.csv").write_text(ROW)
    (tmp_path / "template" / "reports" / "x").mkdir(parents=True)
    found = run_trial(Trial("x", "x", (script,)), tmp_path / "template", tmp_path / "trial")
    assert found.faults == faults
    assert not (tmp_path / "trial").exists()
