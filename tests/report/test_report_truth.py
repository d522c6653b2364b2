"""Reports: what a sceptic finds with the CSV beside it, and what outsiders can put into them."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from scipy import stats as scipy_stats

from seqbench.analysis import differences, speed, stats
from seqbench.analysis.analysis import analyse
from seqbench.report.figures import (
    FIGURES,
    MOST_BEST,
    MOST_QUICK,
    MOST_TASKS,
    choose_measured,
    choose_trained,
    draw_figures,
)
from seqbench.report.page import write_report
from seqbench.results.reader import load_results
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
MARKDOWN = MarkdownIt("commonmark").enable("table")
TAGS = {
    *("h1", "h2", "p", "ul", "li", "strong", "em", "code", "pre", "img"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
HOSTILE = (
    "\x1b[2J\n```\n<img src=x onerror=alert(1)> [x](javascript:y) ![z](http://w) --> | `a` &lt;"
)


@pytest.fixture
def report(tmp_path: Path, make_run: MakeRun, nothing_drawn: None) -> Callable[..., str]:
    """Return a maker of a report's text, from the runs' arguments and their rows' changes."""

    def make(
        runs: list[dict[str, Any]],
        environment: dict[str, Any] | None = None,
        name: str = "a",
        **changes: Any,
    ) -> str:
        with ResultWriter(tmp_path / name, environment or {}) as writer:
            for each in runs:
                run, epochs = make_run(**each)
                run = replace(run, **changes)
                epochs = [replace(epoch, metric=run.metric) for epoch in epochs]
                if not run.higher_is_better:
                    run = replace(run, best_score=min(epoch.score for epoch in epochs))
                writer.add(run, epochs)
        return write_report(load_results(tmp_path / name), tmp_path / "report").read_text()

    return make


def seeds(scores: list[float], **settings: Any) -> list[dict[str, Any]]:
    return [{"score": score, "seed": seed, **settings} for seed, score in enumerate(scores)]


def bullets(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("- ")]


def rows(text: str, title: str) -> list[list[str]]:
    section = text.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_bullet_of_two_tasks_names_its_task(report: Callable[..., str]) -> None:
    two = [
        {**each, "task": task, "epoch_time_s": seconds}
        for task, seconds in (("row-digits", 1.0), ("pixel-digits", 9.0))
        for each in seeds([0.09, 0.10, 0.11]) + seeds([0.9, 0.8, 0.7], variant="bigru")
    ]
    two[0]["epoch_time_s"] = 5.0  # unstable
    text = report(two)
    named = [line for line in bullets(text) if not line.startswith("- Settings that differ")]
    assert len(named) >= 8
    assert all("`row-digits`" in line or "`pixel-digits`" in line for line in named), named
    for words in ("best mean", "lowest epoch time", "Not shown to beat", "Read-out `last`"):
        assert [line for line in named if words in line and "`pixel-digits` (cpu)" in line]


@pytest.mark.parametrize("higher_is_better", [True, False])
@pytest.mark.parametrize(
    ("around", "told"),
    [(0.30, "better"), (0.50, "undecided"), (0.70, "worse")],
)
def test_a_group_is_worse_than_the_baseline_if_its_interval_is(
    report: Callable[..., str], around: float, told: str, higher_is_better: bool
) -> None:
    scores = [around - 0.02, around, around + 0.03]
    if higher_is_better:
        scores = [1 - score for score in scores]
    metric = {"metric": "accuracy" if higher_is_better else "mse", "baseline_score": 0.5}
    text = report(seeds(scores), higher_is_better=higher_is_better, **metric)
    low, high = scipy_stats.t.interval(0.95, 2, loc=np.mean(scores), scale=scipy_stats.sem(scores))
    assert bool(high < 0.5 or low > 0.5) is (told != "undecided")
    found = [line for line in bullets(text) if "baseline" in line]
    if told == "better":
        assert not found
        return
    (line,) = found
    assert line.startswith("- **Worse** than" if told == "worse" else "- Not shown to beat")
    assert line.endswith("on `row-digits` (cpu): rnn.")


def test_one_seed_is_called_worse_than_nothing(report: Callable[..., str]) -> None:
    text = report(seeds([0.05]))
    assert "**Worse**" not in text
    assert "Not shown to beat the baseline (10.00 %)" in text


def test_the_baseline_is_a_row_of_each_tasks_scores(report: Callable[..., str]) -> None:
    both = seeds([0.8, 0.9]) + seeds([0.8, 0.9], task="row-mnist")
    header, _, *cells = rows(report(both), "Scores")
    by_name = [dict(zip(header, row, strict=True)) for row in cells]
    assert [row["variant"] for row in by_name] == ["rnn", "baseline"] * 2
    for row, task in zip(by_name[1::2], ("row-digits", "row-mnist"), strict=True):
        shown = (row["task (device)"], row["score"], row["parameters"])
        assert shown == (f"{task} (cpu)", "10.00 %", "—")


