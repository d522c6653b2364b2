"""Profiles: what the profiler lists, and what is made of it, against figures written down here."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch._C._autograd import DeviceType

from seqbench.analysis.analysis import Analysis
from seqbench.analysis.profiles import KINDS, kind_of, summarise_profiles
from seqbench.models.model import VARIANTS
from seqbench.report.speed_findings import describe_speed
from seqbench.results.reader import load_results
from seqbench.results.records import EpochRecord, ProfileRecord, RunRecord
from seqbench.results.writer import ResultWriter
from seqbench.spec import RunSpec
from seqbench.tasks.task import Task, TaskData
from seqbench.timing.profiler import OperatorTime, list_operators, profile_steps, shorten_name
from seqbench.timing.speed import Measuring
from seqbench.training.clock import SampleClock
from seqbench.training.threads import Sharing

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
MakeSpec = Callable[..., RunSpec]


@dataclass
class Listed:
    """An entry as torch's profiler gives it, times in microseconds."""

    key: str
    count: int
    device_type: DeviceType
    self_cpu_time_total: float = 0.0
    self_device_time_total: float = 0.0
    is_user_annotation: bool = False


def test_operators_of_every_thread_that_shares_a_batch_are_counted() -> None:
    sharing = Sharing(threads=2, shares=2)
    square = torch.ones(8, 8)

    def multiply(times: int) -> None:
        for _ in range(times):
            square @ square

    taken = profile_steps(lambda: sharing.map(multiply, [5, 7]), SampleClock("cpu"))
    products = {each.operator: each for each in taken.operators}["aten::mm"]
    assert products.calls == taken.steps * (5 + 7)
    assert products.seconds > 0


def test_a_step_is_what_it_is_without_the_profiler() -> None:
    looks = iter([0.0, 3.0, 10.0, 90.0, 100.0, 102.0])  # before, under the profiler, after
    clock = SampleClock("cpu", now=lambda: next(looks))
    assert profile_steps(lambda: None, clock).seconds == 2.0


def test_on_a_gpu_it_is_its_kernels_that_count() -> None:
    events = [
        Listed("aten::mm", 2, DeviceType.CPU, 50.0, 3000.0),
        Listed("void gemm<float, 4>(int)", 1, DeviceType.CUDA, 0.0, 1000.0),
        Listed("void gemm<float, 8>(int)", 1, DeviceType.CUDA, 0.0, 2000.0),
        Listed("Memset (Device)", 3, DeviceType.CUDA, 0.0, 9000.0),
        Listed("Optimizer.step#Adam.step", 1, DeviceType.CUDA, 0.0, 9000.0, True),
    ]
    kernels = list_operators(events, on_gpu=True)
    assert kernels == [OperatorTime("Memset", 3, 9e-3), OperatorTime("gemm", 2, 3e-3)]
    assert list_operators(events, on_gpu=False) == [OperatorTime("aten::mm", 2, 5e-5)]


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        ("aten::mm", "aten::mm"),
        ("autograd::engine::evaluate_function: MmBackward0", "MmBackward0"),
        ("## Call CompiledFxGraph fab4x5 ##", "CompiledFxGraph"),
        ("ampere_sgemm_128x64_nn", "ampere_sgemm_128x64_nn"),
        ("Memcpy DtoD (Device -> Device)", "Memcpy"),
        (
            "void at::native::vectorized_elementwise_kernel<4, at::native::(anonymous namespace)"
            "::tanh_kernel(at::T<int>&)::{lambda()#1}, std::array<char*, 2ul> >(int, char*)",
            "at::native::vectorized_elementwise_kernel",
        ),
        (
            "void at::native::vectorized_elementwise_kernel<4, at::native::tanh_kernel_cuda("
            "at::TensorIteratorBase&)::{lambda()#2}::operator()() const::{lambda(float)#1}, "
            "std::array<char*, 2ul> >(int, at::native::tanh_kernel_cuda(at::TensorIteratorBase&)::"
            "{lambda()#2}::operator()() const::{lambda(float)#1}, std::array<char*, 2ul>)",
            "elementwise_kernel: tanh_kernel_cuda",
        ),
        (
            "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>, "
            "std::array<char*, 1ul> >(int, at::native::FillFunctor<float>, std::array<char*, 1ul>)",
            "elementwise_kernel: FillFunctor",
        ),
        (
            "void at::native::elementwise_kernel<128, 2, at::native::gpu_kernel_impl_nocast<at::"
            "native::direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#3}::operator()() "
            "const::{lambda(float)#1}>(at::TensorIteratorBase&)::{lambda(int)#1}>(int, at::native)",
            "elementwise_kernel: direct_copy_kernel_cuda",
        ),
        (
            "void at::native::elementwise_kernel<128, 2, at::native::gpu_kernel_impl_nocast<at::"
            "native::BinaryFunctor<float, float, float, at::native::binary_internal::MulFunctor"
            "<float> > >(at::TensorIteratorBase&)::{lambda(int)#1}>(int)",
            "elementwise_kernel: MulFunctor",
        ),
        (
            "void at::native::(anonymous namespace)::multi_tensor_apply_kernel<at::native::("
            "anonymous namespace)::FusedOptimizerTensorListMetadata<4>, at::native::(anonymous "
            "namespace)::FusedAdamMathFunctor<float, 4, (at::native::ADAM_MODE)0, false>, float "
            "const*, double>(at::native::(anonymous namespace)::TensorListMetadata<4>)",
            "multi_tensor_apply: FusedAdamMathFunctor",
        ),
    ],
)
def test_names_are_without_arguments(kernel: str, name: str) -> None:
    assert shorten_name(kernel) == name


