"""Errors in words: one line that prints, whatever other people's messages are."""

import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seqbench.errors import (
    LONGEST_ON_ONE_LINE,
    ContractError,
    SettingError,
    UnknownNameError,
    describe_error,
    on_one_line,
    read_message,
)

LONGEST = LONGEST_ON_ONE_LINE + 3


@given(st.text())
@example("\x1b[31mred\x1b[0m\r\n\t\x00\ud800\u2028end")
@example("x" * 200_000)
@example("\n" * 100)
def test_any_text_becomes_one_line_that_prints(text: str) -> None:
    line = on_one_line(text)
    assert line.isprintable()
    assert len(line) <= LONGEST
    line.encode()
    assert bool(line) or not text.strip() or not text.isprintable()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("it broke", "it broke"),
        ("first line\n\n   second\tline\n", "first line / second line"),
        ("", ""),
        (
            "CppCompileError: C++ compile error\n\nOutput:\nfatal error: x.h: No such file\n\n"
            "Set TORCHDYNAMO_VERBOSE=1 for the internal stack trace (please do this especially "
            "if you're reporting a bug to PyTorch). For even more developer context, set "
            'TORCH_LOGS="+dynamo"\n',
            "CppCompileError: C++ compile error / Output: / fatal error: x.h: No such file",
        ),
        (
            "CUDA error: device-side assert triggered\nFor debugging consider passing "
            "CUDA_LAUNCH_BLOCKING=1\nCompile with `TORCH_USE_CUDA_DSA` to enable assertions.\n",
            "CUDA error: device-side assert triggered",
        ),
        (
            "The following operation failed in the TorchScript interpreter.\n"
            "Traceback of TorchScript (most recent call last):\nRuntimeError: sizes differ\n",
            "The following operation failed in the TorchScript interpreter. / "
            "Traceback of TorchScript (most recent call last): / RuntimeError: sizes differ",
        ),
    ],
)
def test_the_error_stands_in_the_line_and_the_closing_hint_does_not(text: str, line: str) -> None:
    assert on_one_line(text) == line


@pytest.mark.parametrize("place", ["first", "last"])
def test_of_a_long_message_both_ends_are_kept(place: str) -> None:
    told = ["the command was: " + "-I/usr/include " * 500] * 3
    told.insert(0 if place == "first" else 3, "undefined symbol: omp_get_num_threads")
    line = on_one_line("\n".join(told))
    assert "undefined symbol: omp_get_num_threads" in line
    assert " … " in line


class MuteError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("one\ntwo"), "ValueError: one / two"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
        (MuteError(), "MuteError"),
        (type("Odd\nName", (Exception,), {})("x"), "Odd / Name: x"),
    ],
)
def test_every_error_has_a_kind_and_perhaps_words(error: BaseException, told: str) -> None:
    assert describe_error(error) == told
    assert read_message(error) == told.partition(": ")[2]


@pytest.mark.parametrize(
    "error",
    [
        ContractError("task", "x", "is odd"),
        SettingError("a", 1, "b"),
        UnknownNameError("k", "n", []),
    ],
)
def test_errors_pass_from_process_to_process(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
