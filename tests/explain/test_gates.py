"""Gates of trained models: those that NumPy computes from a checkpoint's weights."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import seqbench
from seqbench.cli import main
from seqbench.errors import ExitCode
from seqbench.explain.gates import format_gates, plot_gates

Array = np.ndarray[Any, np.dtype[np.float64]]
SMALL = {"epochs": 1, "hidden_size": 3, "device": "cpu", "threads": 1, "train_examples": 64}


@pytest.fixture(scope="module")
def save(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return what trains a variant for one epoch and returns its checkpoint."""
    folder = tmp_path_factory.mktemp("results")

    def train(variant: str, task: str = "row-digits", **settings: Any) -> Path:
        chosen: dict[str, Any] = {**SMALL, **settings}
        result = seqbench.run(
            task, variant, name=f"{variant}-{len(chosen)}", results=folder, progress=False,
            save_checkpoints=True, **chosen,
        )  # fmt: skip
        return result.folder / "checkpoints" / f"{result.runs['run_id'][0]}.ckpt"

    return train


def explain_gates(*words: str, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(sys, "argv", ["seqbench", "explain", "gates", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def read_gates(
    weights: dict[str, Array], inputs: Array, where: str
) -> tuple[dict[str, Array], Array]:
    """Return the gates and states (time, units) of one layer, by torch.nn's documented equations.

    Blocks of an LSTM's weights are input, forget, candidate, output; of a GRU's reset, update, new.
    """
    w_x, w_h, b_x, b_h = (
        weights[f"encoder.recurrence.{part}_{where}"]
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    units = w_h.shape[1]
    h = c = np.zeros(units)
    steps = []
    for x in inputs:
        blocks = len(w_x) // units
        from_x, from_h = np.split(w_x @ x + b_x, blocks), np.split(w_h @ h + b_h, blocks)
        if len(from_x) == 4:
            i, f, g, o = (one + other for one, other in zip(from_x, from_h, strict=True))
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            gates = {"forget": sigmoid(f), "input": sigmoid(i), "output": sigmoid(o)}
        else:
            r, z = (sigmoid(from_x[k] + from_h[k]) for k in (0, 1))
            h = (1 - z) * np.tanh(from_x[2] + r * from_h[2]) + z * h
            gates = {"update": z, "reset": r}
        steps.append(gates | {"state": h})
    over_time = {name: np.array([each[name] for each in steps]) for name in steps[0]}
    return over_time, over_time.pop("state")


@pytest.mark.parametrize("variant", ["lstm", "bilstm", "bigru"])
def test_gates_of_a_checkpoint_are_those_of_its_weights(
    variant: str, save: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(variant, num_layers=2)
    assert not explain_gates(
        "--checkpoint", str(path), "--out", str(tmp_path), monkeypatch=monkeypatch
    )
    found = pd.read_csv(tmp_path / "gates.csv")

    saved = torch.load(path, weights_only=True)["weights"]
    weights = {name: tensor.double().numpy() for name, tensor in saved.items()}
    digits = load_digits()
    _, test = train_test_split(digits.images, test_size=360, stratify=digits.target, random_state=0)
    inputs = test[0] / 16
    layers = 0
    for layer in (0, 1):
        states = []
        for direction in ["forward", "backward"][: 2 if variant.startswith("bi") else 1]:
            turn = slice(None, None, -1 if direction == "backward" else 1)
            where = f"l{layer}" + ("_reverse" if direction == "backward" else "")
            gates, state = read_gates(weights, inputs[turn], where)
            states.append(state[turn])
            part = found[(found["layer"] == layer + 1) & (found["direction"] == direction)]
            assert list(part["gate"].unique()) == list(gates)
            for gate, values in gates.items():
                grid = part[part["gate"] == gate].pivot(index="step", columns="unit")["value"]  # noqa: PD010
                np.testing.assert_allclose(grid, values[turn], atol=1e-6)
            layers += 1
        inputs = np.concatenate(states, axis=1)
    assert len(found.groupby(["layer", "direction"])) == layers
    assert format_gates(found).count("mean over units") == layers
    assert len(plot_gates(found).axes) == layers * (found["gate"].nunique() + 1), "with a scale"


def test_gates_do_not_depend_on_the_implementation_or_on_dropout(save: Callable[..., Path]) -> None:
    sequence = seqbench.load_data("row-digits").test.inputs[0]
    model = seqbench.load_model(save("gru", num_layers=2, dropout=0.5))
    expected = seqbench.explain.measure_gates(model, sequence)
    pd.testing.assert_frame_equal(seqbench.explain.measure_gates(model.train(), sequence), expected)
    assert model.encoder.training
    fused = seqbench.load_model(save("gru", implementation="fused", num_layers=2, dropout=0.5))
    fused.load_state_dict(model.state_dict())
    pd.testing.assert_frame_equal(seqbench.explain.measure_gates(fused, sequence), expected)


def test_tokens_are_read_one_hot(save: Callable[..., Path]) -> None:
    model = seqbench.load_model(save("lstm", "hello", train_examples=None))
    tokens = seqbench.load_data("hello").test.inputs[0]
    measured = seqbench.explain.measure_gates(model, tokens)
    one_hot = seqbench.explain.measure_gates(model, torch.eye(4)[tokens])
    pd.testing.assert_frame_equal(measured, one_hot)
    with pytest.raises(seqbench.UsageError, match="no input of this model"):
        seqbench.explain.measure_gates(model, tokens + 9)


@pytest.mark.parametrize("shape", [(8, 7), (1, 8, 8), (0, 8), (8,)])
def test_a_sequence_of_another_shape_is_refused(
    save: Callable[..., Path], shape: tuple[int, ...]
) -> None:
    model = seqbench.load_model(save("lstm"))
    with pytest.raises(seqbench.UsageError, match=r"expected \(time, 8\)"):
        seqbench.explain.measure_gates(model, torch.zeros(shape))


@pytest.mark.parametrize("variant", ["rnn", "lstm-peephole", "linear"])
def test_a_checkpoint_without_gates_is_refused(
    variant: str,
    save: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, out = save(variant), tmp_path / "out"
    words = ("--checkpoint", str(path), "--out", str(out))
    assert explain_gates(*words, monkeypatch=monkeypatch) == ExitCode.BAD_USE
    told = " ".join(capsys.readouterr().err.split())
    assert f"{path.name}: no gates to show: they are those of torch.nn's LSTM and GRU" in told
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--checkpoint", "none.ckpt"], "none.ckpt is not a checkpoint"),
        (["--checkpoint", "text.ckpt"], "text.ckpt is not a checkpoint"),
        (["--checkpoint", "weights.ckpt"], "weights.ckpt contains only weights"),
        (["--checkpoint", "text.ckpt", "--epochs", "3"], "leave out --task and --epochs"),
        (["--checkpoint", "text.ckpt", "--task", "hello"], "leave out --task and --epochs"),
    ],
)
def test_what_is_no_checkpoint_is_refused(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.ckpt").write_text("no checkpoint")
    torch.save({"weight": torch.zeros(3)}, "weights.ckpt")
    assert explain_gates(*words, monkeypatch=monkeypatch) == ExitCode.BAD_USE
    printed = " ".join(capsys.readouterr().err.split())
    assert told in printed
    assert "Traceback" not in printed
    assert not Path("reports").exists()
