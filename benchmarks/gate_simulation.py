"""The gate's rule on simulated pairs: how often it is wrong, what it finds, what it costs.

`nox -s gate-simulation` runs it. Each simulated run is what the gate would do with six benchmarks
and its default rules: log ratios come in pair after pair, and every benchmark is judged until it is
decided or the budget is spent. The noise is that of the pairs recorded in ``results/gate-trials``,
resampled in blocks, or made up; seeds are fixed, so that ``results/gate-simulation`` is
reproducible.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

from benchmarks.gate_simulation_report import write_report
from seqbench.gate.benchmark import MARGIN
from seqbench.gate.rules import Rules
from seqbench.gate.verdicts import STANDARD_ERRORS, Verdict
from seqbench.intervals import count_ruled_out, variance_inflation

ROOT = Path(__file__).parent.parent
RECORDED = ROOT / "results" / "gate-trials"
RESULTS = ROOT / "results" / "gate-simulation"
REPORT = ROOT / "reports" / "gate-simulation"

CHANGES = (0.0, 0.02, 0.03, 0.05, 0.10)
RUNS = 2000
NULL_RUNS = 5000
"""Without a change: enough that 0.7 % of false alarms are known to be fewer than 1 %."""

BENCHMARKS = 6
PAIRS = 60
"""Pairs of processes that fit into the budget of five minutes."""

BEFORE_S, PAIR_S = 35.0, 4.2
"""Seconds of a run before its first pair, and of a pair; in ``results/gate-trials`` rather less."""

QUESTIONS = 3 * BENCHMARKS
"""Of a time, a memory and a score each: the error rate is divided among them."""

_BLOCK = 6  # pairs that are resampled together
_NOISE = 0.015  # standard deviation of made-up log ratios, as of recorded ones
_DRIFT = 0.1  # over all pairs, from end to end
_BURN_IN = 200

Noise = NDArray[np.float64]
"""Log ratios by run, benchmark and pair."""


@dataclass(frozen=True)
class Scenario:
    """A kind of noise.

    Parameters
    ----------
    name
        What the report calls it.
    draw
        Given a random stream and a number of runs, returns the log ratios of the place in the
        order: of the process that is second in everything over the first.
    drawn_order
        Whether the noise is the machine's, and falls on the place in the order, which is drawn for
        each pair; else it is specific to the version, whichever is first.
    """

    name: str
    draw: Callable[[np.random.Generator, int], Noise]
    drawn_order: bool = True


def draw_recorded(stream: np.random.Generator, runs: int) -> Noise:
    """Resample recorded pairs of identical code in blocks, all benchmarks of a pair together.

    Each block is taken as it is or with base and head exchanged, so that no change is true of it.
    """
    recorded = load_recorded(RECORDED)
    blocks = -(-PAIRS // _BLOCK)
    drawn = np.empty((runs, BENCHMARKS, blocks * _BLOCK))
    for run in range(runs):
        for place in range(blocks):
            source = recorded[stream.integers(len(recorded))]
            start = stream.integers(source.shape[1] - _BLOCK + 1)
            block = source[:, start : start + _BLOCK] * stream.choice((-1, 1))
            drawn[run, :, place * _BLOCK : (place + 1) * _BLOCK] = block
    return drawn[:, :, :PAIRS]


@cache
def load_recorded(results: Path) -> list[Noise]:
    """Return the log ratios of recorded runs of identical code, by benchmark and pair."""
    trials = pd.read_csv(results / "trials.csv")
    identical = trials.loc[trials["slowdown"] == 0, "run"].unique()
    pairs = pd.read_csv(results / "pairs.csv")
    pairs = pairs[pairs["run"].isin(identical)]
    pairs["log"] = np.log(pairs["head_s"] / pairs["base_s"])
    runs = []
    for _, part in pairs.groupby("run"):
        table = part.pivot_table(index="pair", columns="benchmark", values="log").dropna()
        if len(table) >= _BLOCK and table.shape[1] == BENCHMARKS:
            runs.append(table.to_numpy().T)
    return runs


def draw_ar1(rho: float) -> Callable[[np.random.Generator, int], Noise]:
    """Return a source of stationary Gaussian AR(1) noise with lag-1 correlation ``rho``."""

    def draw(stream: np.random.Generator, runs: int) -> Noise:
        shocks = stream.standard_normal((runs, BENCHMARKS, PAIRS + _BURN_IN))
        series = lfilter([np.sqrt(1 - rho**2)], [1, -rho], shocks, axis=2)
        return np.asarray(_NOISE * series[:, :, _BURN_IN:])

    return draw


def draw_drift(stream: np.random.Generator, runs: int) -> Noise:
    """Draw noise about a straight line through 0 in the middle."""
    return np.linspace(-_DRIFT / 2, _DRIFT / 2, PAIRS) + draw_ar1(0)(stream, runs)


def draw_steps(stream: np.random.Generator, runs: int) -> Noise:
    """Draw noise about a level that jumps up once, at a random pair."""
    places = stream.integers(5, PAIRS - 5, (runs, BENCHMARKS, 1))
    levels = np.where(np.arange(PAIRS) < places, -_DRIFT / 3, _DRIFT / 3)
    return levels + draw_ar1(0)(stream, runs)


def draw_bimodal(stream: np.random.Generator, runs: int) -> Noise:
    """Draw one of two values far apart, blurred: processes with good or bad memory layout."""
    modes = stream.choice((-0.03, 0.03), (runs, BENCHMARKS, PAIRS))
    return np.asarray(modes + 0.2 * draw_ar1(0)(stream, runs))


def draw_t2(stream: np.random.Generator, runs: int) -> Noise:
    """Draw Student's t with 2 degrees of freedom: its variance is infinite."""
    return np.asarray(_NOISE * stream.standard_t(2, (runs, BENCHMARKS, PAIRS)))