@pytest.mark.parametrize(
    ("scores", "cut"), [([0.99, 1.0, 0.97], True), ([0.5, 0.51, 0.52], False), ([0.0, 0.1], True)]
)
def test_an_interval_that_is_cut_is_said_to_be(
    report: Callable[..., str], scores: list[float], cut: bool
) -> None:
    text = report(seeds(scores))
    header, _, row, _ = rows(text, "Scores")
    low, high = scipy_stats.t.interval(
        0.95, len(scores) - 1, loc=np.mean(scores), scale=scipy_stats.sem(scores)
    )
    assert bool(low < 0 or high > 1) is cut
    interval = row[header.index("95 % CI")]
    assert interval.endswith(" (cut)") is cut
    assert (", cut to what the metric can be" in text) is cut


def test_epoch_time_and_throughput_of_a_row_divide(report: Callable[..., str]) -> None:
    runs = [{**each, "epoch_time_s": 0.1 * (3 + each["seed"])} for each in seeds([0.8] * 4)]
    header, _, row = rows(report(runs), "Cost")
    seconds, unit = row[header.index("epoch time")].split()
    rate = float(row[header.index("training, samples/s")].replace(",", ""))
    assert unit == "ms"
    assert float(seconds) / 1000 * rate == pytest.approx(1437, rel=5e-3)  # of three digits each


@pytest.mark.parametrize(
    ("variant", "readout", "said"),
    [("birnn", "last", True), ("birnn", "final", False), ("rnn", "last", False)],
)
def test_what_the_last_step_takes_of_two_directions_is_said_once(
    report: Callable[..., str], variant: str, readout: str, said: bool
) -> None:
    text = report(seeds([0.8, 0.9], variant=variant, readout=readout))
    assert text.count("the backward direction has seen that step only") == said


def test_nothing_published_is_no_section(report: Callable[..., str]) -> None:
    assert "## Published scores" not in report(seeds([0.8, 0.9]))
    published = report(seeds([0.8, 0.9], task="row-mnist"), name="b")
    assert "## Published scores" in published


def test_plugins_and_a_named_data_folder_stand_in_how_it_was_made(
    report: Callable[..., str],
) -> None:
    environment = {
        "command": "seqbench run --task row-mnist --plugin mine.py --data DIR",
        "plugins": {"mine.py": "ab" * 32},
    }
    text = report(seeds([0.8, 0.9]), environment).split("## Reproduction")[1]
    assert f"Plugin `mine.py`: SHA-256 `{'ab' * 32}`." in text
    assert "`DIR`: the folder with the data" in text
    without = report(seeds([0.8, 0.9]), name="b").split("## Reproduction")[1]
    assert "Plugin" not in without
    assert "DIR" not in without


@pytest.mark.parametrize(
    "environment",
    [
        {"command": HOSTILE, "code": {"commit": HOSTILE, "dirty": True}},
        {"machine": {"cpu": HOSTILE, "gpus": [{"name": HOSTILE, "driver": HOSTILE}, HOSTILE, 3]}},
        {"software": {"os": HOSTILE, "torch": HOSTILE}, "plugins": {HOSTILE: HOSTILE}},
        {"machine": [1], "software": "x", "code": None, "plugins": 3, "command": {"a": 1}},
        {"machine": {"cpu": {"a": {"b": [1]}}, "memory_bytes": "much", "gpus": {"name": 1}}},
        {"machine": {"memory_bytes": 10**400}, "code": {"commit": 10**40, "dirty": "no"}},
        {"machine": {"memory_bytes": -1, "cpu": "\udc80\ud800", "physical_cores": True}},
        {"command": "\ud800 " + "x" * 100_000, "environment_id": None},
    ],
)
def test_no_environment_breaks_a_page_or_out_of_it(
    report: Callable[..., str], tmp_path: Path, environment: dict[str, Any]
) -> None:
    report(seeds([0.8, 0.9]))
    results = replace(load_results(tmp_path / "a"), environment=environment)
    check_page(write_report(results, tmp_path / "report"))


@pytest.mark.parametrize(
    "name",
    ["<img src=x onerror=alert(1)>", "a --> b", "# [x](y) `z`", "a\nb\x1b[2J", "*_|_*", "\udcff"],
)
@pytest.mark.usefixtures("nothing_drawn")
def test_no_folders_name_breaks_a_page_or_out_of_it(
    result_folder: Path, tmp_path: Path, name: str
) -> None:
    results = replace(load_results(result_folder), name=name)
    check_page(write_report(results, tmp_path / "report"))


