"""One's own results and published ones: which is which."""

from pathlib import Path

from seqbench.results.local import find_published, is_local
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
