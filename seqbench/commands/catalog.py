"""What is registered, as text: the text behind ``seqbench list`` and ``seqbench show``."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from inspect import cleandoc
from typing import Any

import pandas as pd
import torch

from seqbench.analysis.published import load_published
from seqbench.errors import ContractError, SeqbenchError, describe_error
from seqbench.formatting import format_count, format_score
from seqbench.harness.plan import plan_runs
from seqbench.harness.suites import SUITES, Suite
from seqbench.models.model import VARIANTS
from seqbench.models.products import count_flops
from seqbench.models.readout import READOUTS
from seqbench.models.sequence_model import SequenceModel, build_model, count_parameters
from seqbench.models.unseen_work import find_unseen_work
from seqbench.spec import RunSpec
from seqbench.tasks.declaration import find_size_fault
from seqbench.tasks.task import TASKS, Task, build_task


def explain_members() -> dict[str, dict[str, str]]:
    """Return the explanation of every member, by kind and name."""
    documented: dict[str, Mapping[str, object]] = {
        registry.kind: {name: registry[name] for name in registry} for registry in (TASKS, READOUTS)
    }
    ordinary_first = sorted(VARIANTS, key=lambda name: VARIANTS[name].on_request)
    explained = {
        VARIANTS.kind: {name: VARIANTS[name].explanation or "—" for name in ordinary_first}
    }
    explained |= {
        kind: {name: cleandoc(member.__doc__ or "") or "—" for name, member in members.items()}
        for kind, members in documented.items()
    }
    return explained | {SUITES.kind: {name: _explain_suite(SUITES[name]) for name in SUITES}}


def _explain_suite(suite: Suite) -> str:
    lines = [suite.summary]
    for grid in suite.grids:
        lines += ["", *(f"{name}: {', '.join(map(str, values))}" for name, values in grid.items())]
        if "variant" not in grid:
            lines.append("variant: all default variants")
    if suite.match_parameters:
        lines += ["", f"hidden size: chosen for {format_count(suite.match_parameters)} parameters"]
    return "\n".join(lines)


def describe_variant(name: str, task: str) -> str:
    """Return a variant's implementations, its shapes and size on ``task``, and what was published.

    Raises
    ------
    UsageError
        If the task is not registered, or the variant does not fit it or cannot be built.
    """
    with _named_fault(VARIANTS.kind, name):
        grid = {"task": (task,), "variant": (name,), "seed": (0,), "device": ("cpu",)}
        (spec,) = plan_runs([grid])
        return "\n".join(_describe_model(spec))


def _describe_model(spec: RunSpec) -> list[str]:
    name, sizes = spec.variant, build_task(spec.task, spec.length)
    model = _build(spec, sizes)
    unseen = find_unseen_work(model.eval(), torch.zeros(1, sizes.time, sizes.features))
    lines = [
        f"Implementations: {', '.join(VARIANTS[name].implementations)}",
        f"On {spec.task}: {_describe_size(spec, sizes)}, read-out {spec.readout}",
        f"  parameters  {format_count(count_parameters(model))}",
        f"  FLOPs       {format_count(count_flops(model, sizes.time))} per sequence, forward pass",
        *([f"              not recorded: {unseen}"] if unseen else []),
        *_describe_shapes(model, sizes.time, sizes.features),
    ]
    published = load_published()
    return [*lines, *_describe_published(published[published["variant"] == name])]


def _build(spec: RunSpec, sizes: Task) -> SequenceModel:
    return build_model(spec, features=sizes.features, outputs=sizes.outputs, time=sizes.time)


def _describe_size(spec: RunSpec, sizes: Task) -> str:
    """Return layers and units of a model, as far as the variant heeds them."""
    with torch.device("meta"):
        own, deeper, wider = (
            sum(each.numel() for each in _build(changed, sizes).parameters())
            for changed in (
                spec,
                replace(spec, num_layers=spec.num_layers + 1),
                replace(spec, hidden_size=2 * spec.hidden_size),
            )
        )
    layers = f"{spec.num_layers} layers" if deeper != own else "fixed number of layers"
    units = f"hidden size {spec.hidden_size}" if wider != own else "fixed hidden size"
    return f"{layers}, {units}"


def _describe_shapes(model: SequenceModel, time: int, features: int) -> list[str]:
    """Return the shapes along the way of two sequences of zeros, the batch's place named."""
    inputs = torch.zeros(2, time, features)
    with torch.inference_mode():
        encoding = model.eval().encoder(inputs)
        outputs = model(inputs)
    shapes = {
        "input": inputs.shape,
        "steps": encoding.steps.shape,
        "final": encoding.final.shape,
        "output": outputs.shape,
    }
    axes = {"final": 1}  # position of the batch axis
    return [
        f"  {name:10}  ({', '.join(_name_axes(shape, axes.get(name, 0)))})"
        for name, shape in shapes.items()
    ]


def _name_axes(shape: torch.Size, batch: int) -> list[str]:
    return ["batch" if place == batch else str(size) for place, size in enumerate(shape)]


def describe_task(name: str) -> str:
    """Return a task's sizes, metric, read-outs and what was published on it."""
    with _named_fault(TASKS.kind, name):
        task = build_task(name)
        if fault := find_size_fault(task):
            raise ContractError("task", name, fault)
        return "\n".join(_describe_sizes(name, task))


@contextmanager
def _named_fault(kind: str, name: str) -> Iterator[None]:
    """Attribute an error in third-party code to its variant or task."""
    try:
        yield
    except (SeqbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a plugin may raise anything, and may call sys.exit
        raise ContractError(kind, name, f"cannot be shown: {describe_error(error)}") from error


def _describe_sizes(name: str, task: Task) -> list[str]:
    better = "higher" if task.higher_is_better else "lower"
    unit = f" in {task.metric_unit}" if task.metric_unit else ""
    lines = [
        f"Sequences: {task.time} steps of {task.features} features, {task.outputs} outputs",
        f"Metric: {task.metric}{unit}, {better} is better",
        f"Read-outs: {', '.join(task.readouts)}",
    ]
    if task.default_length is not None:
        lines.append(f"Length: a setting, {task.default_length} by default")
    if not task.looks_ahead:
        lines.append("Bidirectional variants are unsupported: the next step is the target")
    published = load_published()
    return [*lines, *_describe_published(published[published["task"] == name])]


def _describe_published(rows: Any) -> list[str]:
    if rows.empty:
        return ["Published: none known"]
    lines = ["Published:"]
    for row in rows.itertuples():
        length = f" T={row.length}" if _known(row.length) else ""
        size = [f"{format_count(int(row.parameters))} parameters"] if _known(row.parameters) else []
        budget = [f"{row.epochs} epochs"] if _known(row.epochs) else []
        details = "; ".join([row.source, *size, *budget, *filter(None, [row.convention])])
        score = format_score(row.score, row.metric)
        lines.append(f"  {row.variant} on {row.task}{length}: {row.metric} {score} ({details})")
    return lines


def _known(value: Any) -> bool:
    return not pd.isna(value)
