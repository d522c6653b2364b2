"""How a gate judges: the settings of a run, and what they make of what a benchmark declares."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seqbench.columns import parse_float
from seqbench.errors import SettingError, UnknownNameError, UsageError
from seqbench.gate.benchmark import MEMORY_MARGIN
from seqbench.gate.cases import Case


@dataclass(frozen=True)
class Rules:
    """How a gate judges and how much it may spend.

    Parameters
    ----------
    budget_s
        Seconds after which no more evidence is gathered.
    error_rate
        How often, at most, any verdict of a run may be wrong.
    margin, memory_margin, score_margin
        In place of what benchmarks declare; None for that.
    error_rates, margins, memory_margins, score_margins
        The same for some benchmarks, by name.
    only
        Names of the benchmarks that are run, or lists of them as `split_names` takes; empty for
        all.
    measure_same
        Whether versions are measured that are the same code.
    """

    budget_s: float = 300.0
    error_rate: float = 0.01
    margin: float | None = None
    memory_margin: float | None = None
    score_margin: float | None = None
    error_rates: Mapping[str, float] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)
    memory_margins: Mapping[str, float] = field(default_factory=dict)
    score_margins: Mapping[str, float] = field(default_factory=dict)
    only: Sequence[str] = ()
    measure_same: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.budget_s < math.inf:
            raise SettingError("budget", self.budget_s, "greater than 0 and finite")
        for setting, one, named in self.list_shares():
            for value in [one, *named.values()]:
                if value is not None and not 0 < value < 1:
                    raise SettingError(setting, value, "between 0 and 1")

    def list_shares(self) -> Iterator[tuple[str, float | None, Mapping[str, float]]]:
        """Yield each setting that is a share: its name, its value for all, its values by name."""
        for setting in ("error_rate", "margin", "memory_margin", "score_margin"):
            yield setting, getattr(self, setting), getattr(self, f"{setting}s")

    def choose(self, names: Sequence[str]) -> list[str]:
        """Return which of some benchmarks are run, in their order.

        Raises
        ------
        UnknownNameError
            If a name in the rules is not among them.
        """
        only = {
            name for text in self.only for name in ([text] if text in names else split_names(text))
        }
        for name in only.union(*(named for _, _, named in self.list_shares())):
            if name not in names:
                raise UnknownNameError("benchmark", name, names)
        return [name for name in names if not only or name in only]

    def make_case(self, declared: Mapping[str, Any], share: float) -> Case:
        """Return the case of a benchmark, given what it declares and its share of the errors.

        Raises
        ------
        UsageError
            If it declares a margin or an error rate that is none.
        """
        name = declared["name"]
        case = Case(
            name=name,
            metric=declared["metric"],
            higher_is_better=declared["higher_is_better"],
            margin=self.margins.get(name, self.margin or declared["margin"]),
            memory_margin=self.memory_margins.get(
                name, self.memory_margin or declared["memory_margin"] or MEMORY_MARGIN
            ),
            score_margin=self.score_margins.get(
                name, self.score_margin or declared["score_margin"]
            ),
            error_rate=self.error_rates.get(name, declared["error_rate"] or share),
            trains=declared["train"] is not None,
        )
        for setting, _, _ in self.list_shares():
            if not 0 < (value := getattr(case, setting)) < 1:
                raise UsageError(
                    f"the benchmark {name} declares {setting}={value:g}: it must be between 0 and 1"
                )
        return case


def split_names(text: str) -> list[str]:
    """Return the names in a list with commas; one with a comma is in double quotes."""
    return [name.strip() for name in _split(text)]


def _split(text: str) -> list[str]:
    try:
        (parts,) = csv.reader([text])
    except (csv.Error, ValueError):
        return [text]
    return parts or [text]


def join_names(names: Iterable[str]) -> str:
    """Return names as `split_names` takes them."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def parse_shares(setting: str, texts: Iterable[str]) -> tuple[float | None, dict[str, float]]:
    """Return the share for all and those by name, from texts like ``0.05`` and ``lstm=0.1``.

    Several are separated by commas in one text; a comma that does not follow a number
    belongs to a name.

    Raises
    ------
    SettingError
        If there is no number where one belongs.
    """
    everywhere, named = None, {}
    for text in texts:
        begun: list[str] = []
        for part in _split(text):
            begun.append(part)
            name, sign, number = ",".join(begun).rpartition("=")
            if sign and not name.strip():
                continue
            try:
                share = parse_float(number.strip())
            except ValueError:
                continue  # a name with a comma in it
            begun.clear()
            if sign:
                named[name.strip()] = share
            else:
                everywhere = share
        if begun:
            raise SettingError(setting, ",".join(begun), "a fraction like 0.05, or lstm=0.05")
    return everywhere, named
