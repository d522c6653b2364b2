"""Printable external text: on a terminal, in a page, in a figure.

A folder's name, an error message or a field of ``environment.json`` may hold anything.
"""

_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_DIRECTIONS = [0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
_HALVES = range(0xD800, 0xE000)
_HIDDEN: dict[int, str | None] = {
    **dict.fromkeys([*_CONTROLS, *_DIRECTIONS]),
    **dict.fromkeys(_HALVES, "\N{REPLACEMENT CHARACTER}"),
    **{ord(kept): kept for kept in "\n\t"},
}


def strip_controls(text: str) -> str:
    """Return a text without what controls a terminal or deceives a reader.

    Left out are control characters but line feeds and tabs, other ends of lines, and those that
    turn the direction of writing. A half of a surrogate pair, which no file holds, becomes U+FFFD.
    """
    return text.translate(_HIDDEN)


def join_lines(text: object) -> str:
    """Return a text in one line, without controls: it cannot end a line of a command."""
    return strip_controls(" ".join(str(text).split()))


def quote_code(text: object) -> str:
    """Return a text as a span of code, in Markdown as on a screen: it cannot end the span."""
    return "`" + join_lines(text).replace("`", "'") + "`"


def quote_comment(text: object) -> str:
    """Return a text in one line that cannot end a comment of HTML."""
    return join_lines(text).replace(">", "&gt;")


def shorten(text: str, most: int = 80) -> str:
    """Return a text, of a long one the beginning and how long it is."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
