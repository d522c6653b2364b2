"""The runner: what a run leaves behind, and what one bad run does to the others."""

import json
import math
import platform
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
import torch
from torch import nn

from seqbench.errors import UsageError
from seqbench.harness.environment import describe_environment
from seqbench.harness.job import Job
from seqbench.harness.problems import problem_of
from seqbench.harness.runner import InThisProcess, run_jobs
from seqbench.models.model import VARIANTS, Encoder, EncoderSizes
from seqbench.models.native import NativeEncoder
from seqbench.models.readout import Encoding
from seqbench.models.sequence_model import build_model
from seqbench.results.reader import load_results, load_unfinished
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.training.checkpoint import load_checkpoint
from seqbench.training.device import resolve_device
from seqbench.training.loop import Training

MakeSpec = Callable[..., RunSpec]


class Quiet:
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def run_started(self, spec: RunSpec, epochs_done: int = 0) -> None:
        self.told.append(f"start {spec.variant}")

    def epoch_finished(self, record: EpochRecord) -> None:
        self.told.append(f"epoch {record.epoch}")

    def run_finished(self, record: RunRecord) -> None:
        self.told.append(record.status)


Run = Callable[..., list[RunRecord]]


@pytest.fixture
def run(tmp_path: Path, tiny_task: Task, tiny_data: TaskData) -> Run:
    def execute(specs: list[RunSpec], keep_weights: bool = False) -> list[RunRecord]:
        with ResultWriter(tmp_path / "a", {}) as writer:
            jobs = [
                Job(spec=spec, suite="quick", environment_id="abc", keep_weights=keep_weights)
                for spec in specs
            ]
            problems = {problem_of(spec): (tiny_task, tiny_data) for spec in specs}
            return run_jobs(jobs, InThisProcess(problems), writer, Quiet())

    return execute