def test_no_row_breaks_a_page_or_out_of_it(report: Callable[..., str], tmp_path: Path) -> None:
    error = HOSTILE.replace("\n", " ")
    report([{"status": "failed"}], suite=error, error=error)
    check_page(tmp_path / "report" / "README.md")


def check_page(page: Path) -> None:
    """See that a page has the tags, images and lines of a report, and nothing that hides."""
    text = page.read_text(encoding="utf-8")
    assert not [each for each in text if not each.isprintable() and each != "\n"]
    shown = MARKDOWN.render(text)
    (comment,) = re.findall(r"<!--.*?-->", shown, re.DOTALL)
    body = shown.replace(comment, "")
    assert set(re.findall(r"</?([a-zA-Z][\w-]*)", body)) <= TAGS
    assert set(re.findall(r'<img src="([^"]*)"', body)) <= {f"{name}.png" for name in FIGURES}
    assert "<a " not in body
    (code,) = re.findall(r"<pre><code[^>]*>(.*?)</code></pre>", body, re.DOTALL)
    assert all(line.startswith("$ ") for line in code.splitlines())
    assert len(code.splitlines()) in (2, 4)


def test_of_many_groups_the_best_and_the_quick_are_drawn_and_it_is_said(
    tmp_path: Path,
    make_run: MakeRun,
    draw: Callable[..., dict[str, Figure]],
    request: pytest.FixtureRequest,
) -> None:
    random = np.random.RandomState(0)
    count = MOST_BEST + 3 * MOST_QUICK
    scores, times = random.permutation(count) / count, 1 + random.permutation(count)
    with ResultWriter(tmp_path / "a", {}) as writer:
        for place in range(count):
            for seed in range(2):
                score = scores[place] * 0.9 + 0.01 * seed
                writer.add(*make_run(score, float(times[place]), hidden_size=place + 1, seed=seed))
    results = load_results(tmp_path / "a")
    analysis = analyse(results)
    chosen = {
        int(label.partition("=")[2]) - 1 for label in choose_trained(analysis.summary)["label"]
    }
    best = set(np.argsort(-scores)[:MOST_BEST].tolist())
    others = [place for place in np.argsort(times).tolist() if place not in best]
    assert chosen == best | set(others[:MOST_QUICK])
    names = draw(results, "final_score")["final_score"].axes[0].get_yticklabels()
    assert len(names) == MOST_BEST + MOST_QUICK
    request.getfixturevalue("nothing_drawn")
    left_out = count - MOST_BEST - MOST_QUICK
    for figure, caption in draw_figures(analysis).values():
        assert f"{left_out} more groups are in the tables" in caption
        assert max(figure.get_size_inches()) < 30
    page = write_report(results, tmp_path / "report").read_text()
    assert len(rows(page, "Scores")) == 2 + count + 1
    assert max(map(len, bullets(page))) < 2000


@pytest.mark.usefixtures("nothing_drawn")
def test_of_few_groups_all_are_drawn(result_folder: Path) -> None:
    analysis = analyse(load_results(result_folder))
    assert len(choose_trained(analysis.summary)) == len(analysis.summary) == 2
    assert choose_measured(analysis.phases).empty
    assert not [caption for _, caption in draw_figures(analysis).values() if "Drawn" in caption]


def test_of_many_tasks_the_first_are_drawn(
    tmp_path: Path, make_run: MakeRun, draw: Callable[..., dict[str, Figure]]
) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for length in range(1, MOST_TASKS + 4):
            writer.add(*make_run(0.9, task="adding", length=length))
    figure = draw(load_results(tmp_path / "a"), "final_score")["final_score"]
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == [f"adding T={length}, cpu" for length in range(1, MOST_TASKS + 1)]


@pytest.mark.usefixtures("nothing_drawn")
def test_every_frame_of_a_report_is_made_once(
    result_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Counter[str] = Counter()

    def count(module: ModuleType, name: str) -> None:
        plain = getattr(module, name)

        def counted(*values: Any) -> Any:
            made[name] += 1
            return plain(*values)

        monkeypatch.setattr(module, name, counted)

    frames = [(stats, "_name_problems"), (stats, "time_runs"), (stats, "learning_curves")]
    frames += [(stats, "summarise_finished"), (speed, "summarise_speed"), (speed, "measure_limits")]
    frames += [(speed, "tabulate_phases"), (differences, "compare_with_best")]
    for module, name in frames:
        count(module, name)
    write_report(load_results(result_folder), tmp_path / "report")
    assert made == {name: 1 for _, name in frames}
