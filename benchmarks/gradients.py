"""The optimiser's gradients, against a plain backward pass: `python -m benchmarks.gradients`.

What a training step passes to Adam depends on implementation, shares, sums and clipping. Here it
is compared, parameter by parameter, with what autograd gives for the whole batch at once and
clipping by hand. The table has the worst of each variant and implementation.
"""

import argparse
import copy
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seqbench.errors import UnsupportedError
from seqbench.models.model import VARIANTS
from seqbench.spec import RunSpec
from seqbench.tasks.task import Classification, Split, TaskData
from seqbench.training.loop import Training
from seqbench.training.observation import choose_shares
from seqbench.training.random_streams import derive_seed

DTYPES = {"float64": torch.float64, "float32": torch.float32}
TOLERANCES = {"float64": 1e-9, "float32": 2e-4, "bfloat16": 0.1}
"""Of the gradient's norm. Float32 rounds by 6e-8, bfloat16 by 4e-3, and a gradient is a sum over
examples, steps and layers of what was rounded before."""

FULL, SMALL = torch.arange(40), torch.arange(7, 30)
"""A full batch, and one as it is left at the end of an epoch."""


class Halves(Classification):
    """Which half of the sequence is brighter? 40 sequences of 5 steps of 3 features."""

    features = 3
    time = 5
    outputs = 2

    def load(self, data_dir: object = None) -> TaskData:
        inputs = torch.rand(40, 5, 3, generator=torch.Generator().manual_seed(0))
        targets = (inputs[:, 3:].mean((1, 2)) > inputs[:, :2].mean((1, 2))).long()
        examples = Split(inputs.to(torch.get_default_dtype()), targets)
        return TaskData(examples, examples)


@dataclass(frozen=True)
class Case:
    """One way to train: ``precision`` is float64, or one that a run may have."""

    variant: str
    implementation: str
    precision: str = "float64"
    threads: int = 1
    clip_norm: float | None = None
    dropout: float = 0.0

    @property
    def spec(self) -> RunSpec:
        """The settings of its run; float64 is the type of weights and data, no setting."""
        return RunSpec(
            task="halves",
            variant=self.variant,
            implementation=self.implementation,
            precision="float32" if self.precision == "float64" else self.precision,
            threads=self.threads,
            clip_norm=self.clip_norm,
            dropout=self.dropout,
            readout="final",
            device="cpu",
            seed=0,
            epochs=1,
            batch_size=len(FULL),
            hidden_size=4,
        )


def list_cases() -> Iterator[Case]:
    """Yield the whole grid: every variant and implementation that runs without compiling."""
    for variant in VARIANTS:
        for implementation in VARIANTS[variant].implementations:
            if implementation == "compiled":
                continue
            for precision, threads, clip, dropout in itertools.product(
                TOLERANCES, (1, 2, 3), (None, 0.05), (0.0, 0.3)
            ):
                yield Case(variant, implementation, precision, threads, clip, dropout)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Build models and data in ``dtype``."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def find_worst(case: Case) -> tuple[float, str]:
    """Return the greatest relative error of a parameter's gradient over two batches, and where.

    It is the norm of the difference over the norm of the plain gradient; infinite where that is
    zero and the other is not.
    """
    with default_dtype(DTYPES.get(case.precision, torch.float32)):
        task, spec = Halves(), case.spec
        data = task.load()
        training = Training(spec, task, data, choose_shares(spec, task, data)[0])
        return max(_compare(case, training, batch) for batch in (FULL, SMALL))


def _compare(case: Case, training: Training, batch: Tensor) -> tuple[float, str]:
    plain = copy.deepcopy(training.model)
    training.load_state_dict(training.state_dict() | {"dropout": _dropout_from_the_start(case)})
    training.model.train()
    with training.active():
        training.update.collect(training.differentiate(batch)[1])
    theirs = differentiate(case, plain, training.data.train, batch)
    ours = {name: each.grad for name, each in training.model.named_parameters()}
    return max((_error(ours[name], theirs[name]), name) for name in theirs)


def _dropout_from_the_start(case: Case) -> dict[str, object]:
    state = Training(case.spec, Halves(), Halves().load()).state_dict()["dropout"]
    return dict(state)


def differentiate(
    case: Case, model: nn.Module, examples: Split, batch: Tensor
) -> dict[str, Tensor | None]:
    """Return the gradients by name of one backward pass through the whole batch."""
    torch.manual_seed(derive_seed(0, "dropout"))
    with torch.autocast("cpu", torch.bfloat16, enabled=case.precision == "bfloat16"):
        outputs = model.train()(examples.inputs[batch])
    outputs = outputs.to(examples.inputs.dtype).reshape(-1, outputs.shape[-1])
    nn.functional.cross_entropy(outputs, examples.targets[batch].reshape(-1)).backward()
    found = {name: each.grad for name, each in model.named_parameters() if each.requires_grad}
    norm = sum(float((each.double() ** 2).sum()) for each in found.values() if each is not None)
    limit = float("inf") if case.clip_norm is None else case.clip_norm
    scale = min(1.0, limit / (norm**0.5 + 1e-6))
    return {name: None if each is None else each * scale for name, each in found.items()}


def _error(ours: Tensor | None, theirs: Tensor | None) -> float:
    if theirs is None or not theirs.any():
        return float("inf") if ours is not None and bool(ours.any()) else 0.0
    if ours is None:
        return float("inf")
    difference = torch.linalg.vector_norm(ours.double() - theirs.double())
    return float(difference / torch.linalg.vector_norm(theirs.double()))


def main() -> None:
    """Print the worst error of each variant, implementation and precision."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--variant", help="only this one")
    chosen = parser.parse_args().variant
    worst: dict[tuple[str, str, str], tuple[float, str, Case]] = {}
    unsupported = set()
    for case in list_cases():
        if chosen not in (None, case.variant):
            continue
        key = (case.precision, case.variant, case.implementation)
        try:
            error, name = find_worst(case)
        except UnsupportedError:
            unsupported.add(key)
            continue
        worst[key] = max(worst.get(key, (-1.0, "", case)), (error, name, case), key=lambda w: w[0])
    for (precision, variant, implementation), (error, name, case) in sorted(worst.items()):
        where = f"threads={case.threads} clip={case.clip_norm} dropout={case.dropout} {name}"
        print(f"{precision:9} {variant:16} {implementation:10} {error:.1e}  {where}")
    for precision, variant, implementation in sorted(unsupported):
        print(f"{precision:9} {variant:16} {implementation:10} unsupported")
    for precision, allowed in TOLERANCES.items():
        found = [error for (key, *_), (error, *_) in worst.items() if key == precision]
        print(f"worst in {precision}: {max(found, default=0.0):.2g} of {allowed:g} allowed")


if __name__ == "__main__":
    main()
