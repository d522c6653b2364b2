"""Settings as a person types them: text to axes of a grid, and axes back to a command."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from shlex import quote
from typing import Any

from seqbench.columns import columns, one_of
from seqbench.errors import SettingError
from seqbench.registry import NAME
from seqbench.spec import FASTEST, IMPLEMENTATIONS, RunSpec

MOST_SEEDS = 1000


def split_list(values: Iterable[str]) -> list[str]:
    """Return the parts of comma-separated texts."""
    return [part.strip() for value in values for part in value.split(",")]


def list_seeds(text: str) -> list[str]:
    """Return seeds for a number of them (``3``: 0, 1, 2) or for a list (``3,7`` or ``3,``).

    Raises
    ------
    SettingError
        If the number is not one from 1 to 1000.
    """
    if "," in text:
        return split_list([text.removesuffix(",")])
    if not text.isdecimal() or not 1 <= int(text) <= MOST_SEEDS:
        expected = f"a number of seeds from 1 to {MOST_SEEDS}, or seeds like 3,7"
        raise SettingError("seeds", text, expected)
    return [str(seed) for seed in range(int(text))]


def parse_axes(options: Mapping[str, Iterable[str] | None]) -> dict[str, tuple[Any, ...]]:
    """Return the values of the options that were given, parsed and checked by their columns.

    Parameters
    ----------
    options
        Texts by `RunSpec` field, each perhaps a comma-separated list; None for one not given.

    Raises
    ------
    SettingError
        If a text does not fit the field.
    """
    declared = {each.name: each for each in columns(RunSpec)}
    implementations = one_of(*IMPLEMENTATIONS, FASTEST)  # which the plan gives its name
    declared["implementation"] = replace(declared["implementation"], check=implementations)
    axes: dict[str, tuple[Any, ...]] = {}
    for setting, values in options.items():
        if values is None:
            continue
        if setting == "variant":  # names in it may be patterns, which the registry resolves
            axes[setting] = tuple(split_list(values))
            continue
        parsed = []
        for value in split_list(values):
            try:
                parsed.append(declared[setting].parse(value))
            except ValueError as error:
                raise SettingError(setting, value, str(error)) from None
        axes[setting] = tuple(parsed)
    return axes


def check_folder_name(name: str) -> str:
    """Return ``name`` if it can name a result folder; raise `SettingError` if it cannot."""
    if not NAME.fullmatch(name):
        raise SettingError("name", name, "lower-case letters and digits, words joined by hyphens")
    return name


def option_of(setting: str) -> str:
    """Return the option that sets a field of `RunSpec`."""
    return "--seeds" if setting == "seed" else f"--{setting.replace('_', '-')}"


def format_command(
    suite: str | None,
    chosen: Mapping[str, tuple[Any, ...]],
    name: str | None,
    match_parameters: int | None = None,
    measure: bool | None = None,
    plugins: Iterable[Path] = (),
) -> str:
    """Return the command that makes a result again, the folders of this machine left out."""
    declared = {each.name: each for each in columns(RunSpec)}
    words = ["seqbench run"] + ([f"--suite {suite}"] if suite else [])
    for setting in (field.name for field in fields(RunSpec)):
        if setting in chosen:
            text = ",".join(declared[setting].format(value) for value in chosen[setting])
            alone = "," if setting == "seed" and "," not in text else ""  # a list, not a number
            words.append(f"{option_of(setting)} {quote(text + alone)}")
    words += [f"--match-parameters {match_parameters}"] if match_parameters else []
    words += [] if measure is None else ["--measure" if measure else "--no-measure"]
    words += [f"--plugin {quote(plugin.name)}" for plugin in plugins]
    return " ".join(words + ([f"--name {name}"] if name else []))
