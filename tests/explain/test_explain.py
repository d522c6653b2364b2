"""The explanations: really run, and of the numbers that they say."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from seqbench.cli import main
from seqbench.errors import ExitCode
from seqbench.explain.gates import format_gates, measure_gates, plot_gates, train_lstm
from seqbench.explain.gradients import AFTER, BEFORE, measure_gradients, plot_gradients
from seqbench.explain.shapes import explain_shapes


def test_the_walk_has_every_shape_of_the_notebooks_table() -> None:
    text = explain_shapes()
    one, both = text.split("Both directions")
    for shape in ("(12)", "(4, 3, 1)", "(4, 3, 2)", "(2, 4, 2)"):
        assert f"  {shape} " in one
    for shape in (
        "(4, 3, 4)",
        "(4, 4, 2)",
        "(4, 3, 2, 2)",
        "(4, 3, 2)",
        "(2, 2, 4, 2)",
        "(2, 4, 2)",
    ):
        assert f"  {shape} " in both
    assert text.count(": True") == 3
    assert ": False" not in text
    assert text == explain_shapes()


def test_the_walks_numbers_are_those_of_torch() -> None:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        out, _ = nn.RNN(1, 2, 2, batch_first=True)(torch.arange(1.0, 13.0).view(4, 3, 1))
    first = " ".join(f"{value:.3g}" for value in out[0, 0])
    assert first in explain_shapes()


def test_gradients_are_those_of_a_loss_at_the_end() -> None:
    measured = measure_gradients(["rnn", "lstm"], length=20, epochs=0)
    assert set(measured["moment"]) == {BEFORE}
    assert (
        measured.groupby("variant", sort=False)["step"].agg(list).tolist()
        == [list(range(1, 21))] * 2
    )
    norms = measured[measured["variant"] == "rnn"].set_index("step")["norm"]
    assert norms[1] < 1e-2 * norms[20], "it vanishes with the distance"
    assert (norms > 0).all()


def test_the_gradients_of_one_step_by_hand() -> None:
    """With two steps the chain rule can be written down."""
    from seqbench.explain.gradients import EXAMPLES, _start
    from seqbench.harness.plan import plan_runs

    axes = {"task": ("adding",), "variant": ("rnn",), "seed": (0,), "device": ("cpu",),
            "length": (2,), "num_layers": (1,), "hidden_size": (64,)}  # fmt: skip
    training = _start(plan_runs([axes])[0])
    weights = dict(training.model.encoder.get_submodule("recurrence").named_parameters())
    head = training.model.head
    few = training.data.test.first(EXAMPLES)
    with torch.no_grad():
        w_x, w_h = weights["weight_ih_l0"], weights["weight_hh_l0"]
        bias = weights["bias_ih_l0"] + weights["bias_hh_l0"]
        h_1 = torch.tanh(few.inputs[:, 0] @ w_x.T + bias)
        h_2 = torch.tanh(few.inputs[:, 1] @ w_x.T + h_1 @ w_h.T + bias)
        error = head(h_2).flatten() - few.targets.flatten()
        at_2 = 2 * error[:, None] * head.weight * (1 - h_2**2)
        at_1 = (at_2 @ w_h) * (1 - h_1**2)
        expected = [(each @ w_x).norm(dim=1).mean().item() for each in (at_1, at_2)]
    measured = measure_gradients(["rnn"], length=2, epochs=0)
    assert measured["norm"].tolist() == pytest.approx(expected, rel=1e-4)


def test_training_lies_between_the_two_moments() -> None:
    measured = measure_gradients(["gru"], length=4, epochs=2)
    losses = measured.groupby("moment", sort=False)["test_loss"].first()
    assert losses[AFTER] < losses[BEFORE]
    assert len(plot_gradients(measured).axes) == 2


def test_gates_are_those_of_the_equations() -> None:
    model, examples = train_lstm("row-digits", epochs=0)
    measured = measure_gates(model, examples.test.inputs[0])
    assert measured["value"].between(0, 1).all()
    assert set(measured["gate"]) == {"forget", "input", "output"}
    assert len(measured) == 3 * 8 * 32
    # at the first step of an untrained model, from the weights alone
    from seqbench.harness.plan import plan_runs
    from seqbench.tasks.task import make_task
    from seqbench.training.loop import Training

    axes = {"task": ("row-digits",), "variant": ("lstm",), "seed": (0,), "device": ("cpu",),
            "num_layers": (1,), "hidden_size": (32,)}  # fmt: skip
    (spec,) = plan_runs([axes])
    task = make_task(spec)
    training = Training(spec, task, task.load(Path()))
    weights = dict(training.model.encoder.get_submodule("recurrence").named_parameters())
    bias = weights["bias_ih_l0"] + weights["bias_hh_l0"]
    inside = weights["weight_ih_l0"] @ training.data.test.inputs[0, 0] + bias
    for gate, block in (("input", 0), ("forget", 1), ("output", 3)):
        expected = torch.sigmoid(inside[32 * block : 32 * (block + 1)]).tolist()
        first = measured[(measured["gate"] == gate) & (measured["step"] == 1)]
        assert first["value"].tolist() == pytest.approx(expected, rel=1e-5)
    assert len(plot_gates(measured).axes) == 4, "three gates and a scale"


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (("shapes",), []),
        (("gradients", "--variant", "rnn,gru", "--length", "5", "--epochs", "1"),
         ["gradients.csv", "gradients.png"]),
        (("gates", "--epochs", "1"), ["gates.csv", "gates.png"]),
    ],
)  # fmt: skip
def test_the_commands_leave_figure_and_numbers(
    words: tuple[str, ...],
    files: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["seqbench", "explain", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert capsys.readouterr().out
    folder = tmp_path / "reports" / "local" / "explain"
    assert sorted(path.name for path in folder.glob("*")) == files
    for path in folder.glob("*.csv"):
        assert not pd.read_csv(path).isna().any().any()


@pytest.mark.parametrize("steps", [1, 8, 20, 21, 28, 784])
def test_a_table_of_gates_is_no_wider_than_a_terminal(steps: int) -> None:
    measured = pd.DataFrame(
        [
            {"layer": 1, "direction": "forward", "gate": gate, "step": step, "unit": unit,
             "value": step / steps / unit}
            for gate in ("forget", "input", "output")
            for step in range(1, steps + 1)
            for unit in (1, 2)
        ]
    )  # fmt: skip
    lines = format_gates(measured).splitlines()
    assert max(map(len, lines)) <= 60
    assert len(lines) <= 30
    shown = [line.split() for line in lines[3:]]
    assert [int(shown[0][0]), int(shown[-1][0])] == [1, steps]
    for step, *means in shown:
        expected = [0.75 * int(step) / steps] * 3
        assert [float(mean) for mean in means] == pytest.approx(expected, abs=1e-3)


def test_a_folder_that_cannot_be_made_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "below")
    words = ["seqbench", "explain", "gates", "--epochs", "1000000", "--out", out]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.RESULTS_UNREADABLE
    assert "Not a directory" in capsys.readouterr().err


def test_a_mistake_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["seqbench", "explain", "gradients", "--variant", "rnnn"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ExitCode.BAD_USE
    assert list(tmp_path.iterdir()) == []
