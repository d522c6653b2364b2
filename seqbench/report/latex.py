"""The headline table of a report in LaTeX, with the rules of the package booktabs."""

import re

from seqbench.printable import join_lines
from seqbench.report.headline import Headline, Row

_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "°": r"\textdegree{}",
    "µ": r"\textmu{}",
    "–": "--",
    "—": "---",
    "\N{NO-BREAK SPACE}": "~",
}
_POWER = re.compile(r"([\d)])e([+-])0*(\d+)")
_INDENT = "    "


def escape_latex(text: object) -> str:
    """Return a text in one line that LaTeX sets as it is; powers of ten as such."""
    line = "".join(_SPECIAL.get(mark, mark) for mark in join_lines(text))
    return _POWER.sub(lambda found: _format_power(*found.groups()), line)


def _format_power(digit: str, sign: str, exponent: str) -> str:
    return rf"{digit}$\times 10^{{{sign.replace('+', '')}{exponent}}}$"


def format_latex(headline: Headline, name: str) -> str:
    """Return a headline as a ``table`` environment; what is best is bold, see `headline.Row`.

    Parameters
    ----------
    headline
        From `headline.make_headline`.
    name
        Of the result, for the comment and the label.
    """
    count = len(headline.columns)
    lines = [
        f"% Made by `seqbench report {join_lines(name)} --latex`; edits are lost.",
        r"% \usepackage{booktabs} in the preamble.",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape_latex(headline.caption)}}}",
        rf"  \label{{tab:{re.sub('[^A-Za-z0-9]+', '-', name).strip('-') or 'result'}}}",
        rf"  \begin{{tabular}}{{l{'r' * (count - 1)}}}",
        rf"{_INDENT}\toprule",
        f"{_INDENT}{_join_cells([escape_latex(_capitalize(each)) for each in headline.columns])}",
    ]
    for place, rows in headline.parts.items():
        lines.append(rf"{_INDENT}\midrule")
        if len(headline.parts) > 1:
            lines.append(rf"{_INDENT}\multicolumn{{{count}}}{{l}}{{{escape_latex(place)}}} \\")
        lines += [f"{_INDENT}{_format_row(row)}" for row in rows]
    lines += [rf"{_INDENT}\bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _format_row(row: Row) -> str:
    cells = [escape_latex(cell) for cell in row.cells]
    if row.best:
        cells[:2] = [rf"\textbf{{{cell}}}" for cell in cells[:2]]
    return _join_cells(cells)


def _join_cells(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _capitalize(name: str) -> str:
    return name if name == "n" else name[:1].upper() + name[1:]
