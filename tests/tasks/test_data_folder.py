"""Where data lies: what names a folder, what is looked through, what is not the published data."""

from pathlib import Path

import pytest

from seqbench.errors import DataUnavailableError, ExitCode
from seqbench.tasks.data_folder import locate_data, note_change, reading_data, walk_files
from tests.processes import run_code


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("~/data", "data"),
        ("~", ""),
        ("$HOME/data", "data"),
        ("${HOME}/data", "data"),
        (" ~/data ", "data"),
        ("~/new/folder", "new/folder"),
        ("'~/data'", "data"),
        ('"$HOME/data"', "data"),
        ("file://$HOME/data", "data"),
    ],
)
def test_the_variable_is_what_a_shell_would_take_it_for(
    home: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str
) -> None:
    monkeypatch.setenv("SEQBENCH_DATA", text)
    assert locate_data() == home / place


@pytest.mark.parametrize("text", ["~/data", "$HOME/data"])
def test_so_is_the_option(home: Path, text: str) -> None:
    assert locate_data(Path(text)) == home / "data"


@pytest.mark.parametrize("text", ["", " ", "\t"])
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SEQBENCH_DATA", text)
    assert locate_data().parts[-2:] == ("seqbench", "data")


@pytest.mark.parametrize("name", ["a-file", "x" * 300, "~nobody-of-that-name/data"])
@pytest.mark.parametrize("by", ["option", "variable"])
def test_what_is_no_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, by: str
) -> None:
    (tmp_path / "a-file").write_text("")
    path = name if name.startswith("~") else str(tmp_path / name)
    monkeypatch.setenv("SEQBENCH_DATA", path if by == "variable" else str(tmp_path))
    with pytest.raises(DataUnavailableError) as raised:
        locate_data(Path(path) if by == "option" else None)
    assert path in str(raised.value)
    assert ("SEQBENCH_DATA" in str(raised.value)) is (by == "variable")
    assert raised.value.exit_code is ExitCode.BAD_USE


def test_files_are_looked_for_nearest_first_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = ["b", "a/b", "c/d/b", "c/d/e/b", "c/d/e/f/b", ".hidden/b"]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("")
    (tmp_path / "c" / "loop").symlink_to(tmp_path)
    found = [str(path.relative_to(tmp_path)) for path in walk_files(tmp_path)]
    assert [each for each in found if "loop" not in each] == places[:4]
    monkeypatch.setattr("seqbench.tasks.data_folder._MOST_FILES", 2)
    assert len(list(walk_files(tmp_path))) == 2
    assert list(walk_files(tmp_path / "nowhere")) == []


def test_changed_data_is_refused_unless_it_is_allowed_and_each_reading_has_its_own_list(
    tmp_path: Path,
) -> None:
    def read() -> None:
        note_change("a set", tmp_path / "file", b"content")

    with pytest.raises(DataUnavailableError, match="--allow-changed-data"):
        read()
    with reading_data(allow_changed=True) as outer:
        read()
        with (
            reading_data(allow_changed=False) as inner,
            pytest.raises(DataUnavailableError, match="is not the published a set"),
        ):
            read()
        read()
    assert len(outer) == 2
    assert inner == []
    with pytest.raises(DataUnavailableError):
        read()


def test_a_folder_that_is_named_needs_no_package_that_knows_the_users(tmp_path: Path) -> None:
    run_code(
        tmp_path,
        "import sys\n"
        "sys.modules['platformdirs'] = None\n"
        "from seqbench.tasks.data_folder import locate_data\n"
        "assert str(locate_data('here')).endswith('here')",
    )
