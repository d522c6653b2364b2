"""Settings as a user types them: options, their text to axes of a grid, and axes to a command."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, replace
from shlex import quote
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from seqbench.columns import Column, columns, one_of
from seqbench.errors import SettingError, UsageError
from seqbench.harness.execution import Request
from seqbench.printable import shorten
from seqbench.registry import NAME
from seqbench.results.local import LOCAL
from seqbench.spec import FASTEST, GROUPS, IMPLEMENTATIONS, RunSpec

NONE = "none"
"""How an optional setting is left out; an empty text may be a variable that is not set."""

MOST_SEEDS = 1000

LONGEST_NAME = 200
"""Of a result folder: a file's may have 255 bytes, and those next to it are longer."""

LONGEST_TIMEOUT_S = 1_000_000
"""The system cannot be asked to wait for more than 24 days."""


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
    count = int(text) if re.fullmatch("[0-9]{1,9}", text) else 0
    if not 1 <= count <= MOST_SEEDS:
        expected = f"a number of seeds from 1 to {MOST_SEEDS}, or seeds like 3,7"
        raise SettingError("seeds", text, expected)
    return [str(seed) for seed in range(count)]


Command = TypeVar("Command", bound=Callable[..., None])


def with_settings(command: Command) -> Command:
    """Give a command, after its first option, one for each field of `RunSpec` as ``**settings``."""
    signature = inspect.signature(command, eval_str=True)
    first, *others, settings = signature.parameters.values()
    assert settings.kind is inspect.Parameter.VAR_KEYWORD
    options = [
        inspect.Parameter(
            setting.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                list[str] | None,
                typer.Option(
                    option_of(setting.name),
                    help=describe_setting(setting, field.default),
                    metavar=_describe_values(setting),
                    rich_help_panel=setting.group,
                ),
            ],
        )
        for setting, field in zip(columns(RunSpec), fields(RunSpec), strict=True)
    ]
    parameters = [
        each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (first, *options, *others)
    ]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": None}
    return command


def describe_setting(setting: Column, default: Any) -> str:
    """Return what a setting means, what else its option takes, and its default."""
    meaning = re.sub("; empty [^;]*$", "", setting.meaning)  # a cell; an option takes `none`
    text = f"{meaning[0].upper()}{meaning[1:]}. {setting.note}".strip().replace("`", "")
    if "Default:" in text or default is MISSING:
        return text
    return f"{text} Default: {setting.format(default) or NONE}."


def _describe_values(setting: Column) -> str:
    choices = setting.check.choices if setting.check else ()
    if setting.name == "seed":
        return "N"
    return "|".join(choices) or {int: "N", float: "X", bool: "true|false"}.get(setting.type, "NAME")


class GroupedCommand(TyperCommand):
    """A command whose help lists its options in the groups that they name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, group by group."""
        groups: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record is not None:
                group = getattr(each, "rich_help_panel", None) or "Options"
                groups.setdefault(group, []).append(record)
        for group, records in groups.items():
            if not records:
                continue
            with formatter.section(group):
                formatter.write_dl(records)


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
    for setting, texts in options.items():
        if texts is None:
            continue
        values = list_seeds(",".join(texts)) if setting == "seed" else split_list(texts)
        for value in values:
            refuse_file(setting, value)
        if setting in ("variant", "device"):  # resolved by the registry, and on the machine
            axes[setting] = tuple(values)
            continue
        parsed = []
        for value in values:
            try:
                parsed.append(_parse_setting(declared[setting], value))
            except ValueError as error:
                raise SettingError(setting, value, str(error)) from None
        axes[setting] = tuple(parsed)
    return axes


def _parse_setting(declared: Column, text: str) -> Any:
    """Return the value of a setting; raise `ValueError` with what was expected."""
    if declared.optional and text == NONE:
        return None
    required = replace(declared, optional=False)
    try:
        return required.parse(text)
    except ValueError:
        raise ValueError(
            required.expected + (f", or {NONE}" if declared.optional else "")
        ) from None


def check_folder_name(name: str) -> str:
    """Return ``name`` if it can name a result folder; raise `SettingError` if it cannot."""
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME or name == LOCAL:
        expected = "lower-case letters and digits, words joined by hyphens"
        other = f"{LONGEST_NAME} characters at most, and not {LOCAL}, the folder of local results"
        raise SettingError("name", name, f"{expected}, {other}")
    return name


def check_timeout(seconds: float | None) -> float | None:
    """Return the seconds that a run may take, None for any time; raise `SettingError` if none."""
    if seconds is not None and not 0 < seconds <= LONGEST_TIMEOUT_S:
        raise SettingError("timeout", seconds, f"greater than 0 and at most {LONGEST_TIMEOUT_S:,}")
    return seconds


def refuse_file(setting: str, name: str) -> None:
    """Raise `UsageError` if what should be a task's or a variant's name is that of a file."""
    if setting in ("task", "variant") and re.search(r"[./\\]", name):
        raise UsageError(
            f"--{setting} takes a {setting}'s name, and {shorten(name)!r} is a file's. To use "
            f"your own data or model, register it as a task or a variant in a Python file: "
            f"`--plugin my_file.py --{setting} its-name`; docs/plugins.md has examples."
        )


def option_of(setting: str) -> str:
    """Return the option that sets a field of `RunSpec`."""
    return "--seeds" if setting == "seed" else f"--{setting.replace('_', '-')}"


def format_command(request: Request) -> str:
    """Return the command that reproduces a result, the folders of this machine left out.

    Where the folder with the data was named, DIR replaces it.
    """
    declared = {each.name: each for each in columns(RunSpec)}
    words = ["seqbench run"] + ([f"--suite {request.suite}"] if request.suite else [])
    for setting in (field.name for field in fields(RunSpec)):
        if setting in request.axes:
            values = request.axes[setting]
            text = ",".join(declared[setting].format(value) or NONE for value in values)
            alone = "," if setting == "seed" and "," not in text else ""  # a list, not a number
            words.append(f"{option_of(setting)} {quote(text + alone)}")
    parameters, tolerance = request.match_parameters, request.match_tolerance
    words += [] if parameters is None else [f"--match-parameters {parameters}"]
    words += [] if tolerance is None else [f"--match-tolerance {tolerance!r}"]
    words += [] if request.measure is None else [f"--{'' if request.measure else 'no-'}measure"]
    words += [f"--plugin {quote(plugin.name)}" for plugin in request.plugins]
    words += ["--allow-changed-data"] if request.allow_changed_data else []
    words += ["--data DIR"] if request.data is not None else []
    words += ["--save-checkpoints"] if request.keep_weights else []
    return " ".join(words + ([f"--name {request.name}"] if request.name else []))
