"""What is to be screened, as a stream: folders, globs, list files, ZIP and TAR archives, paths on stdin."""

from __future__ import annotations

import glob
import lzma
import os
import sqlite3
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from screening.errors import NotAFile, NotFound, ScreeningError, TooLargeBytes, Unreadable
from screening.formats import FORMATS, sniff
from screening.source import MAX_BYTES

SUFFIXES = frozenset(
    (
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic",
        ".heif", ".hif", ".jp2", ".ico", ".psd",
    )
)  # fmt: skip
"""A file of a folder or an archive with such a name is a photo to report on, whatever its content."""

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_SORTED_IN_MEMORY = 20_000
_HEAD = 256
"""Bytes that tell a format, for files whose name does not."""
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError,
    RuntimeError, NotImplementedError, LookupError, ArithmeticError,
)  # fmt: skip
"""What reading a damaged, encrypted or unknown archive raises; each ends as that input's report."""


@dataclass(frozen=True, slots=True)
class Item:
    """One photo to screen: its bytes are in `path` or in `data`, or `error` says why there are none.

    `name` becomes `image.name` and is the key that `--resume` goes by.
    """

    name: str
    path: Path | None = None
    data: bytes | None = None
    error: ScreeningError | None = None


class Inputs:
    """The photos that `given` stands for, in a stable order; iterating reads folders and archives as it goes.

    given: paths of folders, files and archives, glob patterns, "@list.txt" (one path a line), "-" (`stdin`).
    With one folder or archive, names are relative to it; with several inputs they start with the input.
    """

    def __init__(
        self,
        given: Sequence[str],
        *,
        recursive: bool = False,
        stdin: IO[str] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.given = tuple(given)
        self.recursive = recursive
        self.max_bytes = max_bytes
        self.others = 0
        """Files of folders and archives passed over because they are no photos, so far."""
        self.folders = 0
        """Subfolders not looked into, so far."""
        self._stdin = stdin

    def __iter__(self) -> Iterator[Item]:
        self.others = self.folders = 0
        for given in self.given:
            yield from self._expand(given)

    def total(self) -> int | None:
        """How many photos there will be, without opening them; None where only reading to the end would tell."""
        count = 0
        for given in self.given:
            if given == "-" or given.lower().endswith(ARCHIVES[2:]):
                return None
            if given.startswith("@"):
                count += sum(1 for line in self._lines_of(Path(given[1:])) if isinstance(line, str))
            elif Path(given).is_dir():
                count += sum(1 for _ in self._walk(Path(given)))
            elif given.lower().endswith(".zip") and Path(given).is_file():
                try:
                    with zipfile.ZipFile(given) as archive:
                        count += sum(Path(i.filename).suffix.lower() in SUFFIXES for i in archive.infolist())
                except _BROKEN:
                    count += 1  # the report that says so
            elif given.lower().endswith(".tar"):
                return None
            else:
                count += (
                    max(1, sum(1 for _ in glob.iglob(given, recursive=True))) if _is_pattern(given) else 1
                )
        return count

    def _expand(self, given: str) -> Iterator[Item]:
        prefix = given.rstrip("/") + "/" if len(self.given) > 1 else ""
        if given == "-":
            for line in self._stdin or ():
                if line.strip():
                    yield _file(line.rstrip("\r\n"))
        elif given.startswith("@"):
            for entry in self._lines_of(Path(given[1:])):
                yield entry if isinstance(entry, Item) else _file(entry)
        elif Path(given).is_dir():
            for path, error in self._walk(Path(given)):
                yield Item(prefix + shown(path.relative_to(given).as_posix()), path, error=error)
        elif _is_pattern(given):
            matches = (m for m in glob.iglob(given, recursive=True) if not Path(m).is_dir())
            found = False
            for match in in_order(matches):
                found = True
                yield Item(shown(match), Path(match))
            if not found:
                yield Item(given, error=NotFound(f"{given}: no file matches this pattern."))
        elif given.lower().endswith(".zip") and Path(given).is_file():
            yield from self._zip(given, prefix)
        elif given.lower().endswith(ARCHIVES) and Path(given).is_file():
            yield from self._tar(given, prefix)
        else:
            yield _file(given)

    def _walk(self, folder: Path) -> Iterator[tuple[Path, ScreeningError | None]]:
        try:
            entries = os.scandir(folder)
        except OSError as error:
            yield folder, Unreadable(f"{shown(str(folder))}: the folder cannot be listed ({error.strerror}).")
            return
        with entries:
            for name in in_order(entry.name for entry in entries):
                yield from self._entry(folder / name)

    def _entry(self, path: Path) -> Iterator[tuple[Path, ScreeningError | None]]:
        if path.name.startswith("."):
            return
        try:
            mode = path.stat().st_mode
        except OSError:  # a dangling link or one removed meanwhile: reported when it is opened
            mode = stat.S_IFREG
        if stat.S_ISDIR(mode):
            if not self.recursive:
                self.folders += 1
            elif not path.is_symlink():  # a link may lead back up
                yield from self._walk(path)
        elif stat.S_ISREG(mode) and (path.suffix.lower() in SUFFIXES or _starts_like_photo(path)):
            yield path, None
        else:
            self.others += 1

    def _lines_of(self, path: Path) -> Iterator[str | Item]:
        try:
            with path.open(encoding="utf-8", errors="surrogateescape") as lines:
                yield from (line.rstrip("\r\n") for line in lines if line.strip())
        except OSError as error:
            yield Item(f"@{path}", error=NotFound(f"{path}: the list cannot be read ({error.strerror})."))

    def _zip(self, given: str, prefix: str) -> Iterator[Item]:
        try:
            with zipfile.ZipFile(given) as archive:
                for info in archive.infolist():
                    if info.is_dir() or _hidden(info.filename):
                        continue
                    name = prefix + shown(info.filename)
                    try:
                        with archive.open(info) as stream:
                            yield from self._member(name, info.file_size, stream)
                    except _BROKEN as error:
                        yield Item(name, error=Unreadable(f"{name}: cannot be read from {given} ({error})."))
        except _BROKEN as error:
            yield Item(
                shown(given), error=Unreadable(f"{given}: not a ZIP archive that can be read ({error}).")
            )

    def _tar(self, given: str, prefix: str) -> Iterator[Item]:
        try:
            with tarfile.open(given, "r|*") as archive:
                for info in archive:
                    stream = archive.extractfile(info) if info.isfile() else None
                    if stream is not None and not _hidden(info.name):
                        yield from self._member(
                            prefix + shown(info.name.removeprefix("./")), info.size, stream
                        )
                    archive.members.clear()  # type: ignore[attr-defined]  # else every header stays in memory
        except _BROKEN as error:
            yield Item(
                shown(given), error=Unreadable(f"{given}: cannot be read on as a TAR archive ({error}).")
            )

    def _member(self, name: str, size: int, stream: IO[bytes]) -> Iterator[Item]:
        head = stream.read(_HEAD)
        if Path(name).suffix.lower() not in SUFFIXES and sniff(head) not in FORMATS:
            self.others += 1
        elif size > self.max_bytes:
            message = f"{name}: {size} bytes, more than the {self.max_bytes} that are read; make it smaller."
            yield Item(name, error=TooLargeBytes(message))
        else:
            yield Item(name, data=head + stream.read(self.max_bytes))


def in_order(names: Iterable[str]) -> Iterator[str]:
    """The names sorted by their bytes; beyond some thousands on disk, so that memory stays bounded."""
    rest = iter(names)
    first = list(islice(rest, _SORTED_IN_MEMORY))
    if len(first) < _SORTED_IN_MEMORY:
        yield from sorted(first, key=os.fsencode)
        return
    with closing(sqlite3.connect("")) as db:
        db.execute("CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID")
        for names_ in (first, rest):
            db.executemany("INSERT OR IGNORE INTO names VALUES (?)", ((os.fsencode(n),) for n in names_))
        for (name,) in db.execute("SELECT name FROM names ORDER BY name"):
            yield os.fsdecode(name)


def shown(name: str) -> str:
    """A file name as valid Unicode: bytes that are no UTF-8 become \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _starts_like_photo(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return sniff(file.read(_HEAD)) in FORMATS
    except OSError:
        return False


def _file(path: str) -> Item:
    if Path(path).is_dir():
        return Item(
            shown(path), error=NotAFile(f"{shown(path)}: a folder; give the folder itself as an input.")
        )
    if "\0" in path:
        return Item(shown(path), error=NotFound(f"{shown(path)}: no file has a NUL in its name."))
    return Item(shown(path), Path(path))


def _is_pattern(given: str) -> bool:
    return glob.has_magic(given) and not Path(given).exists()


def _hidden(name: str) -> bool:
    return any(
        (part.startswith(".") and part not in (".", "..")) or part == "__MACOSX" for part in name.split("/")
    )
