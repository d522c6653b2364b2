"""Two results side by side: what they share, and what may not be compared."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats as scipy_stats

from seqbench.analysis.comparison import compare_results, describe_comparison
from seqbench.errors import UsageError
from seqbench.results.reader import Results, load_results
from seqbench.results.records import EpochRecord, Load, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
Gather = Callable[..., Results]
SCORES = {"a": [0.90, 0.91, 0.93], "b": [0.92, 0.94, 0.94]}
TIMES = {"a": [1.0, 1.0, 1.0], "b": [1.1, 1.2, 1.3]}


@pytest.fixture
def gather(tmp_path: Path, make_run: MakeRun) -> Gather:
    """Return a maker of a result of three seeds, with a part of its environment."""

    def make(
        name: str, cpu: str = "A", torch: str = "1", memory: int = 8, **settings: Any
    ) -> Results:
        machine, software = {"cpu": cpu, "memory_bytes": memory}, {"torch": {"version": torch}}
        environment = {"environment_id": "abc", "machine": machine, "software": software}
        with ResultWriter(tmp_path / name, environment) as writer:
            for seed, (score, seconds) in enumerate(zip(SCORES[name], TIMES[name], strict=True)):
                writer.add(*make_run(score, seconds, seed=seed, **settings))
        return load_results(tmp_path / name)

    return make


def test_scores_are_paired_by_seed_and_times_by_their_ratio(gather: Gather) -> None:
    found = compare_results(gather("a"), gather("b"))
    (row,) = found.table.to_dict("records")
    gains = np.subtract(SCORES["b"], SCORES["a"])
    expected = scipy_stats.ttest_1samp(gains, 0.0)
    assert row["gain"] == pytest.approx(gains.mean())
    assert row["p"] == pytest.approx(expected.pvalue)
    between = expected.confidence_interval()
    assert (row["low"], row["high"]) == pytest.approx((between.low, between.high))
    assert (row["seeds"], row["equal"]) == (3, 0)
    logarithms = np.log(TIMES["b"])
    low, high = scipy_stats.ttest_1samp(logarithms, 0.0).confidence_interval()
    assert row["time_ratio"] == pytest.approx(np.exp(logarithms.mean()))
    assert (row["ratio_low"], row["ratio_high"]) == pytest.approx((np.exp(low), np.exp(high)))


def test_intervals_and_p_are_adjusted_for_the_number_of_groups(
    tmp_path: Path, make_run: MakeRun
) -> None:
    results = []
    for name in ("a", "b"):
        with ResultWriter(tmp_path / name, {"environment_id": "abc"}) as writer:
            for variant in ("rnn", "gru"):
                for seed, score in enumerate(SCORES[name]):
                    made = make_run(score, TIMES[name][seed], seed=seed, variant=variant)
                    writer.add(*made)
        results.append(load_results(tmp_path / name))
    gains = scipy_stats.ttest_1samp(np.subtract(SCORES["b"], SCORES["a"]), 0.0)
    times = scipy_stats.ttest_1samp(np.log(TIMES["b"]), 0.0)
    for row in compare_results(*results).table.to_dict("records"):
        assert row["p"] == pytest.approx(1 - (1 - gains.pvalue) ** 2)
        wide = times.confidence_interval(0.95**0.5)
        assert row["ratio_low"] == pytest.approx(np.exp(wide.low))


def test_other_data_and_other_code_are_told(tmp_path: Path, make_run: MakeRun) -> None:
    results = []
    for name, data, code in (("a", "one", "123+45"), ("b", "other", "124")):
        with ResultWriter(tmp_path / name, {"environment_id": "abc"}) as writer:
            for seed in range(2):
                run, epochs = make_run(0.9, seed=seed)
                seen = data if seed else run.data_fingerprint
                writer.add(replace(run, code_version=code, data_fingerprint=seen), epochs)
        results.append(load_results(tmp_path / name))
    told = list(describe_comparison("a", "b", compare_results(*results)))
    assert "1 of 2 pairs were trained on different data." in told
    assert "2 of 2 pairs were run with different code." in told
    same = list(describe_comparison("a", "a", compare_results(results[0], results[0])))
    assert not [each for each in same if "pairs" in each]


def test_times_are_compared_without_contended_epochs(tmp_path: Path, make_run: MakeRun) -> None:
    found = []
    for name, disturbed in (("a", 1.0), ("b", 5.0)):
        with ResultWriter(tmp_path / name, {"environment_id": "abc"}) as writer:
            for seed in range(3):
                run, (calm, other) = make_run(0.9, 1.0, seed=seed)
                slow = replace(other, epoch_time_s=disturbed, load=Load(contended=True))
                writer.add(replace(run, epoch_time_s=(1.0 + disturbed) / 2), [calm, slow])
        found.append(load_results(tmp_path / name))
    (row,) = compare_results(*found).table.to_dict("records")
    assert row["time_ratio"] == 1.0


def test_a_result_equals_itself_to_the_last_bit(gather: Gather) -> None:
    result = gather("a")
    (row,) = compare_results(result, result).table.to_dict("records")
    assert row["equal"] == row["seeds"] == 3
    assert row["time_ratio"] == 1.0


def test_where_less_is_better_a_gain_is_a_fall(tmp_path: Path, make_run: MakeRun) -> None:
    results = []
    for name, slope in (("a", 0.4), ("b", 0.1)):
        with ResultWriter(tmp_path / name, {"environment_id": "abc"}) as writer:
            for seed in range(2):
                run, epochs = make_run(slope * (1 + seed), seed=seed)
                least = min(each.score for each in epochs)
                lower: dict[str, Any] = {"higher_is_better": False, "best_score": least}
                writer.add(replace(run, metric="mse", **lower), epochs)
        results.append(load_results(tmp_path / name))
    assert compare_results(*results).table["gain"].tolist() == [pytest.approx(0.45)]


def test_unlike_machines_have_no_ratio_of_times(gather: Gather) -> None:
    found = compare_results(gather("a"), gather("b", cpu="B"))
    assert np.isnan(found.table["time_ratio"].iloc[0])
    told = list(describe_comparison("a", "b", found))
    assert told[:2] == ["The environments of a and b differ in:", "  machine.cpu: A, B"]
    assert "The machines differ, so times are not compared." in told


def test_memory_that_a_kernel_takes_makes_no_other_machine(gather: Gather) -> None:
    found = compare_results(gather("a", memory=8000), gather("b", memory=7990))
    assert found.alike
    assert found.differences == []
    assert found.others == ["machine.memory_bytes: 8000, 7990"]
    told = list(describe_comparison("a", "b", found))
    assert told[0] == "The environments of a and b are the same."
    assert told[1] == "Recorded, but not decisive: machine.memory_bytes: 8000, 7990."


def test_machines_with_other_numbers_of_cores_are_compared_by_their_scores(
    tmp_path: Path, make_run: MakeRun
) -> None:
    found = []
    for name, cores in (("a", 2), ("b", 4)):
        environment = {"environment_id": name, "machine": {"logical_cores": cores}}
        with ResultWriter(tmp_path / name, environment) as writer:
            for seed, score in enumerate(SCORES[name]):
                run, epochs = make_run(score, seed=seed, threads=cores)
                writer.add(replace(run, environment_id=name), epochs)
        found.append(load_results(tmp_path / name))
    compared = compare_results(*found)
    (row,) = compared.table.to_dict("records")
    assert (row["label"], row["seeds"]) == ("rnn", 3)
    assert row["gain"] == pytest.approx(np.subtract(SCORES["b"], SCORES["a"]).mean())
    assert compared.differences == ["machine.logical_cores: 2, 4", "threads: 2, 4"]
    assert np.isnan(row["time_ratio"])


def test_threads_that_a_result_varies_stay_a_setting(tmp_path: Path, make_run: MakeRun) -> None:
    found = []
    for name, threads in (("a", (1, 2)), ("b", (2, 4))):
        with ResultWriter(tmp_path / name, {"environment_id": "abc"}) as writer:
            for each in threads:
                writer.add(*make_run(0.1 * each, threads=each))
        found.append(load_results(tmp_path / name))
    compared = compare_results(*found)
    assert compared.table["label"].tolist() == ["rnn threads=2"]
    assert (compared.only_first, compared.only_second) == (1, 1)


def test_other_software_on_the_same_machine_is_compared_and_told(gather: Gather) -> None:
    found = compare_results(gather("a"), gather("b", torch="2"))
    assert found.differences == ["software.torch.version: 1, 2"]
    assert not np.isnan(found.table["time_ratio"].iloc[0])


def test_runs_without_a_partner_are_counted_and_none_at_all_is_refused(
    tmp_path: Path, gather: Gather, make_run: MakeRun
) -> None:
    with ResultWriter(tmp_path / "c", {"environment_id": "abc"}) as writer:
        writer.add(*make_run(0.9, seed=1))
        writer.add(*make_run(0.9, seed=7))
    found = compare_results(gather("a"), load_results(tmp_path / "c"))
    assert (found.only_first, found.only_second) == (2, 1)
    assert "1 run of c without a counterpart" in " ".join(describe_comparison("a", "c", found))
    with pytest.raises(
        UsageError, match="no completed run with the same settings and seed in common"
    ) as told:
        compare_results(gather("a"), gather("b", hidden_size=9, variant="lstm"))
    assert str(told.value).endswith("they differ in variant: rnn, lstm; hidden_size: 4, 9")
    with ResultWriter(tmp_path / "d", {"environment_id": "abc"}) as writer:
        writer.add(*make_run(0.9, seed=8))
    with pytest.raises(UsageError, match="only the seeds differ; `seqbench pool` merges such"):
        compare_results(gather("a"), load_results(tmp_path / "d"))


@pytest.mark.parametrize(
    ("setting", "values", "told"),
    [
        ("learning_rate", (0.003, 0.01), "learning_rate: 0.003, 0.01"),
        ("hidden_size", (4, 8), "hidden_size: 4, 8"),
        ("clip_norm", (None, 0.5), "clip_norm: none, 0.5"),
        ("clip_norm", (0.5, None), "clip_norm: 0.5, none"),
        ("variant", ("rnn", "gru"), "variant: rnn, gru"),
        ("device", ("cpu", "cuda"), "device: cpu, cuda"),
        ("schedule", ("constant", "one-cycle"), "schedule: constant, one-cycle"),
        ("train_examples", (100, 200), "train_examples: 100, 200"),
        ("cuda_graph", (False, True), "cuda_graph: False, True"),
    ],
)
def test_results_that_differ_in_one_setting_are_compared_along_it(
    gather: Gather, setting: str, values: tuple[Any, Any], told: str
) -> None:
    first, second = (
        gather(name, **{setting: value}) for name, value in zip("ab", values, strict=True)
    )
    found = compare_results(first, second)
    assert found.along == told
    (row,) = found.table.to_dict("records")
    gains = np.subtract(SCORES["b"], SCORES["a"])
    assert (row["seeds"], found.only_first, found.only_second) == (3, 0, 0)
    assert row["gain"] == pytest.approx(gains.mean())
    assert row["p"] == pytest.approx(scipy_stats.ttest_1samp(gains, 0.0).pvalue)
    line = f"Compared along the one setting in which they differ, {told}."
    assert line in list(describe_comparison("a", "b", found))


def test_equal_settings_are_compared_before_any_other(tmp_path: Path, make_run: MakeRun) -> None:
    found = []
    for name, rates in (("a", (0.001,)), ("b", (0.001, 0.01))):
        with ResultWriter(tmp_path / name, {"environment_id": "abc"}) as writer:
            for rate in rates:
                writer.add(*make_run(0.5 + rate, learning_rate=rate))
        found.append(load_results(tmp_path / name))
    compared = compare_results(*found)
    assert (compared.along, compared.only_second) == (None, 1)
    assert compared.table["equal"].tolist() == [1]


def test_fields_that_an_older_environment_lacks_are_no_differences(
    tmp_path: Path, make_run: MakeRun
) -> None:
    found = []
    older: dict[str, Any] = {"cpu": "A"}
    for name, machine in (("a", older), ("b", older | {"affinity": None, "cpu_quota": 1.5})):
        packages = {"pandas": "3"} | ({"ipython": "9"} if name == "b" else {})
        environment = {"machine": machine, "software": {"packages": packages}}
        with ResultWriter(tmp_path / name, {"environment_id": "abc", **environment}) as writer:
            writer.add(*make_run())
        found.append(load_results(tmp_path / name))
    compared = compare_results(*found)
    assert (compared.differences, compared.others) == ([], [])


def test_what_decides_nothing_is_told_in_a_line(tmp_path: Path, make_run: MakeRun) -> None:
    found = []
    for name in "ab":
        packages = {f"package-{number}": name for number in range(90)}
        environment = {"environment_id": "abc", "software": {"packages": packages}}
        with ResultWriter(tmp_path / name, environment) as writer:
            writer.add(*make_run())
        found.append(load_results(tmp_path / name))
    lines = list(describe_comparison("a", "b", compare_results(*found)))
    assert len(lines) == 2
    assert lines[1].endswith("; and 82 more.")
