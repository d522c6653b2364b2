"""Markdown pages from the templates in ``templates/``.

What comes from outside goes through a filter there: ``text`` in a line of Markdown, ``line`` in a
block of code, ``code`` as a span of it, ``comment`` in a comment of HTML; sentences, which are
Markdown with names in them, through ``sentence``. No page holds control characters.
"""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from seqbench.printable import join_lines, quote_code, quote_comment, strip_controls
from seqbench.report.markdown import escape

_SPAN = re.compile(r"((?<!`)`[^`]+`(?!`))")


def guard_sentence(sentence: str) -> str:
    """Return a sentence of Markdown in one line; names in it make no link, image or tag."""
    parts = _SPAN.split(join_lines(sentence))
    for place in range(0, len(parts), 2):  # between spans of code
        parts[place] = re.sub(r"([\\`<\[\]])", r"\\\1", parts[place])
    return "".join(parts)


_FILTERS = {
    "text": escape,
    "line": join_lines,
    "code": quote_code,
    "comment": quote_comment,
    "sentence": guard_sentence,
}


def render_page(template: str, **values: object) -> str:
    """Return a template's text with values filled in; a value that is missing is an error."""
    templates = Environment(
        loader=PackageLoader("seqbench.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown, which has filters of its own
    )
    templates.filters |= _FILTERS
    return strip_controls(templates.get_template(template).render(**values))
