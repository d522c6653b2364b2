"""What is there: `seqbench list` and `show`, and the machine itself: `env`."""

import json
from typing import Annotated

import typer
from rich.table import Table

from seqbench.commands.arguments import Plugins
from seqbench.commands.console import console, say
from seqbench.errors import UnknownNameError


def list_(plugin: Plugins = None) -> None:
    """List the registered variants, tasks, read-outs and suites."""
    from seqbench.commands.catalog import explain_members
    from seqbench.harness.plugins import load_plugins

    load_plugins(plugin or ())
    for kind, members in explain_members().items():
        table = Table(kind, "", title_justify="left", box=None, padding=(0, 2, 0, 0))
        for name, text in members.items():
            table.add_row(name, text.strip().partition("\n")[0])
        console.print(table)
        console.print()


def show(
    name: Annotated[str, typer.Argument(help="A variant, task, read-out or suite.")],
    task: Annotated[
        str, typer.Option(help="Task for which a variant's shapes and size are shown.")
    ] = "row-mnist",
    plugin: Plugins = None,
) -> None:
    """Explain one variant, task, read-out or suite."""
    from seqbench.commands.catalog import describe_task, describe_variant, explain_members
    from seqbench.harness.plugins import load_plugins

    load_plugins(plugin or ())
    explained = explain_members()
    found = {kind: members[name] for kind, members in explained.items() if name in members}
    if not found:
        raise UnknownNameError(
            "member", name, [each for part in explained.values() for each in part]
        )
    for kind, text in found.items():
        say(f"{name} ({kind})\n\n{text}")
        if kind == "variant":
            say(f"\n{describe_variant(name, task)}")
        if kind == "task":
            say(f"\n{describe_task(name)}")


def env() -> None:
    """Print what a result of this machine would record as its environment, as JSON."""
    from seqbench.harness.environment import describe_environment

    say(json.dumps(describe_environment(), indent=2))
