"""Memory: what steps free stays at hand. For the peak of a run see `test_runner`."""

import ctypes
import sys

import pytest
import torch

from seqbench.harness.memory import keep_freed_memory

PAGES = 2048


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the pages of glibc's malloc")
def test_freed_memory_is_had_again_without_asking_the_system() -> None:
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("not glibc")
    import resource

    keep_freed_memory()
    asked = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(PAGES * 4096 // 4)
        asked.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert asked[-1] < PAGES / 4
