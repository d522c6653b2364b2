"""Code versions: they change with the code that a run goes through, and with no other."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seqbench.harness.code_version import digest_modules, version_code
from seqbench.spec import RunSpec

MODULE = "seqbench_plugin_versioned"


@pytest.fixture
def digest_of(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Return what writes a module, loads it as a plugin is loaded, and digests it."""

    def digest(source: str) -> str:
        path = tmp_path / "versioned.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(MODULE, path)
        assert spec is not None
        sys.modules[MODULE] = importlib.util.module_from_spec(spec)
        digest_modules.cache_clear()
        return digest_modules((MODULE,))

    yield digest
    sys.modules.pop(MODULE, None)
    digest_modules.cache_clear()


def test_a_change_in_the_file_or_in_what_it_imports_changes_the_version(
    digest_of: Callable[[str], str],
) -> None:
    first = digest_of("X = 1\n")
    assert digest_of("X = 1\n") == first
    assert digest_of("X = 2\n") != first
    importing = digest_of("from seqbench.models import gru\nX = 1\n")
    assert importing != first
    assert digest_of("import json\nX = 1\n") != first, "its own text counts"


def test_other_packages_do_not_count(digest_of: Callable[[str], str], tmp_path: Path) -> None:
    digest_of("import torch\nfrom torch import nn\nimport not_there\n")


def test_variants_and_tasks_have_versions_of_their_own(
    make_spec: Callable[..., RunSpec],
) -> None:
    assert version_code(make_spec(seed=1)) == version_code(make_spec(seed=2, epochs=9))
    versions = {version_code(make_spec(variant=each)) for each in ("rnn", "gru", "lru")}
    assert len(versions) == 3
    assert version_code(make_spec(task="adding", length=9)) != version_code(make_spec())
