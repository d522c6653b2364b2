"""Options: text to axes and back."""

import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from seqbench.cli import app, main
from seqbench.columns import columns
from seqbench.commands.options import (
    check_folder_name,
    check_timeout,
    format_command,
    list_seeds,
    option_of,
    parse_axes,
)
from seqbench.errors import ExitCode, SettingError, UsageError
from seqbench.harness.execution import Request
from seqbench.spec import GROUPS, RunSpec

OPTIONAL = ("length", "train_examples", "clip_norm", "eval_every", "target")
AXES = st.fixed_dictionaries(
    {},
    optional={
        "variant": st.lists(st.sampled_from(["rnn", "gru", "lstm"]), min_size=1, unique=True),
        "seed": st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True),
        "epochs": st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True),
        "learning_rate": st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=3, unique=True),
        "dropout": st.lists(st.floats(0, 0.99), min_size=1, max_size=3, unique=True),
        "target": st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=3, unique=True),
    },
)


def told(**wanted: Any) -> str:
    return format_command(Request(results=Path("results"), **wanted))


@given(AXES)
def test_the_command_of_a_result_gives_its_axes_again(axes: dict[str, list[Any]]) -> None:
    chosen = {setting: tuple(values) for setting, values in axes.items()}
    words = told(suite="quick", axes=chosen).split()
    assert words[:4] == ["seqbench", "run", "--suite", "quick"]
    given_options = dict(zip(words[4::2], words[5::2], strict=True))
    settings = {option_of(each.name): each.name for each in fields(RunSpec)}
    texts = {settings[option]: [text] for option, text in given_options.items()}
    assert parse_axes(texts) == chosen


def test_the_help_lists_every_setting_in_its_group() -> None:
    sections = re.split(r"\n\n(?=[A-Z].*:\n)", CliRunner().invoke(app, ["run", "--help"]).output)
    shown = {section.partition(":\n")[0]: section for section in sections[1:]}
    assert list(shown)[: len(GROUPS)] == list(GROUPS)
    for each in columns(RunSpec):
        for group, section in shown.items():
            listed = bool(re.search(rf"^  {option_of(each.name)} ", section, re.MULTILINE))
            assert listed is (group == each.group), (each.name, group)
    assert "Default: 128." in " ".join(shown["Model"].split())


def test_momentum_needs_an_optimizer_that_takes_it() -> None:
    arguments = ["run", "--task", "row-digits", "--variant", "rnn", "--momentum", "0.9"]
    with pytest.raises(SettingError, match="0 with adam") as refused:
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert refused.value.setting == "momentum"


def test_seeds_are_a_number_of_them_or_a_list() -> None:
    assert list_seeds("3") == ["0", "1", "2"]
    assert list_seeds("3,") == ["3"]
    assert list_seeds("3, 7") == ["3", "7"]
    for text in ("0", "-1", "1001", "x", ""):
        with pytest.raises(SettingError, match="a number of seeds from 1 to 1000"):
            list_seeds(text)


def test_options_may_be_repeated_or_listed_and_those_not_given_are_no_axes() -> None:
    assert parse_axes({"variant": ["rnn,gru", "lstm"], "epochs": None}) == {
        "variant": ("rnn", "gru", "lstm")
    }


def test_the_fastest_implementation_is_an_option_and_a_wrong_one_is_told_of_it() -> None:
    chosen = parse_axes({"implementation": ["native,fastest"]})
    assert chosen == {"implementation": ("native", "fastest")}
    assert told(axes=chosen) == "seqbench run --implementation native,fastest"
    with pytest.raises(SettingError, match=r"implementation must be .*native, .*, fastest, not"):
        parse_axes({"implementation": ["quickest"]})


def test_a_name_of_its_own_is_part_of_the_command() -> None:
    assert told(axes={"task": ("row-digits",)}, name="mine") == (
        "seqbench run --task row-digits --name mine"
    )


@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000,
        "0" * 5000,
        "1" * 10,
        "1001",
        "٣" * 5000,
        "²",
        "1_0",
        " 3",
        "+3",
        "3.0",
        "1e3",
        "-3",
    ],
)
def test_what_is_no_number_of_seeds_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="a number of seeds from 1 to 1000"):
        list_seeds(text)


@pytest.mark.parametrize("setting", ["target", "learning_rate", "clip_norm", "dropout"])
def test_no_setting_is_nan_or_infinite(setting: str) -> None:
    for text in ("nan", "inf", "-inf", "1e999", "NaN", "infinity"):
        with pytest.raises(SettingError, match=f"{setting} must be a number, "):
            parse_axes({setting: [text]})