@pytest.fixture
def bad_variants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register, for one test, a variant that raises and one whose outputs are not finite."""

    class Infinite(NativeEncoder):
        def forward(self, inputs: torch.Tensor) -> Encoding:
            steps, final, _ = super().forward(inputs)
            return Encoding(steps / 0.0, final)

    def breaking(sizes: EncoderSizes) -> Encoder:
        raise ValueError("first line\nit cannot be built")

    monkeypatch.setattr(VARIANTS, "_members", dict(VARIANTS._members))
    VARIANTS.variant("breaking")(breaking)
    VARIANTS.variant("infinite")(lambda sizes: Infinite(nn.RNN, sizes))


def test_a_run_is_recorded_as_it_went(
    run: Run, make_spec: MakeSpec, tmp_path: Path, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(epochs=3)
    (record,) = run([spec])
    results = load_results(tmp_path / "a")
    training = Training(spec, tiny_task, tiny_data)
    for _, row in results.epochs.iterrows():
        assert row["train_loss"] == training.train_epoch()[0]
        evaluation = training.evaluate(tiny_data.test)
        assert (row["test_loss"], row["score"]) == (evaluation.loss, evaluation.score)
        assert row["train_samples_per_s"] == 40 / row["epoch_time_s"]
        assert row["eval_samples_per_s"] == 20 / row["eval_time_s"]
    scores, times = results.epochs["score"], results.epochs["epoch_time_s"]
    assert record.status == "ok"
    assert record.final_score == scores.iloc[-1]
    assert record.best_score == scores.max()
    assert record.epoch_time_s == median(times)
    assert record.train_samples_per_s == 40 / median(times)
    assert record.parameters == 4 * (3 + 4 + 2) + 4 * (4 + 4 + 2) + 2 * 5
    assert record.data_fingerprint == tiny_data.fingerprint
    assert results.runs["run_id"].tolist() == [spec.run_id]


@pytest.mark.usefixtures("bad_variants")
def test_a_bad_run_does_not_stop_the_others(run: Run, make_spec: MakeSpec, tmp_path: Path) -> None:
    variants = ("breaking", "infinite", "rnn")
    records = run([make_spec(variant=variant) for variant in variants])
    assert [record.status for record in records] == ["failed", "diverged", "ok"]
    assert records[0].error == "ValueError: first line / it cannot be built"
    assert records[1].error == "a loss was not finite in epoch 1"
    results = load_results(tmp_path / "a")
    assert results.runs["variant"].tolist() == list(variants)
    assert results.runs["final_score"].isna().tolist() == [True, True, False]
    diverged = results.epochs[results.epochs["variant"] == "infinite"]
    assert len(diverged) == 1
    assert math.isnan(diverged["train_loss"].iloc[0])


def test_an_interruption_keeps_the_finished_runs(
    make_spec: MakeSpec, tmp_path: Path, tiny_task: Task, tiny_data: TaskData
) -> None:
    class Interrupting(Quiet):
        def epoch_finished(self, record: EpochRecord) -> None:
            if record.variant == "gru" and record.epoch == 2:
                raise KeyboardInterrupt

    specs = [make_spec(variant=variant) for variant in ("rnn", "gru", "lstm")]
    with ResultWriter(tmp_path / "a", {}) as writer, pytest.raises(KeyboardInterrupt):
        run_jobs(
            [Job(spec=spec, suite="quick", environment_id="abc") for spec in specs],
            InThisProcess({problem_of(specs[0]): (tiny_task, tiny_data)}),
            writer,
            Interrupting(),
        )
    assert load_results(tmp_path / "a").runs["variant"].tolist() == ["rnn"]
    assert writer.statuses == ["ok"]
    assert list(load_unfinished(tmp_path / "a")) == [specs[1].run_id]


def test_progress_hears_of_every_step(
    make_spec: MakeSpec, tmp_path: Path, tiny_task: Task, tiny_data: TaskData
) -> None:
    progress = Quiet()
    with ResultWriter(tmp_path / "a", {}) as writer:
        run_jobs(
            [Job(spec=make_spec(), suite="quick", environment_id="abc")],
            InThisProcess({problem_of(make_spec()): (tiny_task, tiny_data)}),
            writer,
            progress,
        )
    assert progress.told == ["start rnn", "epoch 1", "epoch 2", "ok"]


def test_saved_weights_give_the_recorded_score(
    run: Run, make_spec: MakeSpec, tmp_path: Path, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec()
    (record,) = run([spec], keep_weights=True)
    path = tmp_path / "a" / "checkpoints" / f"{spec.run_id}.ckpt"
    training = Training(spec, tiny_task, tiny_data)
    load_checkpoint(training.model, path)
    assert training.evaluate(tiny_data.test).score == record.final_score


def test_a_checkpoint_runs_no_code(make_spec: MakeSpec, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return (Path(tmp_path / "exploded").write_text, ("x",))  # type: ignore[return-value]

    path = tmp_path / "bomb.ckpt"
    torch.save({"head.weight": Bomb()}, path)
    model = build_model(make_spec(), features=3, outputs=2)
    with pytest.raises(
        UsageError, match=r"bomb\.ckpt is not a checkpoint: Weights only load failed"
    ):
        load_checkpoint(model, path)
    assert not (tmp_path / "exploded").exists()


def test_auto_takes_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for available, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=available: found)
        assert resolve_device("auto") == device
        assert resolve_device("cpu") == "cpu"
    with pytest.raises(UsageError, match="device cuda is not available"):
        resolve_device("cuda")
    with pytest.raises(UsageError, match="auto, cpu or cuda, not 'tpu'"):
        resolve_device("tpu")


def test_the_environment_tells_what_matters_and_not_who_or_where() -> None:
    described = describe_environment()
    text = json.dumps(described)
    assert described["software"]["torch"]["version"] == torch.__version__
    assert described["software"]["packages"]["torch"] == torch.__version__
    assert described["machine"]["logical_cores"] >= 1
    assert described == describe_environment(), "the same machine has the same environment"
    for secret in (Path.home().name, str(Path.cwd()), platform.node()):
        assert f'"{secret}"' not in text
        assert str(Path.cwd()) not in text


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_starts_from_the_same_weights_and_batches_as_the_cpu(
    make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    losses = []
    for device in ("cpu", "cuda"):
        training = Training(make_spec(device=device), tiny_task, tiny_data.to(device))
        losses.append([training.train_epoch()[0] for _ in range(2)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
