"""Benchmarks of the gate on their way to a verdict: rules, scores, what a side cannot do."""

import gc
import json
import math
import shutil
import subprocess
import sys
import types
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqbench.errors import SettingError, UsageError
from seqbench.gate.cases import Case, Part, Scored
from seqbench.gate.headline import format_headline
from seqbench.gate.origins import ForeignCodeError, check_origin
from seqbench.gate.processes import LateError, VersionError
from seqbench.gate.rules import Rules, join_names, parse_shares, split_names
from seqbench.gate.verdicts import Verdict
from seqbench.gate.versions import Version

VERSION = Version("main", "c" * 40, "A project", False, Path())

DECLARED: dict[str, Any] = {
    "name": "rnn",
    "settings": {},
    "work": ("gate.py", "make_step"),
    "train": ("gate.py", "learn"),
    "margin": 0.05,
    "memory_margin": 0.1,
    "score_margin": 0.02,
    "metric": "accuracy",
    "higher_is_better": True,
    "error_rate": None,
}


def make_case(**changes: Any) -> Case:
    return Rules().make_case(DECLARED | changes, share=0.01)


def score_of(case: Case) -> Verdict:
    assert case.score is not None
    return case.score.verdict


def test_scores_are_equal_only_if_their_traces_are_too() -> None:
    case = make_case()
    case.add_seed((0.9, (0.5, 0.25)), (0.9, (0.5, 0.25)))
    assert case.wants_seeds(2)
    case.add_seed((0.8, (0.125,)), (0.8, (0.125,)))
    assert score_of(case) == Verdict.EQUAL
    assert not case.wants_seeds(2)
    case.add_seed((0.9, (0.5, 0.25)), (0.9, (0.5, math.nextafter(0.25, 1))))
    assert score_of(case) == Verdict.INCONCLUSIVE
    assert case.wants_seeds(2)


@pytest.mark.parametrize(
    ("higher_is_better", "verdict"), [(True, Verdict.BETTER), (False, Verdict.WORSE)]
)
def test_which_way_a_score_runs_decides_what_is_better(
    higher_is_better: bool, verdict: Verdict
) -> None:
    case = make_case(higher_is_better=higher_is_better, metric="cross_entropy")
    for _ in range(10):
        case.add_seed((0.5, ()), (0.6, ()))
    assert score_of(case) == verdict


NOTHING = [
    (math.nan, (0.5,)),
    (math.inf, (0.5,)),
    (0.9, (0.5, math.inf)),
    (0.9, (math.nan, 0.5)),
    (0.9, (-math.inf,)),
]


@pytest.mark.parametrize("nothing", NOTHING)
def test_a_training_that_comes_to_nothing_is_worse_than_any(nothing: Scored) -> None:
    worse, better = make_case(), make_case()
    for _ in range(20):
        worse.add_seed((0.9, (0.5,)), nothing)
        better.add_seed(nothing, (0.9, (0.5,)))
    assert (score_of(worse), score_of(better)) == (Verdict.WORSE, Verdict.BETTER)
    assert "rnn no longer learns" in format_headline([worse])
    assert "rnn learns now" in format_headline([better])


@pytest.mark.parametrize("nothing", NOTHING)
def test_two_trainings_that_come_to_nothing_are_not_equal(nothing: Scored) -> None:
    case = make_case()
    case.add_seed(nothing, nothing)
    assert score_of(case) == Verdict.NOT_COMPARABLE
    case.add_seed((0.9, (0.5,)), (0.9, (0.5,)))  # the next seed learns
    assert score_of(case) == Verdict.INCONCLUSIVE
    for _ in range(30):
        case.add_seed((0.9, (0.5,)), (0.9, (0.5,)))
    assert score_of(case) == Verdict.SAME


@pytest.mark.parametrize(("part", "other"), [("time", "score"), ("score", "time")])
def test_what_only_the_base_cannot_do_leaves_the_other_part_to_be_compared(
    part: Part, other: Part
) -> None:
    case = make_case()
    case.add_pair(1.0, 1.0)
    case.add_seed((0.9, ()), (0.8, ()))
    case.fail(part, VersionError("base", VERSION, "no such gate"))
    assert getattr(case, part).verdict == Verdict.NOT_COMPARABLE
    assert getattr(case, other).verdict == Verdict.INCONCLUSIVE
    assert case.stuck == (part == "time")
    case.fail(part, VersionError("head", VERSION, "no such gate"))
    assert {finding.verdict for finding in case.findings} == {Verdict.FAILED}