@pytest.mark.parametrize("text", ["0", "1001", "100000", "9" * 5000])
def test_layers_are_refused_before_anything_is_built(text: str) -> None:
    with pytest.raises(
        SettingError, match="num_layers must be a whole number, at least 1 and less"
    ):
        parse_axes({"num_layers": [text]})


def test_what_decided_on_data_and_sizes_is_part_of_the_command() -> None:
    command = told(
        axes={"task": ("row-mnist",)},
        match_parameters=20_000,
        match_tolerance=0.1,
        allow_changed_data=True,
    )
    assert command == (
        "seqbench run --task row-mnist --match-parameters 20000 --match-tolerance 0.1 "
        "--allow-changed-data"
    )


@pytest.mark.parametrize("length", [201, 255, 300, 5000])
def test_names_that_no_folder_can_have_are_refused(length: int) -> None:
    with pytest.raises(SettingError, match="200 characters at most"):
        check_folder_name("a" * length)
    assert check_folder_name("a" * 200) == "a" * 200


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0, 0.0, 1e308, 1e7, -math.inf])
def test_times_that_nobody_can_wait_for_are_refused(seconds: float) -> None:
    with pytest.raises(SettingError, match="timeout must be greater than 0 and at most"):
        check_timeout(seconds)


@pytest.mark.parametrize("seconds", [None, 1e-9, 0.5, 3600, 1e6])
def test_times_that_one_can_wait_for_are_taken(seconds: float | None) -> None:
    assert check_timeout(seconds) == seconds


@pytest.mark.parametrize("setting", ["task", "variant"])
def test_a_file_is_no_name_and_how_it_becomes_one_is_told(setting: str) -> None:
    told = rf"--plugin my_file.py --{setting} its-name"
    for name in ("weather.csv", "./weather", "/tmp/a", "x.parquet", "C:\\x", "my_model.py", "~/a"):
        with pytest.raises(UsageError, match=told) as caught:
            parse_axes({setting: [f"rnn,{name}"]})
        assert repr(name) in str(caught.value)


def test_a_named_data_folder_is_part_of_the_command_without_its_path() -> None:
    command = told(axes={"task": ("row-mnist",)}, name="mine", data=Path("x"))
    assert command == "seqbench run --task row-mnist --data DIR --name mine"


NUMBERS = [
    *("run --match-parameters", "run --match-tolerance", "run --timeout", "run --eval-every"),
    *("run --target", "run --learning-rate", "run --epochs", "run --seeds", "verify --sample"),
    *("verify --margin", "gate --budget", "gate --margin", "explain gates --epochs"),
]


@pytest.mark.parametrize("option", NUMBERS)
def test_no_option_takes_a_number_that_no_cell_may_hold(option: str) -> None:
    command, name = option.rsplit(" ", 1)
    others = {"verify": ["quick"], "gate": ["--base", "HEAD"]}.get(command, [])
    for text in ("１２", "٣", "1_0", "0x10", "1e", "NaN!", "", "1 2"):
        ended = CliRunner().invoke(app, [*command.split(), f"{name}={text}", *others])
        assert ended.exit_code == ExitCode.BAD_USE or isinstance(ended.exception, UsageError), text


@pytest.mark.parametrize(
    "setting", ["length", "train_examples", "clip_norm", "eval_every", "target"]
)
def test_an_optional_setting_is_left_out_by_a_word_and_not_by_an_empty_text(setting: str) -> None:
    assert parse_axes({setting: ["none"]}) == {setting: (None,)}
    for text in ("", "1,", "None", "nan"):
        with pytest.raises(SettingError, match="or none"):
            parse_axes({setting: [text]})


def test_a_setting_that_every_run_has_cannot_be_left_out() -> None:
    with pytest.raises(SettingError, match="epochs"):
        parse_axes({"epochs": ["none"]})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--suite", ""], "--suite"),
        (["run", "--results", ""], "--results"),
        (["report", "quick", "--reports="], "--reports"),
        (["report", ""], "an argument"),
        (["gate", "--base", "", "--only", "x"], "--base"),
        (["report", "--reports==", "--results="], "--results"),
    ],
)
def test_an_empty_argument_is_refused_by_its_option(
    arguments: list[str],
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["seqbench", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.BAD_USE
    assert f"error: {named} is empty; perhaps a variable is not set" in capsys.readouterr().err
