"""The file that keeps the reports: one JSON line each, only ever appended to, so that a killed run can be resumed."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NoReturn

from screening.errors import NotFound, ScreeningError, Unreadable
from screening.report import Report

if sys.platform != "win32":
    import fcntl

MAX_LINE = 1 << 24
"""Bytes; no report comes near it, so a longer line is no report."""


class OutputTaken(ScreeningError):
    """The output file has reports in it, or another run is writing it."""

    code = "busy"


class Journal:
    """An open output file. Use as a context manager.

    Holds in a temporary file on disk, not in memory, the names taken and where the report of each content begins;
    both are read back from the output when a run is resumed.
    """

    def __init__(
        self, path: Path, *, resume: bool, policy_sha256: str, seen: Callable[[Report], None]
    ) -> None:
        """Opens `path`; with `resume` reads what is there (each report goes to `seen`) and cuts off an unfinished line.

        Raises OutputTaken where the file has reports and `resume` is off, or another process writes it; Unreadable
        where its lines are no reports or were made with another policy.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = open(path, "a+b", buffering=0)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise Unreadable(f"{path}: cannot be written ({error.strerror}).") from error
        self._index = sqlite3.connect("", check_same_thread=False)
        self._index_lock = threading.Lock()
        """`claim` is called by the thread that reads input, and a connection has one count of changed rows for all."""
        self._index.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8000;"
            "CREATE TABLE names (name TEXT PRIMARY KEY) WITHOUT ROWID;"
            "CREATE TABLE contents (key TEXT PRIMARY KEY, start INTEGER, length INTEGER) WITHOUT ROWID;"
        )
        try:
            self._lock()
            if self._file.seek(0, os.SEEK_END) and not resume:
                raise OutputTaken(
                    f"{path}: has reports already; add --resume to go on, or choose another file."
                )
            self._load(policy_sha256, seen)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._index.close()

    def claim(self, name: str) -> bool:
        """True the first time a name is asked for, unless it had a report when the file was opened."""
        with self._index_lock:
            return self._index.execute("INSERT OR IGNORE INTO names VALUES (?)", (name,)).rowcount > 0

    def append(self, report: Report) -> None:
        """One line more. The write is a single call: a kill leaves a whole line, or a part that resuming cuts off."""
        line = report.to_json().encode() + b"\n"
        start = self._file.seek(0, os.SEEK_END)
        written = self._file.write(line)
        if written != len(line):
            self._file.truncate(start)
            raise Unreadable(f"{self.path}: the disk is full; make room and go on with --resume.")
        self._note(report, start, len(line))

    def find(self, key: str) -> Report | None:
        """The report written for that content (see `content_key`)."""
        with self._index_lock:
            row = self._index.execute("SELECT start, length FROM contents WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        self._file.seek(row[0])
        return parse(self._file.read(row[1]))

    def _note(self, report: Report, start: int, length: int) -> None:
        if report.image is not None:
            key = content_key(report.image.sha256, report.name)
            with self._index_lock:
                self._index.execute("INSERT OR IGNORE INTO contents VALUES (?, ?, ?)", (key, start, length))

    def _load(self, policy_sha256: str, seen: Callable[[Report], None]) -> None:
        start = self._file.seek(0)
        reader = open(self.path, "rb")  # noqa: SIM115 - buffered; the other handle appends
        with reader:
            for number, line in enumerate(iter(lambda: reader.readline(MAX_LINE), b""), 1):
                if not line.endswith(b"\n"):
                    if len(line) == MAX_LINE:
                        _no_report(self.path, number, "a line longer than any report")
                    self._file.truncate(start)  # the write that a kill interrupted
                    break
                try:
                    report = parse(line)
                except ValueError as error:
                    _no_report(self.path, number, str(error))
                if report.policy_sha256 != policy_sha256:
                    raise Unreadable(
                        f"{self.path} line {number}: made with another policy ({report.policy}); "
                        "resume with that one, or choose another output."
                    )
                self.claim(report.name)
                self._note(report, start, len(line))
                seen(report)
                start += len(line)

    def _lock(self) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputTaken(f"{self.path}: another run is writing this file; wait for it.") from error
        except OSError:  # a file system without locks: two runs at once are then the caller's to avoid
            return


def content_key(sha256: str, name: str) -> str:
    """Photos with equal keys get equal reports: the content, and the suffix (reports may say that it is misleading)."""
    return sha256 + Path(name).suffix.lower()


def read_reports(path: Path) -> Iterator[Report]:
    """The reports of a JSONL file, one at a time. Raises NotFound or Unreadable naming the line."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
                try:
                    yield parse(line)
                except ValueError as error:
                    _no_report(path, number, str(error))
    except FileNotFoundError as error:
        raise NotFound(f"{path}: there is no such file.") from error
    except OSError as error:
        raise Unreadable(f"{path}: cannot be read ({error.strerror}).") from error


def parse(line: bytes) -> Report:
    """The report of one line. Raises ValueError for whatever is not one."""

    def constant(text: str) -> NoReturn:
        raise ValueError(f"{text} is no number of JSON")

    def finite(text: str) -> float:
        if not math.isfinite(number := float(text)):
            raise ValueError(f"{text} is too large a number")
        return number

    try:
        data: Any = json.loads(line, parse_constant=constant, parse_float=finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError("not a screening report: no object")
    report = Report.from_dict(data)
    if not isinstance(report.name, str):
        raise ValueError("not a screening report: no name")
    return report


def _no_report(path: Path, number: int, why: str) -> NoReturn:
    raise Unreadable(f"{path} line {number}: not a report of this program ({why[:300]}).")
