"""Markdown pages from the templates in ``templates/``."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_page(template: str, **values: object) -> str:
    """Return a template's text with values filled in; a value that is missing is an error."""
    templates = Environment(
        loader=PackageLoader("seqbench"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown; `tables.escape` escapes what comes from outside
    )
    return templates.get_template(template).render(**values)
