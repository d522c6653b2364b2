"""Memory: what steps free stays at hand. For the peak of a run see `test_runner`."""

import ctypes
import sys

import pytest
import torch

from seqbench.harness.memory import keep_freed_memory

PAGES = 2048
PIECES = 8  # together more than glibc keeps by itself


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the pages of glibc's malloc")
def test_freed_memory_is_had_again_without_asking_the_system() -> None:
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("not glibc")
    import resource

    keep_freed_memory()
    asked = []
    for _ in range(30):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        pieces = [torch.ones(PAGES * 4096 // 4) for _ in range(PIECES)]
        del pieces
        asked.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    # until a few such pieces lie beside each other, glibc may find none that is aligned and fits
    assert max(asked[-15:]) < PAGES / 4
