"""The report: a result folder, read, becomes ``reports/<name>/README.md`` and its figures.

Everything in it comes from the CSV and ``environment.json``; the same files give the same bytes.
"""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure
from tabulate import tabulate

from seqbench import plots, stats
from seqbench.findings import format_findings
from seqbench.formatting import (
    format_bytes,
    format_count,
    format_difference,
    format_factor,
    format_interval,
    format_score,
    format_seconds,
)
from seqbench.published import load_published
from seqbench.spec import RunSpec
from seqbench.store import Results

PAGE = "README.md"
FIGURES = (
    "score_by_epoch",
    "score_by_time",
    "epoch_time",
    "train_throughput",
    "eval_throughput",
    "score_against_throughput",
)


def write_report(results: Results, folder: Path) -> Path:
    """Write the report of ``results`` into ``folder`` and return its page.

    Figures and page replace those of an earlier report; the page is written last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labelled = stats.name_groups(results.runs)
    finished = labelled[labelled["status"] == "ok"]
    summary = stats.summarise_groups(results.runs, results.epochs)
    figures = _draw_figures(results, finished, summary) if not summary.empty else {}
    for name, (figure, _) in figures.items():
        plots.save_figure(figure, folder / f"{name}.png")
    for name in set(FIGURES) - set(figures):
        (folder / f"{name}.png").unlink(missing_ok=True)
    page = folder / PAGE
    page.write_text(_format_page(results, labelled, summary, figures), encoding="utf-8")
    return page


def _draw_figures(
    results: Results, finished: pd.DataFrame, summary: pd.DataFrame
) -> dict[str, tuple[Figure, str]]:
    """Return each figure with its caption, by file name."""
    palette = plots.color_labels(list(finished["label"]))
    curves = stats.learning_curves(results.runs, results.epochs)
    epochs = finished[["run_id", "label", "task"]].merge(
        results.epochs.drop(columns="task"), on="run_id"
    )
    band = "Line: mean over seeds; band: lowest to highest seed; dotted: the trivial answer."
    return {
        "score_by_epoch": (
            plots.plot_learning_curves(curves, palette, "epoch"),
            f"Learning curves by epoch: what a pass over the data buys. {band}",
        ),
        "score_by_time": (
            plots.plot_learning_curves(curves, palette, "train_time_s"),
            f"Learning curves by training time: what a second buys. {band}",
        ),
        "epoch_time": (
            plots.plot_epoch_time(epochs, summary, palette),
            "Training time of an epoch; evaluation, logging and saving are not in it.",
        ),
        "train_throughput": (
            plots.plot_throughput(finished, summary, palette, "train"),
            "Training throughput: forward, backward and optimiser step.",
        ),
        "eval_throughput": (
            plots.plot_throughput(finished, summary, palette, "eval"),
            "Inference throughput: forward passes over the test set in batches of the same size.",
        ),
        "score_against_throughput": (
            plots.plot_score_against_throughput(summary, palette),
            "Score against training throughput: up and to the right is better"
            if summary["higher_is_better"].all()
            else "Score against training throughput",
        ),
    }


def _format_page(
    results: Results,
    labelled: pd.DataFrame,
    summary: pd.DataFrame,
    figures: dict[str, tuple[Figure, str]],
) -> str:
    differences = stats.compare_with_best(results.runs)
    effects = pd.concat(
        [stats.compare_settings(results.runs, setting) for setting in stats.SETTINGS_COMPARED]
    )
    published = stats.join_published(summary, load_published())
    failed = labelled[labelled["status"] != "ok"]
    templates = Environment(
        loader=PackageLoader("seqbench"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown; `_cell` escapes what comes from outside
    )
    return templates.get_template("report.md.j2").render(
        name=results.name,
        runs=len(labelled),
        findings=format_findings(summary, differences, effects, published, len(failed)),
        summary=_format_table(summary, _SUMMARY_CELLS),
        differences=_format_table(differences, _DIFFERENCE_CELLS),
        published=_format_table(published, _PUBLISHED_CELLS),
        failed=_format_table(failed, _FAILED_CELLS),
        figures={name: caption for name, (_, caption) in figures.items()},
        settings=_format_settings(results.runs),
        environment=_format_environment(results.environment),
        command=results.environment.get("command", "seqbench run"),
        commit=results.environment.get("code", {}).get("commit"),
        dirty=results.environment.get("code", {}).get("dirty"),
    )


Cells = dict[str, Callable[[Any], str]]

_SUMMARY_CELLS: Cells = {
    "task": lambda row: row.task,
    "variant": lambda row: row.label,
    "device": lambda row: row.device,
    "implementation": lambda row: row.implementation,
    "parameters": lambda row: format_count(int(row.parameters)),
    "seeds": lambda row: str(row.seeds),
    "score": lambda row: f"{format_score(row.score, row.metric)}",
    "95 % interval": lambda row: format_interval(row.score_low, row.score_high, row.metric),
    "epoch time": lambda row: format_seconds(row.epoch_time_s),
    "least to most": lambda row: (
        f"{format_seconds(row.epoch_time_min_s)} to {format_seconds(row.epoch_time_max_s)}"
    ),
    "× cheapest": lambda row: format_factor(row.relative_time),
    "training, samples/s": lambda row: format_count(row.train_samples_per_s),
    "inference, samples/s": lambda row: format_count(row.eval_samples_per_s),
    "peak memory": lambda row: (
        "—" if pd.isna(row.peak_memory_bytes) else format_bytes(row.peak_memory_bytes)
    ),
}
_DIFFERENCE_CELLS: Cells = {
    "task": lambda row: row.task,
    "device": lambda row: row.device,
    "best": lambda row: row.best,
    "compared with": lambda row: row.label,
    "ahead by": lambda row: format_difference(row.shortfall, row.metric),
    "95 % interval": lambda row: format_interval(row.low, row.high, row.metric),
    "seeds": lambda row: str(row.seeds),
    "p": lambda row: _format_p(row.p),
    "p, Holm": lambda row: _format_p(row.p_adjusted),
}
_PUBLISHED_CELLS: Cells = {
    "task": lambda row: (
        row.task_name
        if pd.isna(row.published_length)
        else f"{row.task_name} T={row.published_length}"
    ),
    "variant": lambda row: row.variant,
    "published": lambda row: format_score(row.published_score, row.metric),
    "source": lambda row: _known(row.source),
    "parameters": lambda row: _known(row.published_parameters),
    "epochs": lambda row: _known(row.published_epochs),
    "convention": lambda row: _known(row.convention),
    "ours": lambda row: format_score(row.score, row.metric),
    "of": lambda row: "—" if pd.isna(row.score) else _name_group(row),
    "our parameters": lambda row: _known(row.parameters),
    "our epochs": lambda row: _known(row.epochs),
}
_FAILED_CELLS: Cells = {
    "run": lambda row: row.run_id,
    "status": lambda row: row.status,
    "error": lambda row: row.error,
}


def _known(value: Any) -> str:
    """Return a text or a whole number, or a dash where nothing is known."""
    if pd.isna(value) or value == "":
        return "—"
    return value if isinstance(value, str) else format_count(int(value))


def _name_group(row: Any) -> str:
    return row.label if row.task == row.task_name else f"{row.label}, {row.task}"


def _format_p(p: float) -> str:
    if pd.isna(p):
        return "—"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _format_table(frame: pd.DataFrame, cells: Cells) -> str:
    """Return a Markdown table with a row for each row of ``frame``; empty for an empty frame."""
    rows = [[_cell(make(row)) for make in cells.values()] for row in frame.itertuples()]
    return _markdown(rows, list(cells)) if rows else ""


def _markdown(rows: list[list[str]], headers: list[str]) -> str:
    return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True)


def _cell(text: str) -> str:
    """Return text that stands in a table as it is, and does not become markup."""
    for mark in "\\|<>[]`*_":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _format_settings(runs: pd.DataFrame) -> str:
    """Return a table of the settings: what they mean and which values the runs have."""
    rows = []
    for field in fields(RunSpec):
        values = ", ".join(dict.fromkeys(map(str, runs[field.name])))
        rows.append([f"`{field.name}`", _cell(values), field.metadata["meaning"]])
    return _markdown(rows, ["setting", "values", "meaning"])


def _format_environment(environment: dict[str, Any]) -> str:
    """Return a table of what matters most of the environment; the rest is in its file."""
    machine, software = environment.get("machine", {}), environment.get("software", {})
    torch, code = software.get("torch", {}), environment.get("code", {})
    packages = software.get("packages", {})
    gpus = ", ".join(f"{gpu['name']}, driver {gpu['driver']}" for gpu in machine.get("gpus", []))
    shown = {
        "processor": machine.get("cpu"),
        "cores": f"{machine.get('physical_cores')} ({machine.get('logical_cores')} logical)",
        "memory": f"{machine.get('memory_bytes', 0) / 2**30:.1f} GiB",
        "GPU": gpus or "none",
        "operating system": software.get("os"),
        "Python": software.get("python"),
        "torch": f"{torch.get('version')}, BLAS {torch.get('blas')}, {torch.get('cpu_capability')}",
        "CUDA": torch.get("cuda") or "not in this build",
        "torchvision": packages.get("torchvision"),
        "seqbench": code.get("version"),
        "commit": f"{code.get('commit')}{' with changes' if code.get('dirty') else ''}",
        "environment": environment.get("environment_id"),
    }
    return _markdown([[key, _cell(str(value))] for key, value in shown.items()], ["", ""])
