"""What is registered, in words: the text behind ``seqbench list`` and ``seqbench show``."""

from collections.abc import Mapping
from inspect import cleandoc

from seqbench.formatting import format_count, format_score
from seqbench.models.model import VARIANTS, build_model, count_parameters, implementations
from seqbench.models.readout import READOUTS
from seqbench.published import load_published
from seqbench.spec import RunSpec
from seqbench.suites import SUITES, Suite
from seqbench.tasks.task import TASKS


def explain_members() -> dict[str, dict[str, str]]:
    """Return the explanation of every member, by kind and name."""
    documented: dict[str, Mapping[str, object]] = {
        registry.kind: {name: registry[name] for name in registry}
        for registry in (VARIANTS, TASKS, READOUTS)
    }
    explained = {
        kind: {name: cleandoc(member.__doc__ or "—") for name, member in members.items()}
        for kind, members in documented.items()
    }
    return explained | {SUITES.kind: {name: _explain_suite(SUITES[name]) for name in SUITES}}


def _explain_suite(suite: Suite) -> str:
    lines = [f"{name}: {', '.join(map(str, values))}" for name, values in suite.axes.items()]
    if "variant" not in suite.axes:
        lines.append("variant: every registered one")
    return "\n".join([suite.summary, "", *lines])


def describe_variant(name: str) -> str:
    """Return a variant's implementations, its size on each task, and what was published of it."""
    lines = [f"Implementations: {', '.join(implementations(name))}", ""]
    lines += ["Parameters with the default settings:"]
    for task in TASKS:
        spec = RunSpec(task=task, variant=name, seed=0, device="cpu", threads=1)
        model = build_model(spec, features=TASKS[task].features, outputs=TASKS[task].outputs)
        lines.append(f"  {task}: {format_count(count_parameters(model))}")
    published = load_published()
    for row in published[published["variant"] == name].itertuples():
        score = format_score(row.score, row.metric)
        lines += ["", f"Published on {row.task}: {row.metric} {score} after {row.epochs} epochs,"]
        lines += [f"  {row.source}: {row.convention}"]
    return "\n".join(lines)
