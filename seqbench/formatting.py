"""Numbers as people read them, on the screen and in reports."""

import math
from collections.abc import Sequence

from seqbench.metrics import find_metric

MOST_NAMED = 12
"""The most names in one sentence."""

_MOST_DECIMALS = 6
_LEAST_PLAIN, _MOST_PLAIN = 1e-4, 1e6  # other means are written with a power of ten


def format_score(score: float, metric: str, unit: object = None) -> str:
    """Return a score: a share in per cent, anything else with four significant digits."""
    if math.isnan(score):
        return "—"
    if find_metric(metric).share:
        return f"{100 * score:.2f} %"
    return _with_unit(f"{score:.4g}", unit)


def format_difference(difference: float, metric: str, unit: object = None) -> str:
    """Return a difference of two scores: of shares in percentage points, else in their unit."""
    if math.isnan(difference):
        return "—"
    if not find_metric(metric).share:
        return _with_unit(f"{difference:.3g}", unit)
    return f"{round(100 * difference, 2) + 0.0:.2f} points"  # + 0.0: never −0.00


def format_interval(low: float, high: float, metric: str, unit: object = None) -> str:
    """Return the ends of an interval of scores or of differences, in the metric's unit."""
    if math.isnan(low):
        return "—"
    if find_metric(metric).share:
        low, high = (round(100 * end, 2) + 0.0 for end in (low, high))  # + 0.0: never −0.00
        return f"{low:.2f} to {high:.2f}"
    return _with_unit(f"{low:.3g} to {high:.3g}", unit)


def format_mean(mean: float, std: float, metric: str, unit: object = None) -> str:
    """Return a mean ± standard deviation: the deviation with about two digits, a share in per cent.

    A standard deviation that is not known (NaN, of one value), or not finite, is left out.
    """
    if not (math.isfinite(mean) and math.isfinite(std)):
        return format_score(mean, metric, unit)
    if find_metric(metric).share:
        decimals = 1 if round(100 * std, 2) >= 1 else 2
        return f"{100 * mean:.{decimals}f} ± {100 * std:.{decimals}f} %"
    if std == 0:
        return _with_unit(f"{mean:.4g} ± 0", unit)
    power = max(-300, math.floor(math.log10(abs(mean)))) if mean else 0
    power = 0 if _LEAST_PLAIN <= abs(mean) < _MOST_PLAIN else power
    mean, std = mean / 10**power, std / 10**power
    decimals = min(max(0, 1 - math.floor(math.log10(std))), _MOST_DECIMALS)
    both = f"{mean:.{decimals}f} ± {std:.{decimals}f}"
    return _with_unit(f"({both})e{power:+03d}" if power else both, unit)


def format_share(share: float) -> str:
    """Return a share in whole per cent: ``33 %``; a dash for one that is not known.

    What is more than nothing is not shown as nothing, nor what is less than all as all.
    """
    if math.isnan(share):
        return "—"
    if 0 < share <= 0.005:
        return "< 1 %"
    return "> 99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def format_seconds(seconds: float) -> str:
    """Return a duration with three significant digits, in ms or s, or as minutes and seconds."""
    if seconds >= 59.95:  # it would be shown as 60.0 s
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    if seconds >= 1:
        return f"{_three_digits(seconds)} s"
    return f"{_three_digits(1000 * seconds)} ms"


def format_count(count: float) -> str:
    """Return a count or a rate, rounded to three significant digits where it is not exact."""
    if isinstance(count, int):
        return f"{count:,}"
    return f"{float(f'{count:.3g}'):,.0f}" if count >= 100 else _three_digits(count)


def format_bytes(size: float, least: float, most: float) -> str:
    """Return a size in MiB with two significant digits, and its range where that shows one."""
    middle, low, high = (_two_digits(each / 2**20) for each in (size, least, most))
    return f"{middle} MiB" if low == high else f"{middle} MiB ({low}–{high})"


def format_factor(factor: float) -> str:
    """Return a ratio as a factor: ``2.41×``; a dash for one that is not known."""
    return "—" if math.isnan(factor) else f"{_three_digits(factor)}×"


def join_words(words: list[str]) -> str:
    """Return the words as an enumeration: ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def join_some(words: Sequence[str], most: int = MOST_NAMED) -> str:
    """Return the words as an enumeration; of more than ``most`` the first and a count."""
    left = len(words) - most
    return join_words([*words[:most], f"{left:,} more"] if left > 0 else list(words))


def _with_unit(number: str, unit: object) -> str:
    """Return a number with its unit; what is not known of a unit is no text."""
    return f"{number} {unit}" if isinstance(unit, str) and unit else number


def _two_digits(value: float) -> str:
    return _format_digits(float(f"{value:.2g}"), 2)


def _three_digits(value: float) -> str:
    return _format_digits(value, 3)


def _format_digits(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"
