"""Statistics: against formulas written out and scipy's own tests."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqbench.analysis import stats
from seqbench.analysis.published import join_published
from seqbench.results.reader import Results, load_results
from seqbench.results.records import EpochRecord, Load, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
Gather = Callable[[list[dict[str, Any]]], Results]


@pytest.fixture
def gather(tmp_path: Path, make_run: MakeRun) -> Gather:
    """Return a maker of results from the arguments of each run."""

    def make(runs: list[dict[str, Any]]) -> Results:
        with ResultWriter(tmp_path / "a", {}) as writer:
            for settings in runs:
                writer.add(*make_run(**settings))
        return load_results(tmp_path / "a")

    return make


def test_groups_are_summed_up_by_hand(gather: Gather) -> None:
    results = gather(
        [{"score": 0.8 + 0.1 * s, "epoch_time_s": 1.0 + s, "seed": s} for s in range(2)]
        + [{"score": 0.7, "epoch_time_s": 3.0, "variant": "lstm", "seed": 0}]
        + [{"status": "failed", "variant": "lstm", "seed": 1}]
    )  # fmt: skip
    summary = stats.summarise_groups(results.runs, results.epochs).set_index("label")
    assert list(summary.index) == ["rnn", "lstm"]
    assert summary.loc["rnn", "seeds"] == 2
    assert summary.loc["lstm", "seeds"] == 1
    assert summary.loc["rnn", "score"] == pytest.approx(0.85)
    assert summary.loc["rnn", "best_score"] == pytest.approx(0.9)
    assert summary.loc["rnn", "score_high"] == 1.0, "no accuracy is above 1"
    assert summary.loc["rnn", "score_low"] == pytest.approx(max(0, 0.85 - 12.706 * 0.05), abs=1e-4)
    assert pd.isna(summary.loc["lstm", "score_low"])
    assert summary.loc["rnn", "epoch_time_s"] == 1.5
    assert summary.loc["rnn", "epoch_time_min_s"] == 1.0
    assert summary.loc["rnn", "epoch_time_max_s"] == 2.0
    assert summary["relative_time"].tolist() == [1.0, 2.0]


def test_settings_that_differ_make_groups_of_their_own(gather: Gather) -> None:
    results = gather([{"hidden_size": size, "seed": s} for size in (4, 8) for s in range(2)])
    summary = stats.summarise_groups(results.runs, results.epochs)
    assert summary["label"].tolist() == ["rnn hidden_size=4", "rnn hidden_size=8"]
    assert summary["seeds"].tolist() == [2, 2]


def test_learning_curves_add_up_time_and_span_the_seeds(gather: Gather) -> None:
    results = gather(
        [{"seed": s, "score": 0.8 + 0.1 * s, "epoch_time_s": 1.0 + s, "epochs": 3} for s in (0, 1)]
    )
    curves = stats.learning_curves(results.runs, results.epochs)
    assert curves["epoch"].tolist() == [1, 2, 3]
    assert curves["train_time_s"].tolist() == [1.5, 3.0, 4.5]
    assert set(curves["baseline_score"]) == {0.1}
    assert curves["score"].tolist() == pytest.approx([0.85 / 3, 1.7 / 3, 0.85])
    assert curves["score_min"].tolist() == pytest.approx([0.8 / 3, 1.6 / 3, 0.8])
    assert curves["score_max"].tolist() == pytest.approx([0.3, 0.6, 0.9])


def test_published_figures_join_their_task_and_variant(gather: Gather) -> None:
    results = gather([{"task": "row-mnist", "variant": v} for v in ("rnn", "gru")])
    summary = stats.summarise_groups(results.runs, results.epochs)
    published = pd.DataFrame(
        [
            {"task": "row-mnist", "variant": "rnn", "metric": "accuracy", "score": 0.95,
             "parameters": 5, "epochs": 3, "source": "s", "convention": "c"},
            {"task": "row-mnist", "variant": "s4", "metric": "accuracy", "score": 0.99,
             "parameters": None, "epochs": None, "source": "s", "convention": "c"},
            {"task": "pixel-mnist", "variant": "rnn", "metric": "accuracy", "score": 0.2,
             "parameters": 5, "epochs": 3, "source": "s", "convention": "c"},
        ]
    ).assign(length=None)  # fmt: skip
    rows = join_published(summary, published).set_index("variant")
    assert set(rows.index) == {"rnn", "gru", "s4"}
    assert set(rows["task_name"]) == {"row-mnist"}
    ours = rows.loc["rnn"]
    assert (ours["label"], ours["published_score"], ours["score"]) == ("rnn", 0.95, 0.9)
    assert (ours["epochs"], ours["published_epochs"]) == (2, 3)
    assert pd.isna(rows.loc["gru", "published_score"]), "nothing was published of it"
    assert pd.isna(rows.loc["s4", "score"]), "it was not run"
    of_digits = gather([{"task": "row-digits"}])
    summary = stats.summarise_groups(of_digits.runs, of_digits.epochs)
    assert join_published(summary, published).empty


def test_lengths_and_cuts_make_problems_of_their_own(gather: Gather) -> None:
    results = gather(
        [{"task": "adding", "length": length, "score": 0.5} for length in (10, 20)]
        + [{"task": "row-mnist", "train_examples": 100}, {"task": "row-mnist"}]
    )
    summary = stats.summarise_groups(results.runs, results.epochs)
    assert summary["task"].tolist() == [
        "adding T=10",
        "adding T=20",
        "row-mnist n=100",
        "row-mnist",
    ]
    assert summary["task_name"].tolist() == ["adding", "adding", "row-mnist", "row-mnist"]
    assert set(summary["label"]) == {"rnn"}


def test_labels_are_made_task_by_task(gather: Gather) -> None:
    """Read-outs that go with the task tell no two runs of it apart."""
    results = gather(
        [{"task": "adding", "length": 10, "readout": "last"}]
        + [{"task": "copying", "length": 10, "readout": "each"}]
        + [{"task": "row-digits", "readout": readout} for readout in ("last", "mean")]
    )
    labels = stats.name_groups(results.runs)["label"].tolist()
    assert labels == ["rnn", "rnn", "rnn readout=last", "rnn readout=mean"]


def test_settings_that_no_name_tells_are_listed(gather: Gather) -> None:
    results = gather(
        [
            {"variant": "rnn", "hidden_size": 8, "clip_norm": 1.0},
            {"variant": "rnn", "hidden_size": 8, "clip_norm": 1.0, "seed": 1},
            {"variant": "gru", "hidden_size": 4, "clip_norm": None},
            {"variant": "lstm", "hidden_size": 4, "clip_norm": 1.0},
        ]
    )
    uneven = stats.list_uneven_settings(results.runs)
    sizes = uneven[uneven["setting"] == "hidden_size"].set_index("value")["labels"]
    assert sizes.to_dict() == {8: ["rnn"], 4: ["gru", "lstm"]}
    assert all(isinstance(size, int) for size in sizes.index)
    clips = uneven[uneven["setting"] == "clip_norm"]
    assert clips["labels"].tolist() == [["rnn", "lstm"], ["gru"]]
    assert set(uneven["setting"]) == {"hidden_size", "clip_norm"}


def test_settings_in_the_names_are_not_listed_again(gather: Gather) -> None:
    results = gather([{"variant": "rnn", "hidden_size": size} for size in (4, 8)])
    assert stats.list_uneven_settings(results.runs).empty


def add_run(
    writer: ResultWriter,
    made: tuple[RunRecord, list[EpochRecord]],
    times: list[float],
    contended: tuple[int, ...] = (),
) -> None:
    """Write a run with the given epoch times, evaluation taking a tenth of each."""
    run, epochs = made
    changed = [
        replace(
            each,
            epoch_time_s=seconds,
            train_samples_per_s=1437 / seconds,
            eval_time_s=seconds / 10,
            eval_samples_per_s=3600 / seconds,
            load=Load(contended=place in contended),
        )
        for place, (each, seconds) in enumerate(zip(epochs, times, strict=True))
    ]
    middle = median(times)
    recorded = replace(
        run,
        epoch_time_s=middle,
        train_samples_per_s=1437 / middle,
        eval_samples_per_s=3600 / middle,
        peak_fraction=0.6 / middle,
    )
    writer.add(recorded, changed)


def test_the_unit_of_evidence_of_an_epoch_time_is_the_run(
    tmp_path: Path, make_run: MakeRun
) -> None:
    """The epochs of a run are alike, those of another run are not: all together look certain."""
    with ResultWriter(tmp_path / "a", {}) as writer:
        for seed, middle in enumerate((9.0, 12.6, 11.9)):
            near = [middle - 0.1, middle, middle + 0.2]
            add_run(writer, make_run(seed=seed, epochs=3), near)
            level = [2.0 + 0.02 * seed, 1.0, 4.0]
            add_run(writer, make_run(seed=seed, epochs=3, variant="gru"), level)
        add_run(writer, make_run(variant="lstm", epochs=8), [3.0 + 0.001 * i for i in range(8)])
    results = load_results(tmp_path / "a")
    summary = stats.summarise_groups(results.runs, results.epochs).set_index("label")
    assert summary["epoch_time_s"].tolist() == pytest.approx([11.9, 2.02, 3.0035])
    assert summary["epoch_time_min_s"].tolist() == pytest.approx([9.0, 2.0, 3.0035])
    assert summary["epoch_time_max_s"].tolist() == pytest.approx([12.6, 2.04, 3.0035])
    assert summary["unstable"].to_dict() == {"rnn": True, "gru": False, "lstm": None}
    assert summary["relative_time"].tolist() == pytest.approx([11.9 / 2.02, 1.0, 3.0035 / 2.02])


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0.1, 100), st.booleans()), min_size=3, max_size=3),
        min_size=1,
        max_size=4,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_one_row_has_one_definition_of_its_times(
    tmp_path_factory: pytest.TempPathFactory,
    make_run: MakeRun,
    runs: list[list[tuple[float, bool]]],
) -> None:
    folder = tmp_path_factory.mktemp("results") / "a"
    calm_medians = []
    with ResultWriter(folder, {}) as writer:
        for seed, epochs in enumerate(runs):
            times = [seconds for seconds, _ in epochs]
            contended = tuple(place for place, (_, disturbed) in enumerate(epochs) if disturbed)
            add_run(writer, make_run(seed=seed, epochs=3), times, contended)
            calm = [seconds for seconds, disturbed in epochs if not disturbed]
            calm_medians.append(median(calm or times))
    results = load_results(folder)
    (row,) = stats.summarise_groups(results.runs, results.epochs).to_dict("records")
    assert row["epoch_time_s"] == pytest.approx(median(calm_medians))
    assert row["epoch_time_s"] * row["train_samples_per_s"] == pytest.approx(1437, rel=1e-12)
    assert row["epoch_time_s"] * row["eval_samples_per_s"] == pytest.approx(3600, rel=1e-12)
    peaks = [0.6 / seconds for seconds in calm_medians]
    assert row["peak_fraction"] == pytest.approx(median(peaks))


def test_contended_epochs_are_left_out_run_by_run_where_there_are_others(
    tmp_path: Path, make_run: MakeRun
) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for seed in range(2):
            add_run(writer, make_run(seed=seed), [9.0, 1.0], contended=(0,))
            add_run(writer, make_run(seed=seed, variant="gru"), [2.0, 2.0], contended=(0, 1))
        add_run(writer, make_run(seed=2), [3.0, 3.0], contended=(0, 1))
    results = load_results(tmp_path / "a")
    summary = stats.summarise_groups(results.runs, results.epochs).set_index("label")
    assert summary["epoch_time_s"].to_dict() == {"rnn": 1.0, "gru": 2.0}
    assert summary["epoch_time_max_s"].to_dict() == {"rnn": 3.0, "gru": 2.0}
    assert summary["contended"].to_dict() == {"rnn": pytest.approx(4 / 6), "gru": 1.0}
