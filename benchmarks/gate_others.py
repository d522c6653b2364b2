"""Other methods on the same commits: pytest-benchmark, a Mann-Whitney test, a bootstrap."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytest_benchmark.utils import parse_compare_fail
from scipy.stats import mannwhitneyu

from seqbench.gate.pairs import find_idlest_core
from seqbench.gate.processes import Side
from seqbench.gate.versions import Versions

ERROR_RATE = 0.01
_DRAWS = 2000  # of the plain bootstrap


def judge_as_others(base_s: Sequence[float], head_s: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Yield the verdicts of other methods on two series of samples, in seconds."""
    ratio = fmean(head_s) / fmean(base_s)
    common: dict[str, Any] = {"ratio": ratio, "low": float("nan"), "high": float("nan")}
    rule = parse_compare_fail("mean:5%")
    fails = rule.fails({"mean": fmean(head_s)}, {"mean": fmean(base_s)})
    yield {**common, "method": "pytest-benchmark", "verdict": "slower" if fails else "same"}
    p = mannwhitneyu(base_s, head_s).pvalue
    slower = median(head_s) > median(base_s)
    verdict = "same" if p >= ERROR_RATE else "slower" if slower else "faster"
    yield {**common, "method": "mann-whitney", "verdict": verdict}
    low, high = _bootstrap(np.asarray(base_s), np.asarray(head_s))
    verdict = "slower" if low > 1 else "faster" if high < 1 else "same"
    yield {"ratio": ratio, "low": low, "high": high, "method": "bootstrap", "verdict": verdict}


def _bootstrap(base_s: NDArray[np.float64], head_s: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the percentile interval of the ratio of means."""
    stream = np.random.default_rng(0)
    means = [stream.choice(each, (_DRAWS, len(each))).mean(axis=1) for each in (base_s, head_s)]
    low, high = np.quantile(means[1] / means[0], [ERROR_RATE / 2, 1 - ERROR_RATE / 2])
    return float(low), float(high)


def sample_in_sequence(
    versions: Versions, file: Path, names: Sequence[str], sampled_s: float
) -> Iterator[dict[str, list[float]]]:
    """Yield each version's samples in seconds by benchmark: one process after the other."""
    each_s = sampled_s / 2 / len(names)
    for name, version in (("base", versions.base), ("head", versions.head)):
        side = Side(name, version, file)
        try:
            side.ask("load")
            for benchmark in names:
                side.ask("prepare", benchmark)
            side.ask("settle", find_idlest_core())
            taken: dict[str, list[float]] = {benchmark: [] for benchmark in names}
            for benchmark, samples in taken.items():
                while sum(samples) < each_s:
                    samples.append(side.ask("time", benchmark, 1))
            yield taken
        finally:
            side.end()
