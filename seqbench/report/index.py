"""The index of all reports in a folder: a line for each, from the first finding on its page."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from seqbench.printable import join_lines
from seqbench.report.markdown import escape
from seqbench.results.atomic_files import replace_file
from seqbench.results.local import LOCAL

PAGE = "README.md"
_MARK = "<!-- Made by `seqbench report`; edits are lost. -->"
_VERDICT = "### "
_SENTENCE = re.compile(r"(?<=[.!?]) +(?=\S)")
_LINK = re.compile(r"!?\[((?:\\.|[^\]\\])*)\]\([^)]*\)")


def write_index(reports: Path) -> Path | None:
    """Write the index of the reports in a folder; None if a page of someone else is in its place.

    A report is a folder with a ``README.md``; ``local`` has an index of its own.
    """
    page = reports / PAGE
    if page.exists() and not page.read_text(encoding="utf-8", errors="replace").startswith(_MARK):
        return None
    lines = [
        f"- [{escape(name)}]({quote(name)}/{PAGE}): {finding}" for name, finding in _list(reports)
    ]
    replace_file(page, "\n".join([_MARK, "# Reports", "", *lines, ""]).encode())
    return page


def _list(reports: Path) -> Iterator[tuple[str, str]]:
    """Yield the names of the reports, in order, and what each found."""
    pages = [each for each in reports.glob(f"*/{PAGE}") if each.parent.name != LOCAL]
    for page in sorted(pages):
        yield page.parent.name, find_finding(page.read_text(encoding="utf-8", errors="replace"))


def find_finding(page: str) -> str:
    """Return the first finding of a page in one line, its links as their text.

    It is the verdict that a page of the gate begins with, else the first item of the first list,
    else the first sentence.
    """
    lines = [line for line in page.splitlines() if line.strip() and not line.startswith("<!--")]
    items = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    texts = [line for line in lines if not line.startswith(("#", "|", "!", "```"))]
    if lines and lines[0].startswith(_VERDICT):
        found = lines[0].removeprefix(_VERDICT)
    else:
        found = items[0] if items else _SENTENCE.split(" ".join(texts))[0]
    return join_lines(_LINK.sub(r"\1", found))
