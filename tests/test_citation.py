"""CITATION.cff: of the version and licence that the package has."""

import re
import tomllib
from pathlib import Path

import seqbench

ROOT = Path(__file__).parents[1]


def test_the_citation_is_of_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    found = dict(re.findall(r"^([\w-]+): *(.*)$", citation, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert found["version"] == seqbench.__version__
    assert found["license"] == project["license"]
    assert found["title"] == project["name"]
    assert re.findall(r"^  - (\w[\w ]*)$", citation, re.MULTILINE) == project["keywords"]
    holder = re.search(r"Copyright \(c\) \d+ (.+)", (ROOT / "LICENSE").read_text())
    assert holder is not None
    assert f"- name: {holder[1][0].upper()}{holder[1][1:]}" in citation
