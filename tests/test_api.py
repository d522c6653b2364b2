"""The Python interface, as a person in a notebook or a script uses it."""

import doctest
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

import seqbench
from seqbench import api
from seqbench.results.reader import load_results
from seqbench.training.checkpoint import read_checkpoint
from tests.processes import SMALL_LIMITS, run_seqbench

SMALL = {"epochs": 2, "hidden_size": 8, "device": "cpu", "threads": 1, "train_examples": 64}


def run_quietly(
    folder: Path, variant: str | tuple[str, ...] = ("rnn", "gru"), **settings: Any
) -> seqbench.Result:
    chosen: dict[str, Any] = {**SMALL, **settings}
    return seqbench.run("row-digits", variant, results=folder, progress=False, **chosen)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> seqbench.Result:
    return run_quietly(tmp_path_factory.mktemp("results"), seeds=2, save_checkpoints=True)


def test_importing_takes_neither_torch_nor_pandas() -> None:
    code = "import sys, seqbench; assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there() -> None:
    for name in seqbench.__all__:
        assert getattr(seqbench, name) is not None
    assert set(dir(seqbench)) == set(seqbench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = seqbench.nothing


def test_the_example_in_the_documentation_is_true(tmp_path: Path) -> None:
    found = doctest.testmod(api, extraglobs={"folder": tmp_path})
    assert (found.attempted, found.failed) == (3, 0)


def test_a_run_is_what_the_command_line_makes_of_it(
    result: seqbench.Result, tmp_path: Path
) -> None:
    words = ["run", "--task", "row-digits", "--seeds", "2", "--variant", "rnn,gru"]
    words += ["--save-checkpoints", "--results", str(tmp_path)]
    words += [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    run_seqbench(*words, cwd=tmp_path).check_returncode()
    other = load_results(tmp_path / "custom")
    columns = ["run_id", "final_score", "code_version", "data_fingerprint", "parameters"]
    pd.testing.assert_frame_equal(result.runs[columns], other.runs[columns])
    losses = ["run_id", "epoch", "train_loss", "test_loss", "score"]
    pd.testing.assert_frame_equal(result.epochs[losses], other.epochs[losses])
    assert result.environment["command"] == other.environment["command"]
    for part in ("environment_id", "threads"):
        assert result.environment[part] == other.environment[part]
    weights = f"custom/checkpoints/{result.runs['run_id'][0]}.ckpt"
    assert (tmp_path / weights).read_bytes() == (result.folder.parent / weights).read_bytes()


def test_numbers_of_numpy_are_numbers(result: seqbench.Result, tmp_path: Path) -> None:
    shutil.copytree(result.folder, tmp_path / result.name)
    again = run_quietly(
        tmp_path, seeds=np.arange(2), hidden_size=np.int64(8), epochs=iter([np.int32(2)])
    )
    assert again.runs["started_at"].equals(result.runs["started_at"])


def test_finished_runs_are_kept(result: seqbench.Result, tmp_path: Path) -> None:
    shutil.copytree(result.folder, tmp_path / result.name)
    again = run_quietly(tmp_path, seeds=3)
    assert len(again.runs) == 6
    before = result.runs.set_index("run_id")["started_at"]
    assert again.runs.set_index("run_id")["started_at"][before.index].equals(before)


def test_tables_agree_with_the_rows(result: seqbench.Result) -> None:
    summary = seqbench.load(result.folder).summary()
    means = result.runs.groupby("variant")["final_score"].mean()
    for _, row in summary.iterrows():
        assert row["score"] == pytest.approx(means[row["variant"]])
        assert row["lower"] < row["score"] < row["upper"]
    assert f"{summary['score'][0]:.4g}" in result._repr_html_()
    compared = result.compare(result.folder)
    assert compared["seeds"].tolist() == [2, 2]
    assert compared["first"].equals(compared["second"])
    assert len(result.differences()) == 1


def test_figures_are_drawn_into_axes_of_ones_own(result: seqbench.Result) -> None:
    figure, ax = plt.subplots()
    assert result.plot_learning_curves(ax=ax) is figure
    assert {line.get_label() for line in ax.get_lines()} == {"rnn", "gru"}
    (line,) = (each for each in ax.get_lines() if each.get_label() == "gru")
    epochs = result.epochs[result.epochs["variant"] == "gru"]
    assert np.asarray(line.get_ydata()) == pytest.approx(
        list(epochs.groupby("epoch")["score"].mean())
    )
    plt.close(figure)
    for plot in (
        result.plot_learning_curves,
        result.plot_final_scores,
        result.plot_epoch_time,
        result.plot_throughput,
        result.plot_score_against_throughput,
    ):
        assert plot().axes
    with pytest.raises(seqbench.UsageError, match="epoch or train_time_s, not 'time'"):
        result.plot_learning_curves("time")


def test_a_trained_model_predicts_in_another_process(
    result: seqbench.Result, tmp_path: Path
) -> None:
    """Its score is the row's; it is built from nothing but the file."""
    row = result.runs.iloc[0]
    path = result.folder / "checkpoints" / f"{row['run_id']}.ckpt"
    script = tmp_path / "predict.py"
    script.write_text(f"""
import seqbench, torch
model = seqbench.load_model({str(path)!r})
task = seqbench.TASKS["row-digits"]()
test = task.load(None).test
with torch.inference_mode():
    right = model(test.inputs).argmax(1) == test.targets
print(right.double().mean().item())
""")
    done = run_seqbench(program=script, cwd=tmp_path)
    done.check_returncode()
    assert float(done.stdout) == pytest.approx(row["final_score"])
    model = result.load_model(row["run_id"])
    assert not model.training
    with pytest.raises(seqbench.UsageError, match="no run 'none'"):
        result.load_model("none")


def test_a_checkpoint_says_what_it_is(result: seqbench.Result, tmp_path: Path) -> None:
    run_id = result.runs["run_id"][0]
    parts = read_checkpoint(result.folder / "checkpoints" / f"{run_id}.ckpt")
    spec = seqbench.RunSpec(**parts["settings"])
    assert spec.run_id == run_id
    assert asdict(spec)["hidden_size"] == 8
    assert parts["sizes"] == {"features": 8, "outputs": 10, "time": 8}
    assert parts["versions"]["torch"] == torch.__version__
    old = tmp_path / "old.ckpt"
    torch.save(parts["weights"], old)
    with pytest.raises(seqbench.UsageError, match="contains only weights"):
        seqbench.load_model(old)
    for told in ("{", "3", 3):
        torch.save({"about": told, "weights": parts["weights"]}, old)
        with pytest.raises(seqbench.UsageError, match="does not identify its model"):
            seqbench.load_model(old)
    for sizes in ({"features": -1, "outputs": 10}, {"features": 8}):
        text = json.dumps({"settings": parts["settings"], "sizes": sizes})
        torch.save({"about": text, "weights": parts["weights"]}, old)
        with pytest.raises(seqbench.UsageError, match="contains no model of this version"):
            seqbench.load_model(old)
    old.write_bytes(b"no checkpoint")
    with pytest.raises(seqbench.UsageError, match="is not a checkpoint"):
        seqbench.load_model(old)
    about = {"settings": {**parts["settings"], "of_tomorrow": 1}, "sizes": parts["sizes"]}
    torch.save({"about": json.dumps(about), "weights": parts["weights"]}, old)
    with pytest.raises(seqbench.UsageError, match="contains no model of this version"):
        seqbench.load_model(old)


@contextmanager
def setting(change: Callable[[Any], object], value: Any, before: Any) -> Iterator[None]:
    change(value)
    try:
        yield
    finally:
        change(before)


AROUND: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "precision": lambda: setting(torch.set_float32_matmul_precision, "medium", "highest"),
    "dtype": lambda: setting(torch.set_default_dtype, torch.float64, torch.float32),
    "device": lambda: setting(torch.set_default_device, "meta", None),
}


@pytest.mark.parametrize("name", AROUND)
def test_what_is_set_around_a_call_changes_no_number_and_is_as_before(
    result: seqbench.Result, tmp_path: Path, name: str
) -> None:
    with AROUND[name]():
        torch.manual_seed(7)
        before = describe_torch()
        found = run_quietly(tmp_path, variant="gru", seeds=[1])
        assert describe_torch() == before
    losses = ["run_id", "epoch", "train_loss", "test_loss"]
    of_run = result.epochs[result.epochs["run_id"] == found.runs["run_id"][0]]
    pd.testing.assert_frame_equal(
        found.epochs[losses], of_run[losses].reset_index(drop=True), check_exact=True
    )
    assert found.environment["environment_id"] == result.environment["environment_id"]


def describe_torch() -> tuple[object, ...]:
    return (
        *(torch.get_default_dtype(), torch.get_default_device()),
        *(torch.is_autocast_enabled("cpu"), torch.is_grad_enabled()),
        *(torch.is_inference_mode_enabled(), torch.get_float32_matmul_precision()),
        torch.random.get_rng_state().tolist(),
    )


def test_a_default_device_that_cannot_be_undone_is_told(tmp_path: Path) -> None:
    with (
        torch.device("meta"),
        pytest.raises(seqbench.UsageError, match="the default device is meta"),
    ):
        run_quietly(tmp_path)


NOTEBOOK = f"""
import seqbench.timing.peak
vars(seqbench.timing.peak).update({SMALL_LIMITS})
"""
NOTEBOOK += """
import sys, warnings
import seqbench, torch

def define(scale):
    class Scaled(seqbench.Encoder):
        def __init__(self, sizes):
            super().__init__()
            self.width = sizes.features
            self.weight = torch.nn.Parameter(torch.tensor(scale))
        def forward(self, inputs):
            steps = inputs.cumsum(1) * self.weight
            return seqbench.Encoding(steps, steps[:, -1][None])
    return Scaled

seqbench.VARIANTS.variant("scaled")(define(float(sys.argv[2])))
result = seqbench.run(
    "row-digits", "scaled", epochs=1, train_examples=64, device="cpu", threads=1,
    results=sys.argv[1], progress=False,
)
print(result.epochs["train_loss"][0])
"""


def test_a_variant_of_a_notebook_is_run_again_since_it_may_have_changed(tmp_path: Path) -> None:
    """What is typed lies in no file; counting it as finished would keep the old one's figures.

    It is typed again in the same process, as a cell is executed again, and in another one.
    """
    script = tmp_path / "typed.py"

    def train(text: str, scale: float) -> list[str]:
        script.write_text(f"del __file__\nexec(compile({text!r}, '<stdin>', 'exec'))\n")
        done = run_seqbench(tmp_path / "results", scale, program=script, cwd=tmp_path)
        done.check_returncode()
        return done.stdout.split()

    again = NOTEBOOK.replace("float(sys.argv[2])", "1 / 8")
    losses = train(NOTEBOOK + again, 1.0) + train(NOTEBOOK, 0.1)
    assert len(set(losses)) == 3


def test_a_variant_of_a_script_counts_with_its_file(tmp_path: Path) -> None:
    script = tmp_path / "script.py"

    def train(text: str) -> tuple[float, str]:
        script.write_text(text + "print(result.runs['started_at'][0])\n")
        done = run_seqbench(tmp_path / "results", 1.0, program=script, cwd=tmp_path)
        done.check_returncode()
        loss, started = done.stdout.split(maxsplit=1)
        return float(loss), started

    first = train(NOTEBOOK)
    assert train(f"# a comment\n{NOTEBOOK}") == first
    assert train(NOTEBOOK.replace("cumsum(1)", "cumsum(1) / 8"))[0] != first[0]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"hidden_sizes": 8}, "unknown setting 'hidden_sizes'; did you mean hidden_size"),
        ({"variant": "gruu"}, "unknown variant 'gruu'; did you mean gru"),
        ({"epochs": -1}, "epochs must be"),
        ({"epochs": []}, "epochs must be at least one value"),
        ({"seeds": 0}, "seeds must be a number from 1 to 1000"),
        ({"seeds": []}, "seeds must be at least one value"),
        ({"timeout": 5}, "needs isolated=True"),
        ({"seeds": 1.5}, "seeds must be a number from 1"),
        ({"variant": 3}, "variant must be a value of its type"),
        ({"hidden_size": [[4]]}, "hidden_size must be a value of its type"),
        ({"hidden_size": "4"}, "hidden_size must be"),
        ({"match_parameters": 0, "hidden_size": 4}, "omit hidden_size"),
        ({"name": "Not A Name"}, "name must be lower-case"),
        ({"match_parameters": 1000}, "omit hidden_size"),
    ],
)
def test_bad_use_is_told(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(seqbench.UsageError, match=re.escape(told)):
        run_quietly(tmp_path, **settings)
    assert not list(tmp_path.iterdir())


def test_runs_that_did_not_end_well_are_told(tmp_path: Path) -> None:
    with pytest.warns(seqbench.RunsFailedWarning, match="1 of 2 runs failed"):
        found = run_quietly(tmp_path, variant=("rnn", "indrnn"), precision="bfloat16")
    assert set(found.runs["status"]) == {"ok", "unsupported"}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("learning_rate", b"1"),
        ("learning_rate", {1: 2}),
        ("hidden_size", memoryview(b"1")),
        ("learning_rate", "x"),
        ("dropout", "0.1x"),
        ("weight_decay", [0, "q"]),
        ("clip_norm", "c"),
        ("hidden_size", 0),
        ("optimizer", "adem"),
    ],
)
def test_a_value_that_cannot_be_is_a_setting_error(
    setting: str, value: Any, tmp_path: Path
) -> None:
    with pytest.raises(seqbench.SettingError, match=setting):
        seqbench.run("row-digits", "rnn", results=tmp_path, progress=False, **{setting: value})
    assert list(tmp_path.iterdir()) == []
