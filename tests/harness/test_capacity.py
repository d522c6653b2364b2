"""What is too large for this machine is a row that says so, before any of it is allocated."""

from collections.abc import Callable

import pytest

from seqbench.harness.job import Job
from seqbench.harness.run import Run
from seqbench.models import sequence_model
from seqbench.models.sequence_model import build_model
from seqbench.results.records import RunRecord
from seqbench.spec import MOST_LAYERS, RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.training import accelerator

MakeSpec = Callable[..., RunSpec]


def execute(spec: RunSpec, task: Task, data: TaskData) -> RunRecord:
    return Run(Job(spec=spec, suite="quick", environment_id="abc"), task, data).execute().record


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_size": 1_000_000},
        {"hidden_size": 1_000_000, "variant": "bilstm", "implementation": "reference"},
        {"hidden_size": 50_000, "num_layers": MOST_LAYERS, "variant": "gru"},
    ],
)
def test_weights_that_do_not_fit_are_not_allocated(
    monkeypatch: pytest.MonkeyPatch,
    make_spec: MakeSpec,
    tiny_task: Task,
    tiny_data: TaskData,
    settings: dict[str, object],
) -> None:
    monkeypatch.setattr(accelerator, "read_free_memory", lambda: 64 * 10**9)
    record = execute(make_spec(**settings), tiny_task, tiny_data)
    assert record.status == "unsupported"
    assert record.error is not None
    assert record.error.endswith("of memory, and 64 GB are free")
    assert record.parameters is None


def test_outputs_that_do_not_fit_are_not_allocated(
    monkeypatch: pytest.MonkeyPatch, make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(batch_size=32, hidden_size=4)
    least = 8 * 32 * tiny_task.time * 4
    weights = 20 * (4 * (3 + 4 + 2) + 4 * (4 + 4 + 2) + 2 * 5)
    for free, status in ((least + weights - 1, "unsupported"), (least + weights, "ok")):
        monkeypatch.setattr(accelerator, "read_free_memory", lambda free=free: free)
        assert execute(spec, tiny_task, tiny_data).status == status


def test_the_most_layers_are_built(make_spec: MakeSpec, tiny_task: Task) -> None:
    spec = make_spec(num_layers=MOST_LAYERS, hidden_size=2)
    model = build_model(spec, features=3, outputs=2)
    assert sequence_model.count_parameters(model) == 2 * (3 + 4) + 999 * 2 * (4 + 2) + 2 * 3
