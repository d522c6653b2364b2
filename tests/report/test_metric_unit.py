"""The unit of a metric: from the task through the row to tables, sentences and axes."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from seqbench.report.page import write_report
from seqbench.results.reader import Results, load_results
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter
from seqbench.tasks.faults import find_unit_fault

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]


@pytest.fixture
def gather(tmp_path: Path, make_run: MakeRun) -> Callable[..., Results]:
    """Return a maker of a result of two variants whose errors have a unit, or none."""

    def make(unit: str | None, metric: str = "mae") -> Results:
        with ResultWriter(tmp_path / "a", {}) as writer:
            for variant, least in (("rnn", 0.5), ("gru", 0.1)):
                for seed in range(3):
                    run, epochs = make_run(least + 0.01 * seed, variant=variant, seed=seed)
                    epochs = [replace(each, metric=metric) for each in epochs]
                    run = replace(run, metric=metric, metric_unit=unit, baseline_score=0.3)
                    best = min(each.score for each in epochs)
                    writer.add(replace(run, higher_is_better=False, best_score=best), epochs)
        return load_results(tmp_path / "a")

    return make


@pytest.mark.usefixtures("nothing_drawn")
def test_tables_and_sentences_have_the_unit(gather: Callable[..., Results], tmp_path: Path) -> None:
    text = write_report(gather("°C"), tmp_path / "report").read_text()
    assert "**gru** has the best mean mae on `row-digits` (cpu): 0.110 ± 0.010 °C (" in text
    assert re.search(r"Significantly better than rnn by 0\.4 °C \(0\.\d+ to 0\.\d+ °C\)", text)
    assert "**Worse** than the baseline (0.3 °C) on `row-digits` (cpu): rnn." in text
    for cells in ("| 0.510 ± 0.010 °C ", "| 0.110 ± 0.010 °C ", "| 0.3 °C "):
        assert cells in text


@pytest.mark.parametrize("unit", ["°C", "$", "€/$", "m s⁻¹", "100 $ / $"])
def test_axes_have_the_unit(
    gather: Callable[..., Results], draw: Callable[..., dict[str, Figure]], unit: str
) -> None:
    figures = draw(gather(unit), "score_against_throughput", "final_score")
    shown = figures["score_against_throughput"]
    shown.draw_without_rendering()  # a formula that is none would fail
    label = shown.axes[0].yaxis.label
    assert label.get_text().replace("\\", "") == f"test mae, {unit}"
    assert f"test mae, {unit}" in figures["final_score"].axes[0].get_xlabel().replace("\\", "")


@pytest.mark.usefixtures("nothing_drawn")
@pytest.mark.parametrize(("unit", "metric"), [(None, "mae"), (None, "wer")])
def test_without_a_unit_nothing_is_said_of_one(
    gather: Callable[..., Results], tmp_path: Path, unit: str | None, metric: str
) -> None:
    text = write_report(gather(unit, metric), tmp_path / "report").read_text()
    assert f"best mean {metric} on `row-digits` (cpu): 0.110 ± 0.010 (" in text
    for nothing in ("nan", "None", "<NA>"):
        assert nothing not in text.split("## Reproduction")[0]


@pytest.mark.parametrize("unit", ["", "°C", "m", "kg m s⁻²", "$", "x" * 20])
def test_what_can_be_written_is_a_unit(unit: str) -> None:
    assert find_unit_fault("mae", unit) is None


@pytest.mark.parametrize(
    "unit", [None, 3, b"m", "x" * 21, " m", "m ", "a\nb", "\x1b[2J", "\u202em"]
)
def test_what_cannot_be_written_is_none(unit: object) -> None:
    assert "has the metric_unit" in str(find_unit_fault("mae", unit))


def test_a_share_has_a_unit_already() -> None:
    assert "is in per cent" in str(find_unit_fault("accuracy", "%"))
