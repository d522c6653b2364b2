"""A report's figures: the same bytes for the same CSV, made without torch, whatever is set."""

import re
from collections import ChainMap
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from matplotlib import rc_context
from matplotlib.image import imread

from seqbench.errors import ExitCode
from seqbench.report.page import write_report
from seqbench.report.theme import themed
from seqbench.results.reader import load_results

RunWithoutTorch = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def report(sample_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a result, to be read only."""
    return write_report(load_results(sample_folder), tmp_path_factory.mktemp("plain")).parent


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_page_shows_every_figure_and_every_figure_is_drawn(report: Path) -> None:
    linked = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (report / "README.md").read_text())
    assert len(linked) == len(set(linked)) == 7
    assert {path.name for path in report.iterdir()} == {"README.md", *linked}
    for name in linked:
        image = imread(report / name)
        assert image.shape[0] > 150
        assert image.shape[1] > 600
        assert len({tuple(pixel) for pixel in image.reshape(-1, image.shape[2])[::7]}) > 5


CONFIGURATIONS: list[Any] = [
    {"savefig.bbox": "tight", "savefig.pad_inches": 3, "savefig.transparent": True},
    {"savefig.dpi": 20, "figure.dpi": 300, "savefig.facecolor": "red", "savefig.format": "svg"},
    {"font.size": 30, "font.family": "monospace", "axes.titlesize": 40},
    {"axes.prop_cycle": "cycler('color', ['r'])", "lines.linewidth": 9, "axes.facecolor": "black"},
    {"figure.constrained_layout.use": False, "figure.autolayout": True, "axes.grid": False},
    {"axes.unicode_minus": False, "axes.formatter.use_locale": True, "path.simplify": False},
    {"xtick.labelsize": 2, "ytick.major.size": 40, "legend.frameon": True, "image.cmap": "gray"},
]


@pytest.mark.parametrize(
    "configuration",
    [
        {},  # the same CSV gives the same bytes
        {"text.usetex": True},
        dict(ChainMap(*CONFIGURATIONS)),
        *(pytest.param(each, marks=pytest.mark.exhaustive) for each in CONFIGURATIONS),
    ],
)
def test_figures_do_not_depend_on_matplotlibs_configuration(
    report: Path, sample_folder: Path, tmp_path: Path, configuration: Any
) -> None:
    with rc_context(configuration):
        configured = write_report(load_results(sample_folder), tmp_path / "configured").parent
    assert read_files(configured) == read_files(report)


def test_the_theme_leaves_nothing_behind() -> None:
    with rc_context({"text.usetex": True}):
        with themed():
            pass
        from matplotlib import rcParams

        assert rcParams["text.usetex"]


@pytest.mark.parametrize(
    "variables",
    [
        {
            "MPLBACKEND": "nosuch",
            "MATPLOTLIBRC": "config/matplotlibrc",
            "SOURCE_DATE_EPOCH": "nosuch",
            "MPLCONFIGDIR": "/dev/null/none",
            "XDG_CACHE_HOME": "/dev/null/none",
        },
        pytest.param(
            {"MPLBACKEND": "tkagg", "MPLCONFIGDIR": "config"}, marks=pytest.mark.exhaustive
        ),
    ],
)
def test_a_users_own_matplotlib_changes_no_report_and_none_needs_torch(
    variables: dict[str, str],
    report: Path,
    result_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_without_torch: RunWithoutTorch,
) -> None:
    style = tmp_path / "config" / "stylelib"
    style.mkdir(parents=True)
    (style / "seaborn-v0_8-whitegrid.mplstyle").write_text("axes.facecolor: red\n")
    settings = "backend: tkagg\ntext.usetex: True\nsavefig.bbox: tight\nfont.size: 30\n"
    (style.parent / "matplotlibrc").write_text(settings)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = run_without_torch(tmp_path, "report", str(result_folder), "--reports", "out")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert read_files(tmp_path / "out" / "sample") == read_files(report)


def test_a_matplotlibrc_that_is_no_text_is_named(
    result_folder: Path, tmp_path: Path, run_without_torch: RunWithoutTorch
) -> None:
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe\x00")
    done = run_without_torch(tmp_path, "report", str(result_folder), "--reports", "out")
    assert done.returncode == ExitCode.BAD_USE
    assert "error: matplotlib cannot be imported: a matplotlibrc is not UTF-8" in done.stderr
    assert "Traceback" not in done.stderr