@pytest.mark.parametrize(
    ("kind", "operators"),
    [
        ("product", "aten::mm aten::addmm_ aten::bmm aten::baddbmm_ aten::mkldnn_rnn_layer"),
        ("product", "aten::mkldnn_rnn_layer_backward aten::_cudnn_rnn aten::convolution_backward"),
        ("product", "aten::_scaled_dot_product_flash_attention_for_cpu sm80_xmma_gemm_f32f32"),
        ("product", "ampere_sgemm_128x64_nn cutlass::Kernel2 cudnn::rnn::persist_kernel"),
        ("elementwise", "aten::tanh aten::sigmoid_ aten::mul aten::sum aten::_fused_adam_"),
        ("elementwise", "aten::threshold_backward cpp_fused_tanh_1 triton_poi_fused_add_0"),
        ("elementwise", "at::native::vectorized_elementwise_kernel CompiledFxGraph"),
        ("copy", "aten::copy_ aten::cat aten::fill_ aten::zero_ aten::index_select Memcpy Memset"),
        ("copy", "at::native::unrolled_copy_kernel at::native::CatArrayBatchedCopy"),
        ("rest", "aten::select aten::t aten::as_strided aten::empty aten::matmul aten::to"),
        ("rest", "_ElmanLayerBackward AddmmBackward0 Torch-Compiled aten::linear"),
        ("rest", "aten::rnn_tanh aten::lstm aten::gru"),
    ],
)
def test_operators_are_of_a_kind(kind: str, operators: str) -> None:
    assert {operator: kind_of(operator) for operator in operators.split()} == dict.fromkeys(
        operators.split(), kind
    )


@pytest.mark.parametrize(
    ("kind", "kernels"),
    [
        ("product", "RNN_blockPersist_fp_LSTM RNN_persist_fp elemWiseRNNcell nvjet_hsh_128x64"),
        ("product", "LSTM_elementWise_bp1 GRU_elementWise_bp2 sm90_xmma_gemm_f32f32 cudnn::gemv"),
        ("copy", "Memcpy Memset elementwise_kernel:direct_copy_kernel_cuda CatArrayBatchedCopy"),
        ("copy", "elementwise_kernel:FillFunctor at::native::index_select_kernel"),
        (
            "elementwise",
            "softmax_warp_forward elementwise_kernel:tanh_kernel_cuda nll_loss",
        ),
        ("elementwise", "multi_tensor_apply:FusedAdamMathFunctor anything_else"),
    ],
)
def test_every_kernel_of_a_gpu_computes(kind: str, kernels: str) -> None:
    names = kernels.split()
    assert {name: kind_of(name, "cuda") for name in names} == dict.fromkeys(names, kind)


