"""The report: a result folder, read, becomes ``reports/<name>/README.md`` and its figures.

Everything in it comes from the CSV and ``environment.json``; the same files give the same bytes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from seqbench.analysis.analysis import Analysis, analyse
from seqbench.errors import SettingError
from seqbench.formatting import join_some
from seqbench.printable import shorten
from seqbench.report import tables
from seqbench.report.beside import Beside
from seqbench.report.figures import (
    FIGURES,
    PROFILE_FIGURES,
    SCORE_FIGURES,
    SPEED_FIGURES,
    draw_figures,
)
from seqbench.report.findings import describe_changed_data, format_findings
from seqbench.report.headline import Headline, cut_rows, format_headline, make_headline
from seqbench.report.labels import Labels, check_labels, list_names, relabel
from seqbench.report.latex import format_latex
from seqbench.report.markdown import escape, format_markdown
from seqbench.report.provenance import describe_provenance
from seqbench.report.speed_findings import describe_speed
from seqbench.report.summary import summarise
from seqbench.report.tables import format_scores, format_table
from seqbench.report.templating import render_page
from seqbench.report.theme import FORMATS, save_figure
from seqbench.results.local import LOCAL
from seqbench.results.reader import Results
from seqbench.results.records import DIGEST_SCHEMA
from seqbench.spec import RunSpec

PAGE, TABLE = "README.md", "table.tex"
_SHOWN_BY_PAGES = ("png", "svg")
_HIGHLIGHTS = ("score_against_throughput", "speed")
_MOST_VALUES = 20
_LONGEST = 200  # characters of a field of the environment


@dataclass(frozen=True)
class Publication:
    """How a report is published.

    Parameters
    ----------
    formats
        Of the figures, of `theme.FORMATS`; the page shows the first that a page can show and
        links the others.
    labels
        Names of one's own for variants and groups, see `labels.relabel`.
    latex
        Whether the headline table is written as `TABLE` too.
    """

    formats: Sequence[str] = ("png",)
    labels: Labels = field(default_factory=dict)
    latex: bool = False


def write_report(
    results: Results,
    folder: Path,
    publication: Publication | None = None,
    published: Results | None = None,
) -> Path:
    """Write the report of ``results`` into ``folder`` and return its page.

    Beside one's own result stands the ``published`` one, if there is one.
    Figures, table and page replace those of an earlier report; the page is written last.

    Raises
    ------
    UsageError
        If a format or the name of a label is unknown, or two groups would have the same label.
    """
    asked = publication or Publication()
    if unknown := [each for each in asked.formats if each not in FORMATS]:
        raise SettingError("format", unknown[0], f"one of {', '.join(FORMATS)}")
    analysis = analyse(results)
    check_labels(asked.labels, list_names(analysis.runs))
    analysis, palette = relabel(analysis, asked.labels)
    headline = make_headline(analysis)
    folder.mkdir(parents=True, exist_ok=True)
    figures = draw_figures(analysis, palette)
    for name, suffix in product(FIGURES, FORMATS):
        path = folder / f"{name}.{suffix}"
        if name in figures and suffix in asked.formats:
            save_figure(figures[name][0], path)
        else:
            path.unlink(missing_ok=True)
    table = folder / TABLE
    if asked.latex and headline:
        table.write_text(format_latex(headline, _argument_of(results, published)), encoding="utf-8")
    else:
        table.unlink(missing_ok=True)
    page = folder / PAGE
    captions = {name: caption for name, (_, caption) in figures.items()}
    beside = Beside.of(analysis, results, published) if published else None
    text = _format_page(
        results, _argument_of(results, published), analysis, captions, headline, asked, beside
    )
    page.write_text(text, encoding="utf-8")
    return page


def _argument_of(results: Results, published: Results | None) -> str:
    """Return what names a result in a command: a published one of its name has the name alone."""
    return f"{LOCAL}/{results.name}" if published else results.name


def _format_page(
    results: Results,
    argument: str,
    analysis: Analysis,
    captions: Mapping[str, str],
    headline: Headline | None,
    publication: Publication,
    beside: Beside | None,
) -> str:
    runs, environment = analysis.runs, results.environment
    ended = runs["status"]
    nothing = ["No run finished, so there are no findings."] if ended.ne("ok").all() else []
    commit = _find(environment, "code.commit")
    shown = [each for each in publication.formats if each in _SHOWN_BY_PAGES]
    return render_page(
        "report.md.j2",
        name=results.name,
        argument=argument,
        summary=[*nothing, *summarise(analysis)],
        headline=cut_rows(headline) if headline else None,
        format_headline=format_headline,
        highlights=[name for name in _HIGHLIGHTS if name in captions][:1],
        table=TABLE if publication.latex and headline else None,
        image=shown[0] if shown else None,
        linked=[each for each in publication.formats if each not in shown[:1]],
        beside=beside,
        findings=[
            *describe_provenance(results),
            *describe_changed_data(runs),
            *describe_speed(analysis),
            *format_findings(analysis),
        ],
        scores=format_scores(analysis.summary),
        costs=format_table(analysis.summary, tables.COSTS),
        differences=format_table(analysis.scores, tables.DIFFERENCES),
        published=format_table(analysis.published, tables.PUBLISHED),
        speed=format_table(analysis.phases, tables.SPEED),
        steps=format_table(analysis.phases, tables.STEPS),
        latencies=format_table(analysis.phases, tables.LATENCIES),
        profiles=format_table(analysis.profiles, tables.PROFILES),
        limits=format_table(analysis.limits, tables.LIMITS),
        race=format_table(analysis.race, tables.RACE),
        targets=format_table(analysis.targets, tables.TARGETS),
        unsupported=format_table(runs[ended == "unsupported"], tables.FAILED),
        failed=format_table(runs[~ended.isin(["ok", "unsupported"])], tables.FAILED),
        captions=captions,
        score_figures=list(SCORE_FIGURES),
        speed_figures=list(SPEED_FIGURES),
        profile_figures=list(PROFILE_FIGURES),
        settings=_format_settings(runs),
        environment=_format_environment(environment),
        command=environment.get("command", "seqbench run"),
        plugins=list(_list_plugins(environment)),
        commit=commit if re.fullmatch("[0-9a-f]{7,64}", str(commit)) else None,
        runs=len(runs),
        undigested=int((runs["schema_version"] < DIGEST_SCHEMA).sum()),
        digest_schema=DIGEST_SCHEMA,
        dirty=_find(environment, "code.dirty"),
    )


def _format_settings(runs: pd.DataFrame) -> str:
    """Return a table of the settings: what they mean and which values the runs have."""
    rows = []
    for setting in fields(RunSpec):
        column = "task_name" if setting.name == "task" else setting.name
        values = ["none" if pd.isna(each) else str(each) for each in runs[column].unique()]
        shown = ", ".join(values) if len(values) <= _MOST_VALUES else join_some(values)
        rows.append([f"`{setting.name}`", escape(shown), setting.metadata["meaning"]])
    return format_markdown(rows, ["setting", "values", "meaning"])


def _find(environment: Mapping[str, Any], path: str) -> Any:
    """Return the field of an environment at a path like ``machine.cpu``, or None."""
    value: Any = environment
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _format_environment(environment: Mapping[str, Any]) -> str:
    """Return a table of what matters most of the environment; the rest is in its file."""

    def known(path: str) -> str:
        value = _find(environment, path)
        return "not recorded" if value is None else str(value)

    commit, dirty = known("code.commit"), _find(environment, "code.dirty")
    shown = {
        "processor": known("machine.cpu"),
        "cores": f"{known('machine.physical_cores')} ({known('machine.logical_cores')} logical)",
        "memory": _format_memory(_find(environment, "machine.memory_bytes")),
        "GPU": ", ".join(_list_gpus(_find(environment, "machine.gpus"))) or "none",
        "operating system": known("software.os"),
        "Python": known("software.python"),
        "torch": f"{known('software.torch.version')}, BLAS {known('software.torch.blas')}, "
        f"{known('software.torch.cpu_capability')}",
        "CUDA": _find(environment, "software.torch.cuda") or "not in this build",
        "torchvision": known("software.packages.torchvision"),
        "seqbench": known("code.version"),
        "commit": f"{commit}{' with changes' if dirty else ''}",
        "environment": known("environment_id"),
    }
    cells = [[key, escape(shorten(str(value), _LONGEST))] for key, value in shown.items()]
    return format_markdown(cells, ["", ""])


def _format_memory(size: Any) -> str:
    known = isinstance(size, int) and 0 < size < 2**63
    return f"{size / 2**30:.1f} GiB" if known else "not recorded"


def _list_gpus(gpus: Any) -> Iterable[str]:
    for gpu in gpus if isinstance(gpus, list) else ():
        yield f"{_find(gpu, 'name')}, driver {_find(gpu, 'driver')}"


def _list_plugins(environment: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield the names of a result's plugins and the digests of their files."""
    plugins = environment.get("plugins")
    for name, digest in plugins.items() if isinstance(plugins, Mapping) else ():
        yield str(name), str(digest)