@pytest.mark.parametrize("side", ["base", "head"])
@pytest.mark.parametrize("part", ["time", "memory", "score"])
def test_what_took_too_long_is_undecided_unless_it_hangs(part: Part, side: str) -> None:
    case, hanging = make_case(), make_case()
    error = LateError(side, VERSION, 25.0)
    case.fail(part, error)
    assert getattr(case, part).verdict == Verdict.INCONCLUSIVE
    assert "25.0 s" in case.late[part]
    wants = (case.wants_pairs(), case.wants_memory(2), case.wants_seeds(2))
    assert wants == (part != "time", part != "memory", part != "score")
    error.hangs = True
    hanging.fail(part, error)
    expected = Verdict.FAILED if side == "head" else Verdict.NOT_COMPARABLE
    assert getattr(hanging, part).verdict == expected


def test_without_a_training_there_is_no_score() -> None:
    case = make_case(train=None)
    assert case.score is None
    assert not case.wants_seeds(2)


def test_rules_go_before_what_a_benchmark_declares_and_its_name_before_all_others() -> None:
    rules = Rules(margin=0.1, margins={"lstm": 0.2}, error_rates={"lstm": 0.3})
    declared = [
        DECLARED | {"name": name, "margin": 0.01, "error_rate": 0.02} for name in ("a", "lstm")
    ]
    one, other = (rules.make_case(each, share=0.001) for each in declared)
    assert (one.margin, one.error_rate, one.score_margin) == (0.1, 0.02, 0.02)
    assert (other.margin, other.error_rate) == (0.2, 0.3)
    assert Rules().make_case(DECLARED, share=0.001).error_rate == 0.001


def test_rules_out_of_range_are_refused() -> None:
    with pytest.raises(SettingError, match="margin"):
        Rules(margins={"rnn": 1.5})
    with pytest.raises(SettingError, match="error_rate"):
        Rules(error_rate=0.0)


@pytest.mark.parametrize(
    ("text", "everywhere", "named"),
    [
        ("0.05", 0.05, {}),
        ("0.3, gated=0.01", 0.3, {"gated": 0.01}),
        ("a=b=0.1", None, {"a=b": 0.1}),
        ("lstm, 2 layers=0.1,0.02", 0.02, {"lstm, 2 layers": 0.1}),
        ('"hidden=64, layers=2=0.1"', None, {"hidden=64, layers=2": 0.1}),
    ],
)
def test_shares_are_parsed_with_names_that_have_commas(
    text: str, everywhere: float | None, named: dict[str, float]
) -> None:
    assert parse_shares("margin", [text]) == (everywhere, named)


@pytest.mark.parametrize("text", ["much", "a=", "=", "=0.1", " =0.1", "", "0.1,much", '"'])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="must be a fraction"):
        parse_shares("margin", [text])


NAMES = ["rnn", "lstm, 2 layers", "a,b", 'say "hi"', "x=1", " spaced "]


@given(st.lists(st.sampled_from(NAMES[:-1]), min_size=1, unique=True))
def test_names_are_joined_as_they_are_split(names: list[str]) -> None:
    assert split_names(join_names(names)) == names
    assert set(Rules(only=(join_names(names),)).choose(NAMES)) == set(names)


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_is_chosen_by_its_name_as_it_stands(name: str) -> None:
    assert Rules(only=(name,)).choose(NAMES) == [name]


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.1, math.nan, math.inf])
def test_a_margin_that_is_none_is_refused_when_it_is_declared(margin: float) -> None:
    with pytest.raises(UsageError, match="the benchmark rnn declares margin="):
        make_case(margin=margin)


