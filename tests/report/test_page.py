"""The report's page: true to its numbers."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seqbench.formatting import format_share
from seqbench.report.page import write_report
from seqbench.results.reader import Results, load_results
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
pytestmark = pytest.mark.usefixtures("nothing_drawn")


def test_one_epoch_has_no_learning_curve(tmp_path: Path, make_run: MakeRun) -> None:
    folder = tmp_path / "report"
    write_report(_one_variant(tmp_path / "a", make_run, epochs=2), folder)
    assert (folder / "score_by_epoch.png").is_file()
    page = write_report(_one_variant(tmp_path / "b", make_run, epochs=1), folder)
    assert not (folder / "score_by_epoch.png").exists()
    assert "score_by_" not in page.read_text()
    assert (folder / "final_score.png").is_file()


def _one_variant(folder: Path, make_run: MakeRun, epochs: int) -> Results:
    with ResultWriter(folder, {}) as writer:
        for seed in range(2):
            writer.add(*make_run(0.9, seed=seed, epochs=epochs))
    return load_results(folder)


def test_the_page_says_what_the_numbers_say(result_folder: Path, tmp_path: Path) -> None:
    text = write_report(load_results(result_folder), tmp_path / "report").read_text()
    # three seeds, 96.00 ± 4.3027 · 1 / √3 for lstm; 5 points ahead of rnn for every seed
    assert "**lstm** has the best mean accuracy on `row-digits` (cpu): 96.0 ± 1.0 %" in text
    assert "(mean ± std dev, n = 3; 95 % CI 93.52 to 98.48)" in text
    assert "| lstm   | rnn             | 5.00 points" in text
    assert "**rnn** has the lowest epoch time on `row-digits` (cpu): 500 ms (median" in text
    assert "lstm 3.00×" in text
    assert "seqbench run" in text


def test_of_equal_means_both_are_called_best(tmp_path: Path, make_run: MakeRun) -> None:
    # both sum to 2.8529, but not in floating point
    scores = {"gru": [0.9484, 0.9567, 0.9478], "lstm": [0.9524, 0.9544, 0.9461]}
    with ResultWriter(tmp_path / "a", {}) as writer:
        for variant, of_seeds in scores.items():
            for seed, score in enumerate(of_seeds):
                writer.add(*make_run(score, variant=variant, seed=seed))
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    both = r"\*\*(gru|lstm)\*\* and \*\*(gru|lstm)\*\*"
    assert re.search(f"Best score: {both} on `row-digits`", text)
    (finding,) = [line for line in text.splitlines() if re.search(f"{both} have the best", line)]
    assert "No significant difference" not in finding, "between those that are called best"
    assert "| 0.00 points" in text


def test_a_difference_is_claimed_only_if_it_holds(tmp_path: Path, make_run: MakeRun) -> None:
    scores = {"rnn": [0.80, 0.81, 0.79], "gru": [0.951, 0.950, 0.952], "lstm": [0.95, 0.96, 0.94]}
    with ResultWriter(tmp_path / "a", {}) as writer:
        for variant, values in scores.items():
            for seed, score in enumerate(values):
                writer.add(*make_run(score, variant=variant, seed=seed))
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    (finding,) = [line for line in text.splitlines() if "best mean" in line]
    assert "Significantly better than rnn by 15.10 points" in finding
    assert "No significant difference (n = 3): lstm." in finding
    assert "adjusted for all 3 pairs" in finding


def test_one_seed_claims_nothing(tmp_path: Path, make_run: MakeRun) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for variant, score in (("rnn", 0.5), ("gru", 0.9)):
            writer.add(*make_run(score, variant=variant))
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    assert "(n = 1). Differences cannot be tested with one seed." in text
    assert "better than" not in text.split("## Scores")[0]


def test_what_was_not_tested_is_not_called_alike(tmp_path: Path, make_run: MakeRun) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for seed in range(3):
            writer.add(*make_run(0.9 + 0.01 * seed, 1.0 + 0.01 * seed, seed=seed))
        writer.add(*make_run(0.7, 5.0, variant="gru"))
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    assert text.count("Not tested, too few seeds (n = 1 to 3): gru.") == 2
    assert "No significant difference" not in text


def test_the_least_epoch_time_is_never_a_greater_one(tmp_path: Path, make_run: MakeRun) -> None:
    """Five fast and four slow runs have a lesser median than nine between, and a greater mean."""
    with ResultWriter(tmp_path / "a", {}) as writer:
        for seed in range(9):
            writer.add(*make_run(0.9, 0.040 if seed < 5 else 0.080, seed=seed))
            writer.add(*make_run(0.9, 0.041, variant="gru", seed=seed))
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    assert "**gru** has the lowest epoch time" in text
    # ratio of geometric means, by hand: 0.04^(5/9) · 0.08^(4/9) over 0.041
    assert "by geometric mean over runs: 41.0 ms (median over runs)" in text
    assert "Significantly slower, ratio of geometric means: rnn 1.33×" in text


def test_groups_that_saw_other_data_are_named(tmp_path: Path, make_run: MakeRun) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for variant, data in (("rnn", "0123456789abcdef"), ("gru", "f" * 64)):
            run, epochs = make_run(0.9, variant=variant)
            writer.add(replace(run, data_fingerprint=data), epochs)
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    assert (
        "`data_fingerprint` on `row-digits` is 0123456789ab for rnn, ffffffffffff for gru" in text
    )


def test_scores_at_the_baseline_are_named(tmp_path: Path, make_run: MakeRun) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for seed in range(3):
            writer.add(*make_run(0.10 + 0.01 * seed, variant="rnn", seed=seed))
            writer.add(*make_run(0.90 + 0.01 * seed, variant="gru", seed=seed))
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    assert "Not shown to beat the baseline (10.00 %) on `row-digits` (cpu): rnn." in text


def test_runs_that_failed_are_listed_and_cannot_break_the_page(
    tmp_path: Path, make_run: MakeRun
) -> None:
    hostile = "RuntimeError: a | b <script>alert(1)</script> [x](y) `z`"
    run, epochs = make_run(status="failed", variant="gru", seed=1)
    with ResultWriter(tmp_path / "a", {}) as writer:
        writer.add(*make_run(0.9))
        writer.add(replace(run, error=hostile), epochs)
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    assert "**1 failed run**" in text
    (line,) = [line for line in text.splitlines() if "RuntimeError" in line]
    assert "<script>" not in re.sub(r"\\.", "", line)
    assert len(re.findall(r"(?<!\\)\|", line)) == 4


def test_a_result_in_which_nothing_ended_well_still_has_a_page(
    tmp_path: Path, make_run: MakeRun
) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        writer.add(*make_run(status="failed"))
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    assert "No run finished" in text
    assert "it broke" in text


def test_figures_of_an_earlier_result_do_not_outlive_it(
    result_folder: Path, tmp_path: Path, make_run: MakeRun
) -> None:
    page = write_report(load_results(result_folder), tmp_path / "report")
    (page.parent / "my own.png").write_bytes(b"")
    with ResultWriter(tmp_path / "a", {}) as writer:
        writer.add(*make_run(status="failed"))
    write_report(load_results(tmp_path / "a"), tmp_path / "report")
    assert {path.name for path in page.parent.iterdir()} == {"README.md", "my own.png"}


@pytest.mark.parametrize("devices", [("cpu",), ("cpu", "cuda")])
def test_two_tasks_and_two_devices_are_told_apart(
    tmp_path: Path, make_run: MakeRun, devices: tuple[str, ...]
) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for task in ("row-digits", "row-mnist"):
            for device in devices:
                for seed in range(2):
                    score = 0.9 + 0.01 * seed
                    writer.add(*make_run(score, task=task, device=device, seed=seed))
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    for task in ("row-digits", "row-mnist"):
        for device in devices:
            assert f"on `{task}` ({device})" in text


def test_the_published_figure_stands_beside_ours(tmp_path: Path, make_run: MakeRun) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for seed, score in enumerate((0.95, 0.94, 0.96)):
            writer.add(*make_run(score, task="row-mnist", seed=seed, epochs=3))
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    assert "| the teaching notebook" in text
    assert "Other published scores" in text, "the made-up run has 1,000 parameters"
    assert "Published for" not in text


def test_a_published_figure_of_equal_size_and_budget_is_a_finding(
    tmp_path: Path, make_run: MakeRun
) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for seed, score in enumerate((0.95, 0.94, 0.96)):
            run, epochs = make_run(score, task="row-mnist", seed=seed, epochs=3)
            writer.add(replace(run, parameters=54538), epochs)
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    assert "Published for rnn on `row-mnist`: 95.04 %" in text
    assert "within the 95 % prediction interval of one more run" in text


def test_what_a_setting_gains_is_a_finding(tmp_path: Path, make_run: MakeRun) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for readout, gain in (("last", 0.0), ("final", 0.02), ("mean", -0.001)):
            for seed in range(3):
                score = 0.90 + 0.001 * seed + gain
                writer.add(*make_run(score, readout=readout, seed=seed))
    text = write_report(load_results(tmp_path / "a"), tmp_path / "report").read_text()
    assert (
        "readout: **rnn** on `row-digits` (cpu), relative to `last`, gains 2.00 points with" in text
    )
    assert "No significant difference (n = 3): `mean`." in text


def test_the_environment_of_the_result_is_shown_not_todays(
    result_folder: Path, tmp_path: Path
) -> None:
    environment: dict[str, Any] = {
        "environment_id": "abc",
        "command": "seqbench run --suite quick --epochs 7",
        "machine": {"cpu": "Imaginary 9000", "memory_bytes": 2**31},
        "code": {"commit": "0123456789", "dirty": True},
    }
    (result_folder / "environment.json").write_text(json.dumps(environment))
    text = write_report(load_results(result_folder), tmp_path / "report").read_text()
    for shown in ("Imaginary 9000", "2.0 GiB", "--epochs 7", "git checkout 0123456789", "changes"):
        assert shown in text


def test_a_small_share_is_not_called_none() -> None:
    shares = (0.0, 0.0018, 0.0051, 0.33, 0.994, 0.997, 1.0, 1.08, math.nan)
    assert [format_share(each) for each in shares] == [
        "0 %",
        "< 1 %",
        "1 %",
        "33 %",
        "99 %",
        "> 99 %",
        "100 %",
        "108 %",
        "—",
    ]
