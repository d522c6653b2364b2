"""Memory: what steps free stays at hand. For the peak of a run see `test_runner`."""

import ctypes
import json
import subprocess
import sys

import pytest

BYTES = 20 * 2**20
PIECES = 4  # together more than glibc keeps by itself

ROUNDS = f"""
import json, resource
import numpy
from seqbench.harness.memory import keep_freed_memory

def count_pages():
    asked = []
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        pieces = [numpy.ones({BYTES // 8}) for _ in range({PIECES})]
        del pieces
        asked.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return asked

by_itself = count_pages()
keep_freed_memory()
print(json.dumps([by_itself, count_pages()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the pages of glibc's malloc")
def test_freed_memory_is_had_again_without_asking_the_system() -> None:
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("not glibc")
    # in a process of its own, where nothing has set it before and no other tensors lie about
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS], capture_output=True, text=True, check=True
    )
    by_itself, kept = json.loads(done.stdout)
    # pages may be huge ones; left to itself, glibc asks for as many in each round
    assert max(kept[1:]) < min(by_itself) / 10
