"""The plan: what nobody chose is settled, and what does not go together is refused by name."""

import pytest

from seqbench.errors import SettingError, UnknownNameError, UsageError
from seqbench.harness.plan import plan_runs
from seqbench.harness.suites import SUITES
from seqbench.models.model import VARIANTS

HERE = {"device": ("cpu",), "threads": (1,), "seed": (0,)}


def test_what_depends_on_the_task_and_the_variant_is_settled() -> None:
    specs = plan_runs([{**HERE, "task": ("row-digits", "adding", "copying"), "variant": ("rnn",)}])
    settled = {spec.task: (spec.length, spec.readout, spec.implementation) for spec in specs}
    assert settled == {
        "row-digits": (None, "last", "native"),
        "adding": (100, "last", "native"),
        "copying": (100, "each", "native"),
    }


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_run_takes_its_variants_ordinary_implementation_unless_told_otherwise(
    device: str,
) -> None:
    axes = {**HERE, "task": ("row-digits",), "variant": ("*",), "device": (device,)}
    for spec in plan_runs([axes]):
        assert spec.implementation == VARIANTS[spec.variant].implementations[0]


def test_the_fastest_implementation_is_asked_for_by_that_word_and_planned_by_its_own_name() -> None:
    axes = {**HERE, "task": ("row-digits",), "variant": ("rnn", "bigru", "bilstm", "lru")}
    planned = {
        device: {
            spec.variant: spec.implementation
            for spec in plan_runs([{**axes, "device": (device,), "implementation": ("fastest",)}])
        }
        for device in ("cpu", "cuda")
    }
    assert planned == {
        "cpu": {"rnn": "fused", "bigru": "fused", "bilstm": "native", "lru": "scan"},
        "cuda": {"rnn": "native", "bigru": "native", "bilstm": "native", "lru": "scan"},
    }


def test_the_fastest_implementation_beside_its_own_name_is_run_once() -> None:
    axes = {**HERE, "task": ("row-digits",), "variant": ("rnn", "lstm")}
    specs = plan_runs([{**axes, "implementation": ("native", "fastest")}])
    assert {(spec.variant, spec.implementation) for spec in specs} == {
        ("rnn", "native"),
        ("rnn", "fused"),
        ("lstm", "native"),
    }
    assert len(specs) == 3


def test_suites_whose_results_depend_on_the_implementation_name_it() -> None:
    for suite in ("speedrun", "implementations"):
        assert all("implementation" in grid for grid in SUITES[suite].grids), suite


@pytest.mark.parametrize("suite", ["quick", "notebook", "mnist", "readout", "init", "memory"])
def test_suites_whose_scores_are_compared_have_five_seeds(suite: str) -> None:
    assert {spec.seed for spec in plan_runs(SUITES[suite].grids)} == {0, 1, 2, 3, 4}


def test_what_was_chosen_is_kept() -> None:
    (spec,) = plan_runs(
        [
            {
                **HERE,
                "task": ("adding",),
                "variant": ("gru",),
                "length": (7,),
                "readout": ("mean",),
                "implementation": ("reference",),
            }
        ]
    )
    assert (spec.length, spec.readout, spec.implementation) == (7, "mean", "reference")


def test_device_and_threads_are_those_of_this_machine() -> None:
    (spec,) = plan_runs([{"task": ("row-digits",), "variant": ("rnn",), "seed": (0,)}])
    assert spec.device in ("cpu", "cuda")
    assert spec.threads >= 1


def test_variants_that_wait_to_be_asked_for_are_left_out_and_patterns_ask() -> None:
    ordinary = {spec.variant for spec in plan_runs([{**HERE, "task": ("row-digits",)}])}
    assert ordinary == {name for name in VARIANTS if not VARIANTS[name].on_request}
    assert {"rnn", "birnn", "lstm", "bilstm", "gru", "bigru"} == ordinary
    every = plan_runs([{**HERE, "task": ("row-digits",), "variant": ("*",)}])
    assert [spec.variant for spec in every] == list(VARIANTS)
    some = plan_runs([{**HERE, "task": ("row-digits",), "variant": ("*gru", "rnn")}])
    assert {"gru", "bigru", "mingru", "rnn"} <= {spec.variant for spec in some}
    with pytest.raises(UnknownNameError, match="unknown variant 'x\\*'"):
        plan_runs([{**HERE, "task": ("row-digits",), "variant": ("x*",)}])


