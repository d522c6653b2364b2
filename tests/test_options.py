"""Options: text to axes and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqbench.errors import SettingError
from seqbench.options import format_command, list_seeds, parse_axes

AXES = st.fixed_dictionaries(
    {},
    optional={
        "variant": st.lists(st.sampled_from(["rnn", "gru", "lstm"]), min_size=1, unique=True),
        "seed": st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True),
        "epochs": st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True),
        "learning_rate": st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=3, unique=True),
        "dropout": st.lists(st.floats(0, 0.99), min_size=1, max_size=3, unique=True),
    },
)


@given(AXES)
def test_the_command_of_a_result_gives_its_axes_again(axes: dict[str, list[Any]]) -> None:
    chosen = {setting: tuple(values) for setting, values in axes.items()}
    words = format_command("quick", chosen, None).split()
    assert words[:4] == ["seqbench", "run", "--suite", "quick"]
    given_options = dict(zip(words[4::2], words[5::2], strict=True))
    seeds = given_options.pop("--seeds", None)
    texts = {
        option.removeprefix("--").replace("-", "_"): [text]
        for option, text in given_options.items()
    }
    assert parse_axes(texts | ({"seed": list_seeds(seeds)} if seeds else {})) == chosen


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
    assert format_command(None, chosen, None) == "seqbench run --implementation native,fastest"
    with pytest.raises(SettingError, match=r"implementation must be .*native, .*, fastest, not"):
        parse_axes({"implementation": ["quickest"]})


def test_a_name_of_its_own_is_part_of_the_command() -> None:
    assert format_command(None, {"task": ("row-digits",)}, "mine") == (
        "seqbench run --task row-digits --name mine"
    )
