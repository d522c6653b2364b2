"""The registry: names, duplicates, hints."""

from typing import Any

import pytest

from seqbench.errors import ExitCode, UnknownNameError
from seqbench.models.model import VARIANTS
from seqbench.registry import Registry


@pytest.fixture
def fruit() -> Registry[int]:
    registry: Registry[int] = Registry("fruit")
    registry.register("apple")(1)
    registry.register("blood-orange")(2)
    return registry


def test_members_are_found_in_the_order_of_registration(fruit: Registry[int]) -> None:
    assert list(fruit) == ["apple", "blood-orange"]
    assert fruit["blood-orange"] == 2
    assert len(fruit) == 2


def test_register_returns_its_argument_unchanged(fruit: Registry[int]) -> None:
    member = 12345
    assert fruit.register("cherry")(member) is member


def test_a_taken_name_is_an_error(fruit: Registry[int]) -> None:
    with pytest.raises(ValueError, match="'apple' is already registered"):
        fruit.register("apple")
    assert fruit["apple"] == 1


@pytest.mark.parametrize("name", ["", "Apple", "a b", "../a", "a--b", "-a", "a_b", "=1"])
def test_names_that_are_no_names_are_refused(fruit: Registry[int], name: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        fruit.register(name)


def test_unknown_names_are_answered_with_near_ones(fruit: Registry[int]) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown fruit 'aple'; did you mean apple\?"):
        fruit["aple"]
    with pytest.raises(UnknownNameError, match="available: apple, blood-orange") as caught:
        fruit["zzz"]
    assert caught.value.exit_code is ExitCode.BAD_USE


@pytest.mark.parametrize("member", [7, None, object, int, "Task", lambda: 1, Exception()])
def test_what_is_no_subclass_of_the_base_is_refused(member: Any) -> None:
    kinds: Registry[Any] = Registry("kind", ArithmeticError)
    with pytest.raises(
        ValueError, match="the kind 'x' must be a subclass of ArithmeticError, not "
    ):
        kinds.register("x")(member)
    assert "x" not in kinds
    assert kinds.register("y")(ZeroDivisionError) is kinds["y"]


@pytest.mark.parametrize("member", [7, None, "Encoder", Exception()])
def test_what_cannot_be_called_is_no_variant(member: Any) -> None:
    with pytest.raises(ValueError, match="variant 'odd' must be a function or a class, not "):
        VARIANTS.variant("odd")(member)
    assert "odd" not in VARIANTS
