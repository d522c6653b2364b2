"""`environment.json` of any shape: read as it is written, or refused with what is wrong in it."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqbench.analysis.comparison import compare_results, describe_comparison
from seqbench.errors import ResultsError
from seqbench.history.revisions import read_folders
from seqbench.history.trends import trace_history
from seqbench.results.environment_shape import parse_environment
from seqbench.results.reader import load_results

DATA = Path(__file__).parents[1] / "data" / "schema-5" / "environment.json"
DEEP = "[" * 100_000


def nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not valid JSON"),
        ("{", "is not valid JSON"),
        ("[1]", "must hold a JSON object"),
        ("null", "must hold a JSON object"),
        ('"text"', "must hold a JSON object"),
        (DEEP, "is nested more than 20 deep"),
        ('{"a": ' * 100_000, "is nested more than 20 deep"),
        (json.dumps(nest(500)), "is nested more than 20 deep"),
        ('{"machine": {"memory_bytes": NaN}}', "number that is not finite in machine.mem"),
        ('{"machine": {"memory_bytes": -Infinity}}', "number that is not finite"),
        ('{"machine": {"memory_bytes": 1e999}}', "number that is not finite"),
        ('{"machine": {"memory_bytes": 1' + "0" * 400 + "}}", "number that is not finite"),
        ('{"machine": {"memory_bytes": 1' + "0" * 5000 + "}}", "is not valid JSON: Exceeds"),
        ('{"software": {"x": [{"y": 1e400}]}}', "not finite in software.x.0.y"),
        (r'{"machine": {"cpu": "half \ud800"}}', "lone surrogate in machine.cpu"),
        (r'{"half \udfff": 1}', "lone surrogate"),
        ('{"machine": []}', r"must have an object as machine, not \[\]"),
        ('{"machine": null}', "must have an object as machine, not null"),
        ('{"machine": "A"}', 'must have an object as machine, not "A"'),
        ('{"machine": {"gpus": 3}}', "must have a list as machine.gpus, not 3"),
        ('{"machine": {"gpus": null}}', "must have a list as machine.gpus, not null"),
        ('{"machine": {"gpus": ["H100"]}}', 'must have objects in machine.gpus, not "H100"'),
        ('{"machine": {"gpus": [{"name": "H"}]}}', "must have name and driver of each GPU"),
        ('{"machine": {"cpu": {"a": []}}}', "must have a text or null as machine.cpu, not"),
        ('{"machine": {"affinity": "all"}}', "must have a list or null as machine.affinity"),
        ('{"machine": {"cpu_quota": "lots"}}', "must have a number or null as machine.cpu_quota"),
        ('{"machine": {"physical_cores": true}}', "must have a whole number or null as machine.ph"),
        ('{"software": {"torch": {"version": 2}}}', "must have a text or null as software.torch.v"),
        ('{"plugins": ["x"]}', "must have an object as plugins"),
        ('{"plugins": {"x.py": 3}}', "must have a SHA-256 as text of each of the plugins, not 3"),
        ('{"machine": {"memory_bytes": "8 GB"}}', "must have a number as machine.memory_bytes"),
        ('{"machine": {"memory_bytes": true}}', "must have a number as machine.memory_bytes"),
        ('{"software": 1}', "must have an object as software, not 1"),
        ('{"software": {"torch": "2.13"}}', "must have an object as software.torch"),
        ('{"software": {"packages": ["numpy"]}}', "must have an object as software.packages"),
        ('{"threads": 2}', "must have an object as threads, not 2"),
        ('{"code": "abc"}', "must have an object as code"),
        ('{"code": {"commit": 7}}', "must have a text or null as code.commit, not 7"),
        ('{"pooled": []}', "must have an object as pooled"),
        ('{"pooled": {"a": 1}}', "must have objects in pooled, not 1"),
        ('{"environment_id": 12}', "must have a text as environment_id, not 12"),
        ('{"command": ["seqbench"]}', "must have a text as command"),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_not_as_it_is_written_is_refused_by_name(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_environment(text)


def test_what_was_written_is_read() -> None:
    for path in DATA.parents[3].glob("results/*/environment.json"):
        assert parse_environment(path.read_text()) == json.loads(path.read_text())
    assert parse_environment(DATA.read_text())["machine"]["gpus"] == []
    gpu = {"name": "H", "driver": None}
    free = {"environment_id": "é", "machine": {"gpus": [gpu]}, "other": {"x": [None, True, 1.5]}}
    assert parse_environment(json.dumps(free)) == free


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def list_paths(content: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(content, dict):
        return [path]
    return [
        path,
        *(found for name in content for found in list_paths(content[name], (*path, name))),
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(data=st.data())
def test_any_value_anywhere_is_read_through_or_refused(
    write_result: Callable[..., Path], tmp_path: Path, data: st.DataObject
) -> None:
    folder = tmp_path / "all" / "a"
    first = load_results(write_result(folder, 1))
    content = json.loads(DATA.read_text()) | {"environment_id": "abc"}
    path = data.draw(st.sampled_from(list_paths(content)[1:]))
    place = content
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = data.draw(VALUES)
    (folder / "environment.json").write_text(json.dumps(content))
    with suppress(ResultsError):  # any other error is a failure
        results = load_results(folder)
        for pair in ((first, results), (results, first)):
            list(describe_comparison("a", "b", compare_results(*pair)))
        trace_history(read_folders(tmp_path / "all"))
