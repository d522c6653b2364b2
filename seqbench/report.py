"""The report: a result folder, read, becomes ``reports/<name>/README.md`` and its figures.

Everything in it comes from the CSV and ``environment.json``; the same files give the same bytes.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from seqbench import differences, plots, speed, stats, tables
from seqbench.figures import (
    FIGURES,
    PROFILE_FIGURES,
    SCORE_FIGURES,
    SPEED_FIGURES,
    Captioned,
    draw_figures,
)
from seqbench.findings import format_findings
from seqbench.profiles import summarise_profiles
from seqbench.published import load_published
from seqbench.spec import RunSpec
from seqbench.speed_findings import describe_speed
from seqbench.store import Results
from seqbench.tables import escape, format_markdown, format_table
from seqbench.targets import summarise_targets
from seqbench.templating import render_page

PAGE = "README.md"


def write_report(results: Results, folder: Path) -> Path:
    """Write the report of ``results`` into ``folder`` and return its page.

    Figures and page replace those of an earlier report; the page is written last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    summary = stats.summarise_groups(results.runs, results.epochs)
    figures = draw_figures(results, summary)
    for name in FIGURES:
        if name in figures:
            plots.save_figure(figures[name][0], folder / f"{name}.png")
        else:
            (folder / f"{name}.png").unlink(missing_ok=True)
    page = folder / PAGE
    page.write_text(_format_page(results, summary, figures), encoding="utf-8")
    return page


def _format_page(
    results: Results,
    summary: pd.DataFrame,
    figures: dict[str, Captioned],
) -> str:
    labelled = stats.name_groups(results.runs)
    compared = differences.compare_with_best(results.runs)
    finished = stats.time_runs(stats.select_finished(results.runs), results.epochs)
    times = differences.compare_times(finished, "epoch_time_s")
    effects = pd.concat(
        [differences.compare_settings(results.runs, each) for each in differences.SETTINGS_COMPARED]
    )
    uneven = stats.list_uneven_settings(results.runs)
    published = stats.join_published(summary, load_published())
    measured = speed.summarise_speed(results.runs, results.timings)
    phases, race = speed.tabulate_phases(measured), speed.race_implementations(measured)
    profiles = summarise_profiles(results.runs, results.profile, phases)
    steps = differences.compare_times(speed.time_steps(results.runs, results.timings), "seconds")
    reached = summarise_targets(results.runs, results.evaluations)
    unsupported = labelled[labelled["status"] == "unsupported"]
    failed = labelled[~labelled["status"].isin(["ok", "unsupported"])]
    nothing = labelled["status"].ne("ok").all()
    findings = [
        *(["No run ended well, so nothing was found."] if nothing else []),
        *describe_speed(phases, steps, profiles, race, reached),
        *format_findings(summary, compared, times, effects, uneven, published, len(failed)),
    ]
    return render_page(
        "report.md.j2",
        name=results.name,
        runs=len(labelled),
        findings=findings,
        summary=format_table(summary, tables.SUMMARY),
        differences=format_table(compared, tables.DIFFERENCES),
        published=format_table(published, tables.PUBLISHED),
        speed=format_table(phases, tables.SPEED),
        profiles=format_table(profiles, tables.PROFILES),
        limits=format_table(speed.measure_limits(results.runs, results.timings), tables.LIMITS),
        race=format_table(race, tables.RACE),
        targets=format_table(reached, tables.TARGETS),
        unsupported=format_table(unsupported, tables.FAILED),
        failed=format_table(failed, tables.FAILED),
        captions={name: caption for name, (_, caption) in figures.items()},
        score_figures=list(SCORE_FIGURES),
        speed_figures=list(SPEED_FIGURES),
        profile_figures=list(PROFILE_FIGURES),
        settings=_format_settings(results.runs),
        environment=_format_environment(results.environment),
        command=results.environment.get("command", "seqbench run"),
        commit=results.environment.get("code", {}).get("commit"),
        dirty=results.environment.get("code", {}).get("dirty"),
    )


def _format_settings(runs: pd.DataFrame) -> str:
    """Return a table of the settings: what they mean and which values the runs have."""
    rows = []
    for field in fields(RunSpec):
        values = ", ".join(
            "none" if pd.isna(each) else str(each) for each in runs[field.name].unique()
        )
        rows.append([f"`{field.name}`", escape(values), field.metadata["meaning"]])
    return format_markdown(rows, ["setting", "values", "meaning"])


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
    return format_markdown([[key, escape(str(value))] for key, value in shown.items()], ["", ""])
