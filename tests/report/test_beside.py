"""What a report says of the published result beside one's own."""

from dataclasses import replace
from pathlib import Path

import pytest

from seqbench.analysis.analysis import analyse
from seqbench.report.beside import Beside
from seqbench.report.page import write_report
from seqbench.results.reader import Results, load_results

pytestmark = pytest.mark.usefixtures("nothing_drawn")
FOLDER = Path(__file__).parents[2] / "results" / "quick"


def make(epoch_time_s: float, cpu: str, threads: int) -> Results:
    """Return the committed result as another machine would have made it."""
    results = load_results(FOLDER)
    runs = results.runs.assign(threads=threads)
    epochs = results.epochs.assign(epoch_time_s=epoch_time_s, contended=False)
    environment = {**results.environment, "machine": {"cpu": cpu}}
    return replace(results, runs=runs, epochs=epochs, environment=environment)


def test_the_report_says_how_fast_both_machines_are(tmp_path: Path) -> None:
    own, published = make(0.5, "A", 1), make(2.0, "B", 4)
    page = write_report(own, tmp_path, published=published).read_text()
    assert page.startswith("<!-- Made by `seqbench report local/quick`; edits are lost. -->")
    assert "\n$ seqbench report local/quick\n" in page, "the name alone is the published one's"
    section = page.split("## Beside the published result")[1].split("\n## ")[0]
    assert (
        "This machine trains at 4.00× the published speed (median of 6 variants; range 4.00× to "
        "4.00×). This machine: A, 1 thread. Published: B, 4 threads." in section
    )
    rows = [line for line in section.splitlines() if line.startswith("| row-digits")]
    assert len(rows) == 6
    assert all("| 500 ms " in row and "| 2.00 s " in row and "| 4.00× " in row for row in rows)


def test_a_report_without_a_published_result_has_no_such_section(tmp_path: Path) -> None:
    page = write_report(make(0.5, "A", 1), tmp_path).read_text()
    assert "Beside" not in page
    assert "\n$ seqbench report quick\n" in page


def test_nothing_in_common_is_said() -> None:
    own, published = make(0.5, "A", 1), make(2.0, "B", 4)
    other = replace(published, runs=published.runs.assign(hidden_size=64))
    beside = Beside.of(analyse(own), own, other)
    assert beside == Beside("The published result has no run of the same settings.", "")
