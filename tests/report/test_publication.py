"""What a report is published with: formats of figures, labels of one's own, LaTeX, the index."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.text import Text
from typer.testing import CliRunner

import seqbench
from seqbench.analysis.analysis import analyse
from seqbench.cli import app
from seqbench.errors import ExitCode, SeqbenchError, UsageError
from seqbench.formatting import format_mean
from seqbench.report.headline import Headline, Row, cut_rows, make_headline
from seqbench.report.index import write_index
from seqbench.report.labels import parse_labels, relabel
from seqbench.report.latex import escape_latex, format_latex
from seqbench.report.page import Publication, write_report
from seqbench.report.variant_styles import color_of
from seqbench.results.reader import Results, load_results
from seqbench.results.records import EpochRecord, RunRecord
from seqbench.results.writer import ResultWriter

MakeRun = Callable[..., tuple[RunRecord, list[EpochRecord]]]
SCORES = {"gru": (0.95, 0.951, 0.952), "rnn": (0.80, 0.81, 0.79), "lstm": (0.70, 0.72, 0.74)}


@pytest.fixture
def results(tmp_path: Path, make_run: MakeRun) -> Results:
    """Return a result of which one variant is significantly better than all others."""
    with ResultWriter(tmp_path / "results" / "a_b", {}) as writer:
        for place, (variant, scores) in enumerate(SCORES.items()):
            for seed, score in enumerate(scores):
                writer.add(*make_run(score, 0.5 + place, variant=variant, seed=seed))
    return load_results(tmp_path / "results" / "a_b")


def call(place: Path, *words: str) -> tuple[int, str]:
    """Report the result of `results` and return the exit code and what was printed."""
    folder, reports = str(place / "results" / "a_b"), str(place / "reports")
    done = CliRunner().invoke(app, ["report", folder, "--reports", reports, *words])
    if isinstance(done.exception, SeqbenchError):  # which `cli.main` turns into a message
        return done.exception.exit_code, str(done.exception)
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize(
    ("formats", "image", "linked"),
    [
        (("png",), "png", []),
        (("svg",), "svg", []),
        (("pdf",), None, ["pdf"]),
        (("pdf", "svg", "png"), "svg", ["pdf", "png"]),
    ],
)
@pytest.mark.usefixtures("final_scores_only")
def test_figures_have_the_formats_asked_for_and_the_page_shows_or_links_them(
    results: Results, tmp_path: Path, formats: tuple[str, ...], image: str, linked: list[str]
) -> None:
    (tmp_path / "report").mkdir()
    for earlier in ("png", "pdf", "svg"):
        (tmp_path / "report" / f"final_score.{earlier}").touch()
    contents = []
    for name in ("report", "other"):
        page = write_report(results, tmp_path / name, Publication(formats))
        contents.append({path.name: path.read_bytes() for path in page.parent.iterdir()})
    assert contents[0] == contents[1], "the same bytes, and nothing of other formats is left"
    figures = {name for name in contents[0] if name != "README.md"}
    assert {name.partition(".")[2] for name in figures} == set(formats)
    text = contents[0]["README.md"].decode()
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)
    links = re.findall(r"(?<!!)\[[A-Z]{3}\]\(([^)]+)\)", text)
    assert set(shown) == {name for name in figures if name.endswith(f".{image}")}
    assert set(links) == {name for name in figures if name.partition(".")[2] in linked}
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for name in figures:
        assert contents[0][name].startswith(starts[name.partition(".")[2]])


@pytest.mark.usefixtures("final_scores_only")
def test_a_pdf_does_not_depend_on_a_date_in_the_environment(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "nosuch")
    page = write_report(results, tmp_path / "report", Publication(("pdf",)))
    assert b"CreationDate" not in (page.parent / "final_score.pdf").read_bytes()


@pytest.mark.usefixtures("results", "nothing_drawn")
def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    code, output = call(tmp_path, "--format", "gif")
    assert code == ExitCode.BAD_USE
    assert "format must be one of png, svg, pdf, not 'gif'" in output


@pytest.mark.usefixtures("nothing_drawn")
def test_labels_stand_everywhere_and_colours_stay(results: Results, tmp_path: Path) -> None:
    asked = Publication(labels={"gru": "My GRU", "rnn": "Elman 50 %"}, latex=True)
    page = write_report(results, tmp_path / "report", asked)
    text = page.read_text().split("## Reproduction")[0]
    assert "**My GRU** has the best mean accuracy" in text
    assert "Significantly better than Elman 50 % by" in text
    assert not re.search(r"\b(gru|rnn)\b", text)
    assert r"Elman 50 \% &" in (page.parent / "table.tex").read_text()
    _, palette = relabel(analyse(results), asked.labels)
    assert {name: style.color for name, style in palette.items()} == {
        "My GRU": color_of("gru"), "Elman 50 %": color_of("rnn"), "lstm": color_of("lstm"),
    }  # fmt: skip


def test_a_group_with_settings_keeps_them_or_gets_a_label_of_its_own(
    tmp_path: Path, make_run: MakeRun
) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for size in (8, 16):
            writer.add(*make_run(0.9, variant="gru", hidden_size=size))
    analysis = analyse(load_results(tmp_path / "a"))
    known = ["gru", "gru hidden_size=8", "gru hidden_size=16"]
    labels = parse_labels(["gru=G=U", "gru hidden_size=8=small"], known)
    assert labels == {"gru": "G=U", "gru hidden_size=8": "small"}
    assert list(relabel(analysis, labels)[0].summary["label"]) == ["small", "G=U hidden_size=16"]
    with pytest.raises(UsageError, match="would have the same label"):
        relabel(analysis, {"gru hidden_size=8": "gru hidden_size=16"})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["gur=GRU"], "no variant or group is called 'gur'; there are: gru, lstm, rnn"),
        (["gru"], "--label takes NAME=LABEL"),
        (["gru=A", "gru=B"], "--label names 'gru' twice"),
        (["gru=A", "rnn=A"], "have the same label, 'A'"),
        (["gru=rnn"], "would have the same label, 'rnn'"),
        (["gru= "], "the label of 'gru' must be printable text"),
        (["gru=a\x1b[2J"], "the label of 'gru' must be printable text"),
    ],
)
@pytest.mark.usefixtures("results", "nothing_drawn")
def test_labels_that_cannot_be_are_refused(tmp_path: Path, labels: list[str], message: str) -> None:
    code, output = call(tmp_path, *(word for each in labels for word in ("--label", each)))
    assert code == ExitCode.BAD_USE
    assert message in output


@pytest.mark.usefixtures("results", "final_scores_only")
def test_in_python_plots_take_labels(tmp_path: Path) -> None:
    result = seqbench.load(tmp_path / "results" / "a_b")
    labels = {"gru": "GRU"}
    figure = result.plot_final_scores(labels)
    assert [each.get_text() for each in figure.axes[0].get_yticklabels()] == ["GRU", "rnn", "lstm"]
    for plot in (result.plot_epoch_time, result.plot_score_against_throughput):
        texts = plot(labels=labels).findobj(Text)
        assert "GRU" in {each.get_text() for each in texts if isinstance(each, Text)}
    with pytest.raises(UsageError, match="there are: gru, lstm, rnn"):
        result.plot_learning_curves(labels={"gur": "GRU"})
    page = result.write_report(tmp_path / "r", formats=["svg"], labels=labels, latex=True)
    assert {"table.tex", "final_score.svg"} <= {path.name for path in page.parent.iterdir()}


@pytest.mark.usefixtures("results", "nothing_drawn")
def test_the_headline_table_in_latex(tmp_path: Path) -> None:
    assert call(tmp_path, "--latex")[0] == 0
    table = tmp_path / "reports" / "a_b" / "table.tex"
    lines = [line.strip() for line in table.read_text().splitlines()]
    begun = [each for line in lines for each in re.findall(r"\\begin\{(\w+)\}", line)]
    ended = [each for line in lines for each in re.findall(r"\\end\{(\w+)\}", line)]
    assert begun == ended[::-1] == ["table", "tabular"]
    rules = [line for line in lines if line.startswith(("\\toprule", "\\midrule", "\\bottomrule"))]
    assert rules == ["\\toprule", "\\midrule", "\\bottomrule"]
    (columns,) = [found for line in lines for found in re.findall(r"tabular\}\{(l r*|lr*)\}", line)]
    rows = [line.removesuffix(r" \\").split(" & ") for line in lines if line.endswith(r"\\")]
    assert {len(row) for row in rows} == {len(columns)} == {6}
    assert rows[0] == ["Variant", "Score", "n", "Epoch time", "Relative cost", "Parameters"]
    # by hand: mean 95.1, sample standard deviation 0.1 points; bold, as it is better than both
    assert rows[1][:3] == [r"\textbf{gru}", r"\textbf{95.10 $\pm$ 0.10 \%}", "3"]
    assert rows[2][:3] == ["rnn", r"80.0 $\pm$ 1.0 \%", "3"]
    assert rows[3] == ["lstm", r"72.0 $\pm$ 2.0 \%", "3", "2.50 s", r"5.00$\times$", "1,000"]
    text = table.read_text().replace(lines[0], "").replace(lines[1], "")
    assert not re.search(r"(?<!\\)[%_#]", text)
    assert r"\label{tab:a-b}" in text
    assert call(tmp_path)[0] == 0
    assert not table.exists(), "a table that was not asked for is not left behind"


def test_what_is_best_without_significance_is_not_bold(tmp_path: Path, make_run: MakeRun) -> None:
    with ResultWriter(tmp_path / "a", {}) as writer:
        for variant, scores in (("gru", (0.9, 0.95)), ("rnn", (0.89, 0.94)), ("lstm", (0.1, 0.12))):
            for seed, score in enumerate(scores):
                writer.add(*make_run(score, variant=variant, seed=seed))
    headline = make_headline(analyse(load_results(tmp_path / "a")))
    assert headline
    assert "textbf" not in format_latex(headline, "a")


def test_many_rows_are_cut_to_the_best(results: Results) -> None:
    headline = make_headline(analyse(results))
    assert headline
    rows = [Row((str(place),), best=False, rank=29 - place) for place in range(30)]
    short = cut_rows(replace(headline, parts={"x": rows}))
    assert [row.rank for row in short.parts["x"]] == list(range(12))
    assert short.left_out == 18


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a_b & 5 % #1 {x} $y", r"a\_b \& 5 \% \#1 \{x\} \$y"),
        ("\\input{a}~^", r"\textbackslash{}input\{a\}\textasciitilde{}\textasciicircum{}"),
        ("(1.20 ± 0.30)e-05", r"(1.20 $\pm$ 0.30)$\times 10^{-5}$"),
        ("1.2e-05 ± 3e+07", r"1.2$\times 10^{-5}$ $\pm$ 3$\times 10^{7}$"),
        ("a\nb", "a b"),
    ],
)
def test_latex_shows_text_as_it_is(text: str, shown: str) -> None:
    assert escape_latex(text) == shown


@pytest.mark.parametrize(
    ("mean", "std", "metric", "shown"),
    [
        (0.954, 0.0123, "accuracy", "95.4 ± 1.2 %"),
        (0.95416, 0.00123, "accuracy", "95.42 ± 0.12 %"),
        (0.9, float("nan"), "accuracy", "90.00 %"),
        (0.8, float("inf"), "mse", "0.8"),
        (0.000339, 0.0000829, "mse", "0.000339 ± 0.000083"),
        (3.39e-7, 8.29e-8, "mse", "(3.39 ± 0.83)e-07"),
        (2.5e9, 1.25e8, "mse", "(2.50 ± 0.12)e+09"),
        (123.4, 56.0, "mae", "123 ± 56"),
        (0.5, 1e-17, "mae", "0.500000 ± 0.000000"),
        (0.5, 0.0, "mae", "0.5 ± 0"),
        (5e-324, 5e-324, "mae", "(0.000000 ± 0.000000)e-300"),
    ],
)
def test_a_mean_is_written_to_the_digits_of_its_standard_deviation(
    mean: float, std: float, metric: str, shown: str
) -> None:
    assert format_mean(mean, std, metric) == shown


def test_several_tasks_are_parts_of_one_table() -> None:
    parts = {
        "a_b (cpu)": [Row(("x", "1"), best=False, rank=0)],
        "c (cpu)": [Row(("y", "2"), best=True, rank=0)],
    }
    text = format_latex(Headline(("variant", "score"), parts, "5 %."), "a")
    assert text.count(r"\midrule") == 2
    assert r"\multicolumn{2}{l}{a\_b (cpu)} \\" in text
    assert r"\textbf{y} & \textbf{2} \\" in text


@pytest.mark.usefixtures("results", "nothing_drawn")
def test_the_index_has_a_line_of_each_report(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    pages = {
        "gate": "### Regression: lstm is slower; [see](x).\n\n| a |\n",
        "trials": "<!-- Made -->\n# Trials\n\nWhat was\ndone. More.\n\n- Found: 1 %.\n- Two.\n",
        "prose": "# Prose\n\nThe first\nsentence, 1.5 %. The second.\n",
        "no report": None,
    }
    for name, text in pages.items():
        (reports / name).mkdir(parents=True)
        if text:
            (reports / name / "README.md").write_text(text)
    (reports / "local").mkdir()
    (reports / "local" / "README.md").write_text("# Reports\n\n- [mine](mine/README.md): 1\n")
    assert call(tmp_path)[0] == 0
    index = reports / "README.md"
    once = index.read_bytes()
    assert index.read_text().splitlines()[3:] == [
        r"- [a\_b](a_b/README.md): Best score: **gru** on `row-digits` (cpu) with accuracy "
        "95.10 ± 0.10 %, significantly better than all 2 others.",
        "- [gate](gate/README.md): Regression: lstm is slower; see.",
        "- [prose](prose/README.md): The first sentence, 1.5 %.",
        "- [trials](trials/README.md): Found: 1 %.",
    ]
    assert write_index(reports) == index
    assert index.read_bytes() == once


@pytest.mark.usefixtures("results", "nothing_drawn")
def test_a_page_of_someone_else_is_not_replaced_by_the_index(tmp_path: Path) -> None:
    mine = tmp_path / "reports" / "README.md"
    mine.parent.mkdir()
    mine.write_text("# My project\n")
    code, output = call(tmp_path)
    assert code == 0
    assert "is not from seqbench and is kept" in output
    assert mine.read_text() == "# My project\n"


@pytest.mark.usefixtures("nothing_drawn")
def test_no_table_of_a_report_has_more_than_eight_columns(results: Results, tmp_path: Path) -> None:
    from seqbench.report import tables

    cells = [each for each in vars(tables).values() if isinstance(each, dict)]
    assert max(len(each) for each in cells if "task (device)" in each) <= tables.MOST_COLUMNS
    page = write_report(results, tmp_path / "report").read_text()
    for line in page.splitlines():
        if line.startswith("|:"):
            assert line.count("|") - 1 <= tables.MOST_COLUMNS


@pytest.mark.usefixtures("nothing_drawn")
def test_a_summary_has_three_sentences_a_figure_and_a_table(
    results: Results, tmp_path: Path
) -> None:
    top = write_report(results, tmp_path / "report").read_text().split("## Findings")[0]
    assert len([line for line in top.splitlines() if line.startswith("- ")]) == 3
    assert top.count("![") == 1
    assert len([line for line in top.splitlines() if line.startswith("|:")]) == 1
