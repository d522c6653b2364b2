"""One's own results and published ones: which is which."""

from pathlib import Path

import pytest

from seqbench.results.local import choose_reports, find_published, is_local
from seqbench.results.reader import list_results


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "runs.csv").touch()
    return folder


def test_the_published_result_of_the_same_name_is_found(tmp_path: Path) -> None:
    published, other = make(tmp_path / "quick"), make(tmp_path / "mnist")
    own, alone = make(tmp_path / "local" / "quick"), make(tmp_path / "local" / "mine")
    assert [is_local(each) for each in (published, own)] == [False, True]
    assert find_published(own) == published.resolve()
    assert find_published(alone) is find_published(published) is None
    assert list_results(tmp_path) == [other, published]
    assert list_results(tmp_path / "local") == [alone, own]


def test_only_a_published_result_has_a_published_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {
        "results/quick": "reports",
        "results/local/quick": "reports/local",
        "elsewhere/quick": "reports/local",
    }
    for folder, reports in places.items():
        assert choose_reports(make(tmp_path / folder)) == Path(reports)
    assert choose_reports(tmp_path / "elsewhere" / "quick", tmp_path / "own") == tmp_path / "own"