def draw_cauchy(stream: np.random.Generator, runs: int) -> Noise:
    """Draw normal noise with one pair in five from a Cauchy distribution."""
    outliers = stream.random((runs, BENCHMARKS, PAIRS)) < 0.2
    cauchy = 3 * _NOISE * stream.standard_cauchy((runs, BENCHMARKS, PAIRS))
    return np.where(outliers, np.clip(cauchy, -3, 3), draw_ar1(0)(stream, runs))


SCENARIOS = (
    Scenario("recorded", draw_recorded, drawn_order=False),
    Scenario("independent", draw_ar1(0.0)),
    *(Scenario(f"machine, AR(1) {rho}", draw_ar1(rho)) for rho in (0.3, 0.6, 0.9)),
    Scenario("machine, linear drift", draw_drift),
    Scenario("machine, step", draw_steps),
    Scenario("bimodal", draw_bimodal),
    Scenario("heavy-tailed, t(2)", draw_t2),
    Scenario("Cauchy outliers", draw_cauchy),
    *(
        Scenario(f"version, AR(1) {rho}", draw_ar1(rho), drawn_order=False)
        for rho in (0.3, 0.6, 0.9)
    ),
    Scenario("version, linear drift", draw_drift, drawn_order=False),
    Scenario("version, step", draw_steps, drawn_order=False),
)


def draw(scenario: Scenario, change: float, runs: int) -> Noise:
    """Return log ratios, head over base, of runs with a true change; always the same."""
    stream = np.random.default_rng([crc32(scenario.name.encode()), round(1000 * change)])
    noise = scenario.draw(stream, runs)
    if scenario.drawn_order:
        noise = noise * stream.choice((-1, 1), (runs, 1, PAIRS))
    return np.asarray(noise + np.log1p(change))


