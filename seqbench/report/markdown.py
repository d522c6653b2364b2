"""Text from outside in Markdown: it stands there as it is, and becomes no markup. And tables."""

import re
from collections.abc import Sequence

from tabulate import tabulate

from seqbench.printable import join_lines, strip_controls

_TICKS = re.compile("`+")


def escape(text: object) -> str:
    """Return a text in one line that stands in Markdown as it is, and does not become markup."""
    line = join_lines(text)
    for mark in "\\|<>[]`*_&":
        line = line.replace(mark, f"\\{mark}")
    return line


def format_code(text: str) -> str:
    """Return a line as code, space for space: between more backticks than it has side by side."""
    line = strip_controls(" ".join(text.splitlines()))
    marks = "`" * (1 + _count_ticks(line))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{marks}{space}{line}{space}{marks}"


def format_block(text: str) -> str:
    """Return lines as a block of code that nothing in them can end."""
    marks = "`" * max(3, 1 + _count_ticks(text))
    return f"{marks}\n{strip_controls(text)}\n{marks}"


def _count_ticks(text: str) -> int:
    """Return the most backticks that stand side by side."""
    return max(map(len, _TICKS.findall(text)), default=0)


def format_markdown(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    """Return a Markdown table of cells that stand as they are."""
    return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True)
