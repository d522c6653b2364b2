"""Text from outside as code in Markdown, read back as CommonMark reads it."""

import re

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from seqbench.report.markdown import format_block, format_code

HOSTILE = st.lists(
    st.sampled_from(["\n", "\n", "```", "`", " ", *"ab~|<>[]()*_\\!#-\x1b\u202e"]), max_size=20
).map("".join)


def parse(text: str) -> list[tuple[str, str]]:
    """Return the kinds and the contents of all that a text consists of."""
    blocks = MarkdownIt("commonmark").parse(text)
    return [
        (each.type, each.content)
        for block in blocks
        for each in (block.children or [block] if block.content else [])
    ]


def leave_out_controls(text: str) -> str:
    return re.sub("[\x1b\u202e]", "", text)


@given(HOSTILE)
def test_a_block_has_all_lines_in_it_and_nothing_gets_out(text: str) -> None:
    (found,) = parse(f"before\n\n{format_block(text)}\n\nafter")[1:-1]
    assert found == ("fence", leave_out_controls(text) + "\n")


@given(HOSTILE.filter(lambda text: leave_out_controls(text).strip() != ""))
def test_a_span_of_code_has_all_of_a_line_in_it(text: str) -> None:
    found = parse(f"x {format_code(text)} y")
    assert [kind for kind, _ in found] == ["text", "code_inline", "text"]
    line = leave_out_controls(" ".join(text.splitlines()))
    assert found[1][1].strip() == line.strip()
