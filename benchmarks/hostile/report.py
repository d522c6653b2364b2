"""The report of `nox -s hostile`, from its CSV file alone."""

from pathlib import Path

import pandas as pd

from seqbench.report.markdown import escape, format_markdown

_HEAD = """\
<!-- Made by `nox -s hostile`; edits are lost. -->
# Hostile commands and files

Each trial is one command in a folder of its own with two good results in it. *Refused* must end
with an exit code other than 0 and a message; *accepted* with 0; *row* is a run that must not end
well, or be refused; *told* may end in any way that is documented. A trial has a fault if it ends
otherwise, in a traceback or never, or if a row of the good result is not there afterwards.
"""


def count_faults(rows: pd.DataFrame) -> pd.DataFrame:
    """Return trials and trials with each fault, by family."""
    faults = rows["faults"].fillna("").str.get_dummies("; ")
    counted = faults.groupby(rows["family"], sort=False).sum()
    counted.insert(0, "trials", rows.groupby("family", sort=False).size())
    return counted


def write_report(results: Path, folder: Path) -> Path:
    """Write the page from ``trials.csv``; return it."""
    rows = pd.read_csv(results / "trials.csv", keep_default_na=False)
    counted = count_faults(rows)
    faulty = rows[rows["faults"] != ""]
    lines = [[str(family), *(str(cell) for cell in row)] for family, row in counted.iterrows()]
    lines.append(["all", *(str(cell) for cell in counted.sum())])
    parts = [
        _HEAD,
        f"- {len(rows)} trials: {len(faulty)} with a fault.",
        format_markdown(lines, ["family", *counted.columns]),
    ]
    if len(faulty):
        listed = faulty[["family", "what", "expected", "exit_code", "faults"]]
        cells = [[escape(str(cell)) for cell in row] for row in listed.to_numpy()]
        parts += ["## Faults", format_markdown(cells, list(listed.columns))]
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "README.md"
    text = "\n\n".join(part.strip() for part in [*parts, "Reproduce with: `nox -s hostile`."])
    page.write_text(text + "\n", encoding="utf-8")
    return page