def judge_runs(logs: Noise) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Return the verdicts of `judge_log_ratios` once decided, of all benchmarks at once.

    Parameters
    ----------
    logs
        Log ratios, with pairs along the last axis.

    Returns
    -------
    verdicts, pairs
        Of each benchmark, and the pairs that it took.
    """
    series = logs.reshape(-1, PAIRS)
    verdicts = np.full(len(series), Verdict.INCONCLUSIVE, dtype=object)
    pairs = np.full(len(series), PAIRS)
    for count in range(1, PAIRS + 1):
        waiting = np.flatnonzero(verdicts == Verdict.INCONCLUSIVE)
        # allowing for correlation only widens: what independent pairs leave open stays open
        waiting = waiting[_say(series[waiting, :count], 1.0) != Verdict.INCONCLUSIVE]
        own = series[waiting, :count]
        verdicts[waiting] = _say(own, variance_inflation(own, STANDARD_ERRORS))
        pairs[waiting[verdicts[waiting] != Verdict.INCONCLUSIVE]] = count
    return verdicts.reshape(logs.shape[:-1]), pairs.reshape(logs.shape[:-1])


def _say(series: Noise, inflation: ArrayLike) -> NDArray[np.object_]:
    """Return the verdict on each series, unchanged."""
    count, margin = series.shape[1], np.log1p(MARGIN)
    ruled_out = count_ruled_out(count, Rules.error_rate / QUESTIONS, inflation)
    ruled_out = np.broadcast_to(ruled_out, len(series))
    ordered, rows = np.sort(series, axis=1), np.arange(len(series))
    low = np.where(ruled_out > 0, ordered[rows, ruled_out - 1], -np.inf)
    high = np.where(ruled_out > 0, ordered[rows, count - np.maximum(ruled_out, 1)], np.inf)
    same = (low > -margin) & (high < margin)
    choices = [Verdict.SAME, Verdict.FASTER, Verdict.SLOWER]
    return np.select([same, high < 0, low > 0], choices, Verdict.INCONCLUSIVE).astype(object)


def simulate(scenario: Scenario, change: float, runs: int) -> dict[str, object]:
    """Return a row: the number of runs by outcome."""
    wrong = (Verdict.SLOWER, Verdict.FASTER) if change == 0 else (Verdict.SAME, Verdict.FASTER)
    verdicts, taken = judge_runs(draw(scenario, change, runs))
    pairs = taken.max(axis=1)
    return {
        "scenario": scenario.name,
        "change": change,
        "runs": runs,
        "wrong_runs": int(np.isin(verdicts, wrong).any(axis=1).sum()),
        "found_runs": int((verdicts == Verdict.SLOWER).any(axis=1).sum()),
        "benchmarks": verdicts.size,
        **{str(each): int((verdicts == each).sum()) for each in _SAID},
        "pairs_median": float(np.median(pairs)),
        "pairs_p95": float(np.quantile(pairs, 0.95)),
        "seconds_median": BEFORE_S + PAIR_S * float(np.median(pairs)),
    }


_SAID = (Verdict.SLOWER, Verdict.FASTER, Verdict.SAME, Verdict.INCONCLUSIVE)


def simulate_all(runs: int, null_runs: int) -> Iterator[dict[str, object]]:
    """Yield a row for each scenario and change, on as many cores as there are."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        waiting = [
            pool.submit(_simulate_named, scenario.name, change, runs if change else null_runs)
            for scenario in SCENARIOS
            for change in CHANGES
        ]
        yield from (each.result() for each in waiting)


def _simulate_named(name: str, change: float, runs: int) -> dict[str, object]:
    return simulate(next(each for each in SCENARIOS if each.name == name), change, runs)


def main() -> None:
    """Simulate all scenarios and write the report."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="of each scenario and change")
    parser.add_argument(
        "--null-runs", type=int, default=NULL_RUNS, help="of those without a change"
    )
    arguments = parser.parse_args()
    rows = []
    for row in simulate_all(arguments.runs, arguments.null_runs):
        print(f"{row['scenario']}, {row['change']:.0%}: {row['wrong_runs']} of {row['runs']} wrong")
        rows.append(row)
    RESULTS.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(RESULTS / "simulation.csv", index=False)
    print(f"report: {write_report(RESULTS, REPORT)}")


if __name__ == "__main__":
    main()