def test_variants_that_would_read_the_answer_are_left_out_or_refused() -> None:
    specs = plan_runs([{**HERE, "task": ("hello",)}])
    assert {spec.variant for spec in specs} == {"rnn", "lstm", "gru"}
    with pytest.raises(SettingError, match="variant must be a unidirectional one for hello"):
        plan_runs([{**HERE, "task": ("hello",), "variant": ("birnn",)}])


@pytest.mark.parametrize("setting", ["task", "variant", "readout"])
def test_names_that_are_not_registered_are_refused(setting: str) -> None:
    axes = {"task": ("row-digits",), "variant": ("rnn",), setting: ("nothing",)}
    with pytest.raises(UnknownNameError, match=r"unknown .* 'nothing'"):
        plan_runs([{**HERE, **axes}])


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({"task": ("copying",), "readout": ("last",)}, "readout must be each for copying"),
        ({"task": ("row-digits",), "readout": ("each",)}, "readout must be last or final or"),
        ({"task": ("row-digits",), "length": (9,)}, "length must be omitted for this task"),
        ({"task": ("row-digits",), "variant": ("rnn", "rnn")}, "variant must be one or more diff"),
    ],
)
def test_what_does_not_go_together_is_refused(axes: dict[str, tuple[object]], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        plan_runs([{**HERE, "variant": ("rnn",), **axes}])


def test_the_same_run_in_two_grids_is_run_once() -> None:
    grid = {**HERE, "task": ("row-digits",), "variant": ("rnn",)}
    assert len(plan_runs([grid, {**grid, "epochs": (1, 3)}])) == 2


def test_no_epochs_are_for_measuring_only() -> None:
    grid = {**HERE, "task": ("row-digits",), "epochs": (0,)}
    with pytest.raises(SettingError, match="at least 1 without --measure"):
        plan_runs([grid])
    assert plan_runs([grid], measure=True)


def test_measured_runs_are_shuffled_within_each_seed() -> None:
    grid = {**HERE, "task": ("row-digits",), "seed": (0, 1, 2), "hidden_size": tuple(range(4, 12))}
    in_order, shuffled = plan_runs([grid]), plan_runs([grid], measure=True)
    assert [spec.seed for spec in shuffled] == [spec.seed for spec in in_order]
    assert set(shuffled) == set(in_order)
    rounds = [
        [(spec.variant, spec.hidden_size) for spec in shuffled if spec.seed == seed]
        for seed in (0, 1, 2)
    ]
    assert rounds[0] != rounds[1] != rounds[2]
    assert shuffled == plan_runs([grid], measure=True), "the seed decides the order"


def test_a_cell_that_does_not_go_together_stays_in_the_plan_if_others_do() -> None:
    grid = {**HERE, "task": ("hello", "row-digits"), "variant": ("gru", "bigru")}
    planned = [(spec.task, spec.variant) for spec in plan_runs([grid])]
    assert planned == [
        ("hello", "gru"),
        ("hello", "bigru"),
        ("row-digits", "gru"),
        ("row-digits", "bigru"),
    ]
    readouts = {**HERE, "task": ("copying", "row-digits"), "readout": ("last",)}
    assert {spec.task for spec in plan_runs([readouts])} == {"copying", "row-digits"}
    suite = [{**each, "readout": ("last",)} for each in SUITES["memory"].grids]
    assert {spec.task for spec in plan_runs(suite)} == {"copying", "adding"}


def test_a_plan_in_which_nothing_goes_together_is_refused() -> None:
    for axes in (
        {"task": ("hello",), "variant": ("bigru", "birnn")},
        {"task": ("copying", "hello"), "readout": ("last", "mean")},
    ):
        with pytest.raises(SettingError):
            plan_runs([{**HERE, "variant": ("rnn",), **axes}])
    with pytest.raises(UsageError, match="no selected variant fits a task"):
        plan_runs([{**HERE, "task": ("hello",), "variant": ("bi*",)}])


def test_only_what_goes_together_is_matched() -> None:
    grid = {**HERE, "task": ("hello", "row-digits"), "variant": ("gru", "bigru")}
    planned = plan_runs([grid], match_parameters=20_000)
    sizes = {(spec.task, spec.variant): spec.hidden_size for spec in planned}
    assert len(sizes) == 4
    assert sizes["hello", "bigru"] == 128
    assert 128 not in {sizes[cell] for cell in sizes if cell != ("hello", "bigru")}
