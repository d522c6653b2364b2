"""Texts use the field's terms: no phrase of the left column of docs/style.md appears in them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_group

from seqbench.cli import app
from seqbench.columns import columns
from seqbench.results.records import FILES

ROOT = Path(__file__).parents[1]
STYLE = ROOT / "docs" / "style.md"


def read_glossary() -> list[tuple[str, str]]:
    """Return the rows of the table under "Words": phrases to avoid, terms to use."""
    section = STYLE.read_text().split("## Words")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return [row for row in rows if row != ("not", "but")]


PHRASES = [phrase.strip() for avoid, _ in read_glossary() for phrase in avoid.split(";")]
_ANY = re.compile(
    "|".join(
        rf"(?<!\w){re.escape(phrase)}(?!\w)".replace(r"\ ", r"\s+")
        for phrase in sorted(PHRASES, key=len, reverse=True)
    ),
    re.IGNORECASE,
)
_CODE = re.compile(r"^```.*?^```|^(?: {4}|\t).*?$|`[^`\n]+`|\]\([^)]+\)", re.MULTILINE | re.DOTALL)


def find_phrases(text: str) -> list[str]:
    """Return each phrase to avoid that a Markdown text contains, with its line; code is skipped."""
    prose = _CODE.sub(lambda code: re.sub(r"[^\n]", "·", code[0]), text)
    return [
        f"line {prose.count(chr(10), 0, hit.start()) + 1}: {' '.join(hit[0].split())}"
        for hit in _ANY.finditer(prose)
    ]


def list_pages() -> Iterator[Path]:
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))
    yield from (page for page in sorted(ROOT.glob("docs/*.md")) if page != STYLE)
    for results in sorted(ROOT.glob("results/*/epochs.csv")):
        yield from ROOT.glob(f"reports/{results.parent.name}/README.md")


@pytest.mark.parametrize("page", [*list_pages()], ids=lambda page: str(page.relative_to(ROOT)))
def test_pages(page: Path) -> None:
    assert find_phrases(page.read_text()) == []


def test_help_of_every_command() -> None:
    group = get_group(app)
    texts = {"seqbench": group.help or ""}
    for name, command in group.commands.items():
        texts[name] = command.help or ""
        texts |= {f"{name} {p.opts[0]}": getattr(p, "help", None) or "" for p in command.params}
    assert len(texts) > 80
    assert {where: found for where, text in texts.items() if (found := find_phrases(text))} == {}


def test_meanings_of_columns() -> None:
    declared = {each for record in FILES.values() for each in columns(record)}
    texts = [f"{each.name}: {each.meaning} {each.expected} {each.note}" for each in declared]
    assert [(text, found) for text in texts if (found := find_phrases(text))] == []


def test_the_glossary_obeys_itself() -> None:
    assert len(PHRASES) == len(set(PHRASES)) > 60
    assert [(term, found) for _, term in read_glossary() if (found := find_phrases(term))] == []


def test_phrases_are_found_across_lines_and_not_in_code() -> None:
    assert find_phrases("It is\nso Too\nkind.") == ["line 2: Too kind"]
    assert find_phrases("`too kind`\n\n    too kind\n\n```\ntoo kind\n```\ntoo kinder") == []


@pytest.mark.parametrize("folder", ["seqbench", "benchmarks"])
def test_messages_in_the_code(folder: str) -> None:
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Expr)]
        docstrings = {id(each.value) for each in texts}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or id(node) in docstrings:
                continue
            if isinstance(node.value, str) and (phrases := find_phrases(node.value)):
                found[f"{path.relative_to(ROOT)}:{node.lineno}"] = phrases
    assert found == {}
