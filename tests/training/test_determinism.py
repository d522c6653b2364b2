"""Deterministic mode: on while a run lasts, and honest about what it could not cover."""

import warnings
from collections.abc import Callable

import pytest
import torch

from seqbench.harness.job import Job
from seqbench.harness.run import Run
from seqbench.models.compiled import compile_step
from seqbench.models.model import VARIANTS
from seqbench.models.native import NativeEncoder
from seqbench.models.readout import Encoding
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.training.determinism import Determinism


def warn_of(operator: str) -> None:
    """Say what torch says of an operator that has no deterministic code."""
    warnings.warn(
        f"{operator} does not have a deterministic implementation, but you set "
        "'torch.use_deterministic_algorithms(True, warn_only=True)'.",
        UserWarning,
        stacklevel=1,
    )


def test_the_mode_is_on_inside_and_as_it_was_outside() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    with Determinism().active():
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]


def test_each_operator_is_named_once_and_other_warnings_pass() -> None:
    watch = Determinism()

    def warn() -> None:
        with watch.active():
            for operator in ("cumsum_cuda_kernel", "put_", "cumsum_cuda_kernel"):
                warn_of(operator)
            warnings.warn("something else", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="something else"):
        warn()
    assert watch.operators == ["cumsum_cuda_kernel", "put_"]


@pytest.mark.parametrize("attention", ["Memory Efficient attention", "Flash Attention"])
def test_what_torch_says_of_attention_counts_too(attention: str) -> None:
    watch = Determinism()
    with watch.active():
        warnings.warn(
            f"{attention} defaults to a non-deterministic algorithm. To explicitly enable "
            "determinism call torch.use_deterministic_algorithms(True, warn_only=False).",
            UserWarning,
            stacklevel=1,
        )
    assert watch.operators == [attention]


def test_a_row_says_whether_its_run_was_deterministic(
    make_spec: Callable[..., RunSpec],
    tiny_task: Task,
    tiny_data: TaskData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Unsteady(NativeEncoder):
        def forward(self, inputs: torch.Tensor) -> Encoding:
            warn_of("scatter_add_cuda_kernel")
            return super().forward(inputs)

    monkeypatch.setattr(VARIANTS, "_members", dict(VARIANTS._members))
    VARIANTS.variant("unsteady")(lambda sizes: Unsteady(torch.nn.RNN, sizes))
    rows = [
        Run(
            Job(spec=make_spec(variant=variant), suite="a", environment_id="b"),
            tiny_task,
            tiny_data,
        )
        .execute()
        .record
        for variant in ("rnn", "unsteady")
    ]
    assert [row.deterministic for row in rows] == [True, False]
    assert [row.nondeterministic_operators for row in rows] == [None, "scatter_add_cuda_kernel"]


def test_compiled_steps_are_chosen_without_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch._inductor.config.deterministic", False)
    compile_step.cache_clear()
    compile_step("GRU")
    assert torch._inductor.config.deterministic