def check(root: Path, *functions: object, **modules: Path) -> None:
    """Look at the origin of modules that seem to have come from some files, and of functions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "modules", {})
        patch.setattr(gc, "get_objects", lambda: functions)
        for name, file in modules.items():
            module = ModuleType(name)
            module.__file__ = str(file)
            sys.modules[name.replace("__", ".")] = module
        check_origin(root, [root, root / "src"], set())


def test_code_that_comes_from_elsewhere_is_not_taken_for_the_versions(tmp_path: Path) -> None:
    root, copy = tmp_path / "version", tmp_path / "copy"
    for name in ("odd/place/own/__init__.py", "vendor/lent/__init__.py", "tests/lent/__init__.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "src" / "mini").mkdir(parents=True)
    (root / "src" / "mini" / "__init__.py").touch()
    (root / "types.py").touch()
    (root / "wandb").mkdir()  # what a package of that name has written
    installed = tmp_path / "lib" / "site-packages"
    check(root, mini=root / "src/mini/__init__.py", numpy=installed / "numpy/__init__.py")
    check(root, json=Path(json.__file__), seqbench=copy / "seqbench/__init__.py")
    check(root, types=Path(types.__file__), wandb=installed / "wandb/__init__.py")
    for name in ("own/__init__.py", "lent/__init__.py", "big/__init__.py", "big/version.py"):
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).touch()
    (root / "backends" / "big").mkdir(parents=True)
    (root / "backends" / "big" / "__init__.py").touch()  # called like another package
    check(root, lent=installed / "lent/__init__.py", big=installed / "big/__init__.py")
    check(root, sitecustomize=Path("/etc/python3/sitecustomize.py"))
    check(root, torch=installed / "torch/__init__.py", torch__made=tmp_path / "cache/made.py")
    for modules in (
        {"mini": copy / "mini/__init__.py"},
        {"mini__harness": copy / "mini/harness.py"},
        {"mini": installed / "mini/__init__.py"},  # it has that itself
        {"other": copy / "other.py"},
        {"own": installed / "own/__init__.py"},
    ):
        with pytest.raises(
            ForeignCodeError, match=r"(mini|other|own) was imported from .* not from the ver"
        ):
            check(root, **modules)


def test_compiled_code_of_the_working_copy_is_not_taken_for_the_versions(tmp_path: Path) -> None:
    library = next(Path(sys.prefix).rglob("*.so"))
    copies = {name: tmp_path / name / "lib.so" for name in ("version", "copy", "elsewhere")}
    for each in copies.values():
        each.parent.mkdir()
        shutil.copyfile(library, each)
    (tmp_path / "version" / ".git").write_text(f"gitdir: {tmp_path}/copy/.git/worktrees/version\n")
    (tmp_path / "copy" / "site-packages").mkdir()
    inside = tmp_path / "copy" / "site-packages" / "lib.so"
    shutil.copyfile(library, inside)

    def look(*loaded: Path) -> subprocess.CompletedProcess[str]:
        script = "import mmap, sys\nfrom pathlib import Path\n"
        script += "from seqbench.gate.origins import check_origin\n"
        script += "files = [open(each, 'rb') for each in sys.argv[2:]]\n"
        script += "prot = mmap.PROT_READ | mmap.PROT_EXEC\n"
        script += "kept = [mmap.mmap(each.fileno(), 0, prot=prot) for each in files]\n"
        script += "check_origin(Path(sys.argv[1]), [Path(sys.argv[1])], set())"
        words = [sys.executable, "-c", script, tmp_path / "version", *loaded]
        return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)

    fine = look(copies["version"], copies["elsewhere"], inside)
    assert fine.returncode == 0, fine.stderr
    assert f"{copies['copy']} was loaded" in look(copies["copy"]).stderr


def load(file: Path, name: str = "loaded") -> object:
    """Return a function of a file, whose module is entered nowhere."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("def work():\n    pass\n")
    names: dict[str, Any] = {"__name__": name}
    exec(compile(file.read_text(), file, "exec"), names)
    return names["work"]


def test_code_that_was_loaded_past_the_import_system_is_seen_too(tmp_path: Path) -> None:
    root, copy = tmp_path / "version", tmp_path / "copy"
    installed = tmp_path / "lib" / "site-packages"
    made: dict[str, Any] = {}
    exec("def made(): pass", made)  # as dataclasses do
    fine = load(root / "fine.py"), load(installed / "other.py"), made["made"], 1, object
    check(root, *fine)
    check(root, load(copy / "cache.py", "other.made"), other=installed / "other.py")
    with pytest.raises(
        ForeignCodeError, match=r"loaded was imported from .*copy.code\.py, not from"
    ):
        check(root, *fine, load(copy / "code.py"))