@pytest.mark.parametrize("variant", ["rnn", "lstm", "gru", "tcn", "lru"])
def test_a_variant_is_profiled_with_its_products(
    variant: str, make_spec: MakeSpec, tiny_task: Task, tiny_data: TaskData
) -> None:
    spec = make_spec(variant=variant, implementation=VARIANTS[variant].implementations[0])
    records = Measuring(spec, tiny_task, tiny_data).profile_step()
    assert {each.run_id for each in records} == {spec.run_id}
    assert any(kind_of(each.operator) == "product" for each in records)
    assert {(each.steps, each.threads) for each in records} == {(2, 1)}
    assert len({each.operator for each in records}) == len(records)


def test_shares_are_of_the_time_of_all_threads(tmp_path: Path, make_run: MakeRun) -> None:
    seconds = {
        0: {"aten::mm": 0.8, "aten::tanh": 0.4, "aten::copy_": 0.2, "aten::select": 1.0},
        1: {"aten::mm": 1.0, "aten::tanh": 0.4, "_ElmanLayer": 0.3},
    }
    with ResultWriter(tmp_path / "a", {}) as writer:
        for seed, spent in seconds.items():
            run, epochs = make_run(seed=seed)
            records = [
                ProfileRecord(
                    run_id=run.run_id, operator=name, calls=20, seconds=each, steps=2, steps_s=1.0,
                    threads=2,
                )
                for name, each in spent.items()
            ]  # fmt: skip
            writer.add(run, epochs, profile=records)
    results = load_results(tmp_path / "a")
    named = {"task": "row-digits", "device": "cpu", "label": "rnn"}
    phases = pd.DataFrame([{**named, "train_step_peak_fraction": 0.18}])
    (row,) = summarise_profiles(results.runs, results.profile, phases).to_dict("records")
    shares = {"product": 0.45, "elementwise": 0.2, "copy": 0.05, "rest": 0.3}
    assert {kind: row[kind] for kind in KINDS} == pytest.approx(shares)
    assert row["product_fraction"] == pytest.approx(0.18 / 0.45)
    assert row["operators"] == pytest.approx((3 * 10 + 2 * 10) / 2)
    assert [name for name, _ in row["costliest"]] == ["aten::mm", "aten::select", "aten::tanh"]
    assert row["costliest"][1][1] == pytest.approx(0.25)


def test_what_holds_back_the_farthest_from_the_peak_is_said() -> None:
    named = {"task": "row-digits", "device": "cpu"}
    shares = {"product": 0.1, "elementwise": 0.2, "copy": 0.05, "rest": 0.65}
    costliest = [("aten::tanh", 0.15)]
    rows = [
        {**named, **shares, "label": "slow", "peak_fraction": 0.1, "costliest": costliest},
        {**named, **shares, "label": "near", "peak_fraction": 0.6, "costliest": costliest},
    ]
    nothing = {field.name: pd.DataFrame() for field in fields(Analysis)}
    analysis = Analysis(**nothing | {"profiles": pd.DataFrame(rows)})
    (said,) = describe_speed(analysis)
    assert (
        "slow (10 % of peak): framework overhead 65 %, element-wise 20 %, matrix products 10 %"
        in said
    )
    assert "costliest operator `aten::tanh`, 15 %" in said
    assert "near" not in said


def test_what_was_not_profiled_has_no_row() -> None:
    empty = pd.DataFrame()
    assert summarise_profiles(empty, empty, empty).empty
