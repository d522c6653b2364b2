"""Text from outside: against Unicode's own tables and a Markdown parser that is not ours."""

import html
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from seqbench.printable import join_lines, quote_code, quote_comment, shorten, strip_controls
from seqbench.report.markdown import escape
from seqbench.report.templating import guard_sentence

ANY_TEXT = st.text(st.characters(categories=None), max_size=40)
HOSTILE = st.text(st.sampled_from("`<>[]()!\\*_&|#~-= \n\r\t\x1b\x00ab/:;\"'$"), max_size=40)
TEXTS = ANY_TEXT | HOSTILE
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
MARKDOWN = MarkdownIt("commonmark")


@given(TEXTS)
def test_nothing_that_steers_a_terminal_or_hides_is_left(text: str) -> None:
    left = strip_controls(text)
    assert not [
        each
        for each in left
        if (unicodedata.category(each) == "Cc" and each not in "\n\t")
        or unicodedata.bidirectional(each) in TURNING
    ]
    left.encode("utf-8")  # a lone surrogate could not be


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=40))
def test_what_can_be_read_stays(text: str) -> None:
    assert strip_controls(text) == text


@given(TEXTS)
def test_a_line_is_one(text: str) -> None:
    assert len(join_lines(text).splitlines()) <= 1


@given(TEXTS)
def test_an_escaped_text_is_shown_as_it_is(text: str) -> None:
    shown = MARKDOWN.render(f"x {escape(text)} x")
    assert html.unescape(shown) == f"<p>x {join_lines(text)} x</p>\n"


@given(TEXTS)
def test_a_span_of_code_is_not_left(text: str) -> None:
    shown = MARKDOWN.render(f"x{quote_code(text + 'y')}x")
    assert re.findall(r"<[^>]+>", shown) == ["<p>", "<code>", "</code>", "</p>"]


@given(TEXTS)
def test_a_comment_is_not_left(text: str) -> None:
    shown = MARKDOWN.render(f"<!-- made by {quote_comment(text)} -->\n\nrest\n")
    assert shown.startswith("<!-- made by ")
    assert shown.index("-->") == shown.rindex("-->")


@given(TEXTS, TEXTS)
def test_names_in_a_sentence_make_no_tag_link_or_image(one: str, other: str) -> None:
    sentence = f"**better** between {one} and {other}: `a`, {quote_code(one)}."
    shown = MARKDOWN.render(f"- {guard_sentence(sentence)}")
    tags = set(re.findall(r"</?(\w+)", shown))
    assert tags <= {"ul", "li", "p", "code", "strong", "em"}, shown


def test_a_sentence_of_ours_stays_as_it_is() -> None:
    sentence = "**rnn** on `row-digits` (cpu): 95.00 % (93.62 to 96.38), `a<b>`; p = 0.02."
    assert guard_sentence(sentence) == sentence


@pytest.mark.parametrize("size", [0, 1, 80])
def test_a_short_text_is_not_cut(size: int) -> None:
    assert shorten("a" * size) == "a" * size


def test_of_a_long_text_the_length_is_told() -> None:
    assert shorten("a" * 5000, 3) == "aaa… (5,000 characters)"
