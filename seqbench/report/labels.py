"""Names of one's own for variants and groups of runs, in figures, tables and sentences alike."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import pandas as pd

from seqbench.analysis.analysis import Analysis
from seqbench.errors import UsageError
from seqbench.report.variant_styles import Palette, style_labels

Labels = Mapping[str, str]
"""By the name of a variant, or of a group of runs, what to call it."""

_LABELLED = ("label", "best")
_OF_VARIANTS = ("race", "published")  # whose column ``variant`` is shown


def parse_labels(texts: Sequence[str], known: Iterable[str]) -> dict[str, str]:
    """Return labels from texts ``NAME=LABEL``; names of groups may have ``=`` in them.

    Parameters
    ----------
    texts
        As given on the command line.
    known
        From `list_names`.

    Raises
    ------
    UsageError
        If a text is not of that form or its name is given twice; see `check_labels` for the rest.
    """
    names, labels = set(known), {}
    for text in texts:
        ends = [place for place, mark in enumerate(text) if mark == "="]
        if not ends:
            raise UsageError(f"--label takes NAME=LABEL, such as gru=GRU, not {text!r}")
        end = max((each for each in ends if text[:each] in names), default=ends[0])
        if text[:end] in labels:
            raise UsageError(f"--label names {text[:end]!r} twice")
        labels[text[:end]] = text[end + 1 :]
    check_labels(labels, names)
    return labels


def check_labels(labels: Labels, known: Iterable[str]) -> None:
    """Raise `UsageError` if a name is unknown, or a label empty, unprintable or given twice."""
    names = sorted(set(known))
    for name, label in labels.items():
        if name not in names:
            raise UsageError(
                f"no variant or group is called {name!r}; there are: {', '.join(names)}"
            )
        if not label.strip() or not label.isprintable():
            raise UsageError(f"the label of {name!r} must be printable text, not {label!r}")
        others = [other for other, given in labels.items() if given == label and other != name]
        if others:
            raise UsageError(f"{name!r} and {others[0]!r} have the same label, {label!r}")


def list_names(runs: pd.DataFrame) -> list[str]:
    """Return the names that can get a label: of variants and of groups.

    Parameters
    ----------
    runs
        From `stats.name_groups`.
    """
    return list(dict.fromkeys([*runs["variant"].astype(str), *runs["label"]]))


def relabel(analysis: Analysis, labels: Labels) -> tuple[Analysis, Palette]:
    """Return an analysis with other labels, and the style of each; styles do not change.

    A group's label is that given for the group, or its own with the variant's name replaced.

    Raises
    ------
    UsageError
        If two groups would have the same label.
    """
    named = {label: _rename(label, labels) for label in analysis.runs["label"].unique()}
    owners: dict[str, str] = {}
    for label, name in named.items():
        if owners.setdefault(name, label) != label:
            raise UsageError(f"{owners[name]!r} and {label!r} would have the same label, {name!r}")
    palette = style_labels(analysis.runs["label"])
    if not labels:
        return analysis, palette
    frames = {
        field.name: _relabel_frame(getattr(analysis, field.name), labels, field.name)
        for field in fields(analysis)
    }
    styles = {named[label]: style for label, style in palette.items()}
    return replace(analysis, **frames), styles


def _rename(label: object, labels: Labels) -> str:
    name = str(label)
    if name in labels:
        return labels[name]
    variant, space, settings = name.partition(" ")
    return f"{labels.get(variant, variant)}{space}{settings}"


def _relabel_frame(frame: pd.DataFrame, labels: Labels, name: str) -> pd.DataFrame:
    columns = [*_LABELLED, *(["variant"] if name in _OF_VARIANTS else [])]
    changed: dict[str, list[Any]] = {
        column: [_rename(each, labels) for each in frame[column]]
        for column in columns
        if column in frame and not pd.api.types.is_bool_dtype(frame[column])
    }
    if "labels" in frame:
        changed["labels"] = [[_rename(each, labels) for each in group] for group in frame["labels"]]
    return frame.assign(**changed)
