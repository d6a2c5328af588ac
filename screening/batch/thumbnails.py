"""Small pictures of the photos of a run, by content, in a temporary file on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from screening.batch.inputs import Item
from screening.batch.worker import thumbnail
from screening.decode import decode
from screening.errors import ScreeningError
from screening.report import Report
from screening.source import read


def size_for(photos: int | None) -> int:
    """The long side in pixels that keeps a page of that many photos at some 50 MB."""
    if photos is None or photos > 3000:
        return 176
    return 512 if photos <= 300 else 288


class Thumbnails:
    """WebP pictures by the content's SHA-256; gone when closed."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8000;"
            "CREATE TABLE pictures (sha256 TEXT PRIMARY KEY, webp BLOB) WITHOUT ROWID;"
            "CREATE TABLE wanted (name TEXT PRIMARY KEY, sha256 TEXT) WITHOUT ROWID;"
        )

    def close(self) -> None:
        self._db.close()

    def put(self, sha256: str, webp: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO pictures VALUES (?, ?)", (sha256, webp))

    def get(self, report: Report) -> bytes:
        """The photo's picture, or b"" where there is none."""
        sha256 = "" if report.image is None else report.image.sha256
        row = self._db.execute("SELECT webp FROM pictures WHERE sha256 = ?", (sha256,)).fetchone()
        return bytes(row[0]) if row else b""

    def complete(self, reports: Iterable[Report], items: Iterable[Item], size: int) -> int:
        """Makes the pictures that an earlier, interrupted run took with it; returns how many.

        A photo that is no longer there, or changed, stays without one.
        """
        for report in reports:
            if report.image is not None and not self.get(report):
                self._db.execute(
                    "INSERT OR IGNORE INTO wanted VALUES (?, ?)", (report.name, report.image.sha256)
                )
        if not self._db.execute("SELECT 1 FROM wanted LIMIT 1").fetchone():
            return 0
        made = 0
        for item in items:
            row = self._db.execute("SELECT sha256 FROM wanted WHERE name = ?", (item.name,)).fetchone()
            if row is None:
                continue
            try:
                data = item.data if item.path is None else read(item.path)[0]
                photo = decode(data or b"", item.name)
            except ScreeningError:
                continue
            if photo.facts.sha256 == row[0]:
                self.put(row[0], thumbnail(photo.pixels, size))
                made += 1
        return made
