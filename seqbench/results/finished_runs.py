"""Finished runs that do not stand in the CSV files yet: a file each, in ``.finished/``.

Such a file holds all rows of its run, so a run costs the same to write whatever number of runs the
folder holds. The writer takes them over into the CSV files from time to time and when it ends; what
a killed one left is read from here, and a run that stands in ``runs.csv`` is read from there.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from seqbench.columns import Table, columns, take_rows
from seqbench.errors import ResultsError
from seqbench.results.csv_files import parse_csv
from seqbench.results.csv_lines import format_header
from seqbench.results.records import FILES, RUNS
from seqbench.results.row_digests import digest_ids

FINISHED = ".finished"


def format_finished(lines: Mapping[str, Sequence[str]]) -> bytes:
    """Return the content of a file for a run with these lines, by the name of the CSV file."""
    texts = {name: format_header(FILES[name]) + "".join(rows) for name, rows in lines.items()}
    return json.dumps(texts).encode()


def list_finished(folder: Path) -> list[Path]:
    """Return the files of finished runs of a result folder, in the order in which they ended."""
    return sorted((folder / FINISHED).glob("[!.]*"))


def load_finished(folder: Path, names: Iterable[str]) -> dict[str, Table]:
    """Return the rows of finished runs, by the name of the CSV file that they belong to.

    A file that is gone when it is read has been taken over since: so look here before the CSV.

    Raises
    ------
    ResultsError
        If a file holds no finished run, or a cell does not fit its column.
    OSError
        If a file cannot be read.
    """
    texts: list[Mapping[str, str]] = []
    for path in list_finished(folder):
        with suppress(FileNotFoundError):
            texts.append(_read_finished(path))
    return {name: _parse(folder / FINISHED, name, texts) for name in names}


def _read_finished(path: Path) -> Mapping[str, str]:
    try:
        texts: dict[str, str] = json.loads(path.read_bytes())
        if RUNS not in texts or not all(isinstance(each, str) for each in texts.values()):
            raise ValueError(f"there is no {RUNS} in it")
    except (ValueError, TypeError, AttributeError) as error:
        raise ResultsError(
            f"{path} holds no finished run: {error}; without that file the run is run again"
        ) from error
    return texts


def _parse(folder: Path, name: str, texts: Iterable[Mapping[str, str]]) -> Table:
    """Return the rows of one CSV file; those of equal columns are parsed together."""
    lines: dict[str, list[str]] = {}
    for text in texts:
        header, _, rows = text[name].partition("\n")
        lines.setdefault(header, []).append(rows)
    tables = [
        parse_csv(folder / name, f"{header}\n{''.join(rows)}", FILES[name])
        for header, rows in lines.items()
    ]
    return {
        each.name: [value for table in tables for value in table[each.name]]
        for each in columns(FILES[name])
    }


def add_finished(tables: Mapping[str, Table], finished: Mapping[str, Table]) -> dict[str, Table]:
    """Return the rows of the CSV files and, below them, of finished runs that do not stand there.

    What the files have of runs that do not stand in ``runs.csv`` is left out. ``runs_digest`` is
    that of all runs, where it was that of the runs in the file.
    """
    stored = tables[RUNS]["run_id"]
    there = set(stored)
    whole = {}
    for name, table in tables.items():
        rows, added = take_rows(table, _of_runs(table, there)), finished[name]
        new = take_rows(added, _of_runs(added, set(added["run_id"]) - there))
        whole[name] = {each: [*values, *new[each]] for each, values in rows.items()}
    runs = whole[RUNS]
    before, now = digest_ids(stored), digest_ids(runs["run_id"])
    digests = [now if each == before else each for each in runs["runs_digest"][: len(stored)]]
    digests += [now] * (len(runs["run_id"]) - len(stored))
    return whole | {RUNS: {**runs, "runs_digest": digests}}


def _of_runs(table: Table, run_ids: Collection[str]) -> list[int]:
    return [place for place, run_id in enumerate(table["run_id"]) if run_id in run_ids]
