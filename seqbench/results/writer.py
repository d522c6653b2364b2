"""Result folders, written: records to CSV, by one writer. See `reader` for what lies in one."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from seqbench.columns import Table
from seqbench.errors import ResultsError
from seqbench.results.atomic_files import complete_replacement, replace_file, replace_folder
from seqbench.results.csv_lines import format_header, format_table
from seqbench.results.finished_runs import FINISHED, format_finished, list_finished
from seqbench.results.folder_lock import FolderLock
from seqbench.results.reader import CHECKPOINTS, ENVIRONMENT, UNFINISHED, Results, read_run_ids
from seqbench.results.records import (
    EPOCHS,
    EVALUATIONS,
    FILES,
    PROFILE,
    RUNS,
    TIMINGS,
    EpochRecord,
    EvaluationRecord,
    ProfileRecord,
    RunRecord,
    TimingRecord,
)
from seqbench.results.row_digests import digest_ids, digest_runs
from seqbench.results.written_run import format_run, refuse_run


class ResultWriter:
    """The one writer of a result folder, while its ``with`` block lasts.

    What lay in the folder before is gone on with, see `resume`, or else moved aside whole, to
    ``.earlier`` beside it, once a run has ended and a folder with it is whole; `kept_aside` tells
    where. Every file is replaced atomically and flushed to the disk, so that a reader, or a power
    cut, finds the old or the new one and never half of it.

    A finished run is written once, into a file of its own, see `finished_runs`. The CSV files are
    replaced when such files hold as many runs as they do, which is ever more seldom, and when the
    block ends, however it ends: so each run costs the same, and a copy of each row or two.

    Parameters
    ----------
    folder
        ``results/<name>``.
    environment
        Content of ``environment.json``.
    wait
        Is told whom it waits for, if another process is writing there; None to refuse instead.

    Raises
    ------
    UsageError
        On entering, if another process is writing to the same folder.
    ResultsError
        On entering and whenever something is written, if the folder cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, Any],
        *,
        wait: Callable[[str], object] | None = None,
    ) -> None:
        self.folder = folder
        self.kept_aside: Path | None = None
        self.environment = environment
        self._wait = wait
        self._lock = FolderLock(folder, str(environment.get("command", "")))
        self._begun = False
        self._in_place = False
        self._order: list[str] = []
        self._statuses: dict[str, str] = {}
        self._lines: dict[str, dict[str, list[str]]] = {name: {} for name in FILES}
        self._pending = 0  # files of finished runs that do not stand in the CSV files yet
        self._unfinished: dict[str, bytes] = {}
        self._kept: set[str] = set()  # runs of which something was kept by this writer
        self._resumed: list[str] = []

    def __enter__(self) -> "ResultWriter":
        with _explained(self.folder):
            self._lock.acquire(self._wait)
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if self._pending:
                self._put(self._export)
            elif self._in_place:
                with _explained(self.folder):
                    self._tidy(self.folder)
        except ResultsError:  # nothing is lost: the files of the runs are there
            if kind is None:
                raise
        finally:
            self._lock.release()

    @property
    def statuses(self) -> list[str]:
        """The status of each run in the folder by now."""
        return list(self._statuses.values())

    def resume(
        self, earlier: Results, order: Sequence[str], unfinished: Mapping[str, bytes]
    ) -> None:
        """Go on with runs of an earlier result.

        Parameters
        ----------
        earlier
            The runs that count, as they were read from this very folder, with the digests that
            they have; may be none. Its environment is the same as today's in all that decides,
            and keeps its id.
        order
            Of all runs that are to stand in the folder, by ``run_id``.
        unfinished
            What `keep` was given for runs that are to go on, by ``run_id``.
        """
        if "environment_id" in earlier.environment:
            same = {"environment_id": earlier.environment["environment_id"]}
            self.environment = {**self.environment, **same}
        self._order = list(order)
        self._take(earlier.tables)
        self._unfinished = dict(unfinished)
        self._resumed = list(earlier.runs["run_id"])
        there = set(read_run_ids(self.folder))
        known = {path.name for path in (self.folder / UNFINISHED).glob("[!.]*")} - there
        self._in_place = there <= set(earlier.runs["run_id"]) and known <= set(unfinished)
        if self._in_place:
            self._pending = len(list_finished(self.folder))
        elif there and self._lines[RUNS]:
            self._put(lambda folder: None)

    def keep(self, run_id: str, saved: bytes) -> None:
        """Keep what it takes to go on with a run, in place of what was kept of it before.

        It lies beside what was in the folder: that stays there until a run has ended.
        """
        self._unfinished[run_id] = saved
        self._kept.add(run_id)
        with _explained(self.folder):
            if not _holds_runs(self.folder):
                self._put(lambda folder: None)
            _write_into(self.folder / UNFINISHED, run_id, saved)

    def add(
        self,
        run: RunRecord,
        epochs: Sequence[EpochRecord] = (),
        evaluations: Sequence[EvaluationRecord] = (),
        timings: Sequence[TimingRecord] = (),
        profile: Sequence[ProfileRecord] = (),
        checkpoint: bytes | None = None,
    ) -> RunRecord:
        """Write a finished run, what it left, and its weights as ``checkpoints/<run_id>.ckpt``.

        Returns
        -------
        RunRecord
            The row. Of a run with anything in it that would not read back it is one of a failed
            run, which says what; nothing else of it is written.

        Raises
        ------
        ContractError
            If not even that fits: the metric or its baseline does not.
        """
        left = {EPOCHS: epochs, EVALUATIONS: evaluations, TIMINGS: timings, PROFILE: profile}
        try:
            lines = format_run(run, left)
        except ValueError as fault:
            run, checkpoint = refuse_run(run, str(fault)), None
            lines = format_run(run, {})

        def write(folder: Path) -> None:
            if checkpoint is not None:
                _write_into(folder / CHECKPOINTS, f"{run.run_id}.ckpt", checkpoint)
            if number := len(
                self._lines[RUNS]
            ):  # else there are no CSV files that it could wait for
                _write_into(folder / FINISHED, f"{number:09d}", format_finished(lines))
                self._pending += 1
            self._statuses[run.run_id] = run.status
            for name, rows in lines.items():
                self._lines[name][run.run_id] = rows
            if 2 * self._pending >= number:
                self._export(folder)
            else:
                self._tidy(folder)

        self._unfinished.pop(run.run_id, None)
        self._put(write)
        return run

    def add_results(self, results: Sequence[Results]) -> None:
        """Write what was read from other folders, as the whole content of this one."""
        for each in results:
            self._take({**each.tables, RUNS: digest_runs(each.tables)})
        self._put(self._export)

    def _take(self, tables: Mapping[str, Table]) -> None:
        """Take over all rows of a result, as lines, run by run."""
        runs = tables[RUNS]
        runs = {**runs, "runs_digest": [None] * len(runs["run_id"])}
        self._statuses |= dict(zip(runs["run_id"], runs["status"], strict=True))
        for name, table in {**tables, RUNS: runs}.items():
            for run_id, line in zip(table["run_id"], format_table(FILES[name], table), strict=True):
                self._lines[name].setdefault(run_id, []).append(line)

    def _put(self, write: Callable[[Path], object]) -> None:
        """Write something into the folder; with the first, the folder is made ready for it.

        That is the folder as it was, or a new one in its place, with all that counts of it.
        """

        def begin(folder: Path) -> None:
            self._write_environment(folder)
            self._carry_over(folder)
            write(folder)

        with _explained(self.folder):
            if self._begun:
                write(self.folder)
                return
            complete_replacement(self.folder)  # an earlier attempt may have failed half-way
            if self._in_place or not _holds_runs(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._write_environment(self.folder)
                write(self.folder)
            else:
                self.kept_aside = replace_folder(self.folder, begin)
                with suppress(OSError):  # there are others, or none
                    for run_id in self._kept:  # lay there until now, see `keep`
                        (self.kept_aside / UNFINISHED / run_id).unlink(missing_ok=True)
                    (self.kept_aside / UNFINISHED).rmdir()
        self._begun = True

    def _write_environment(self, folder: Path) -> None:
        content = json.dumps(self.environment, indent=2, ensure_ascii=False) + "\n"
        replace_file(folder / ENVIRONMENT, content.encode("utf-8", "replace"))

    def _carry_over(self, folder: Path) -> None:
        """Write the runs that count, and what they and those that go on have besides their rows."""
        for run_id, saved in self._unfinished.items():
            _write_into(folder / UNFINISHED, run_id, saved)
        for run_id in self._resumed:
            weights = self.folder / CHECKPOINTS / f"{run_id}.ckpt"
            if weights.is_file():
                _write_into(folder / CHECKPOINTS, weights.name, weights.read_bytes())
        if self._lines[RUNS]:
            self._export(folder)

    def _export(self, folder: Path) -> None:
        """Replace the CSV files, ``runs.csv`` last, by those of all runs in the plan's order."""
        known = dict.fromkeys([*self._order, *self._lines[RUNS]])
        which = digest_ids(self._lines[RUNS])
        for name, record_type in FILES.items():
            of_runs = self._lines[name]
            lines: Iterable[str] = chain.from_iterable(of_runs.get(each, ()) for each in known)
            if name == RUNS:  # its last column is `runs_digest`, which is empty until here
                lines = (f"{line[:-1]}{which}\n" for line in lines)
            replace_file(folder / name, (format_header(record_type) + "".join(lines)).encode())
        for path in list_finished(folder):
            path.unlink()
        self._pending = 0
        self._tidy(folder)

    def _tidy(self, folder: Path) -> None:
        """Remove what was kept of runs that are finished by now, also what a kill left of it."""
        for path in (folder / UNFINISHED).glob("[!.]*"):
            if path.name in self._lines[RUNS]:
                path.unlink()
        for name in (UNFINISHED, FINISHED):
            if not any((folder / name).glob("[!.]*")):  # nothing, or what was half written
                shutil.rmtree(folder / name, ignore_errors=True)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn a failed write into an error that says how to fix it."""
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"{error.filename or folder} cannot be written: {error.strerror}. What was written "
            f"before is kept; free disk space, grant permission, or choose another --results "
            f"folder."
        ) from error


def _write_into(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    replace_file(folder / name, content)


def _holds_runs(folder: Path) -> bool:
    return (folder / RUNS).exists() or (folder / UNFINISHED).exists()
