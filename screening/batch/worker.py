"""One worker process: holds one screener, gets one photo at a time, answers with its report.

Messages, parent -> worker: `Task`, or None to end; after an `Ask`, True to screen or False to leave it.
Worker -> parent: `Ready` or a ScreeningError once, then per task at most one `Ask` and one `Done` (none after False),
or a ModelError, which ends the run: then the fault is not the photo's.
"""

from __future__ import annotations

import hashlib
import io
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import cv2
from PIL import Image as PillowImage

from screening.batch.journal import content_key
from screening.errors import Internal, ModelError, ScreeningError
from screening.report import Report
from screening.source import MAX_BYTES, read
from screening.types import Image, Photo

if sys.platform != "win32":
    import resource

log = logging.getLogger(__name__)


class PhotoScreener(Protocol):
    """What a worker needs of a `Screener`."""

    def screen_with_photo(self, source: bytes, name: str | None = None) -> tuple[Report, Photo | None]: ...

    def error_report(self, name: str, error: ScreeningError) -> Report: ...


MakeScreener = Callable[[], PhotoScreener]
"""Must be picklable: a function of a module, a class, or a `functools.partial` of one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory_mb` bounds a worker's own memory (Linux); `max_bytes` a photo's file."""

    memory_mb: int | None = None
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True, slots=True)
class Task:
    """A photo in a file or in memory; `thumbnail` is the long side in pixels of the picture wanted of it, or 0."""

    name: str
    path: Path | None
    data: bytes | None
    thumbnail: int = 0


@dataclass(frozen=True, slots=True)
class Ready:
    pass


@dataclass(frozen=True, slots=True)
class Ask:
    """Is a report wanted for this content?"""

    key: str


@dataclass(frozen=True, slots=True)
class Done:
    """`report` is its JSON; `thumbnail` WebP, empty where none was wanted or there is no picture."""

    report: str
    thumbnail: bytes


def main(pipe: Connection, make: MakeScreener, limits: Limits) -> None:
    """The process's life; ends when the parent says so or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    cv2.setNumThreads(1)
    if limits.memory_mb is not None and sys.platform == "linux":
        size = limits.memory_mb << 20
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    try:
        screener = make()
    except ScreeningError as error:
        pipe.send(error)
        return
    pipe.send(Ready())
    try:
        while (task := pipe.recv()) is not None:
            answer = _screen(pipe, screener, task, limits)
            if answer is not None:
                pipe.send(answer)
    except (
        EOFError,
        BrokenPipeError,
        ConnectionResetError,
    ):  # the parent was killed: nobody is left to answer
        return


def _screen(
    pipe: Connection, screener: PhotoScreener, task: Task, limits: Limits
) -> Done | ModelError | None:
    try:
        data = task.data if task.path is None else read(task.path, max_bytes=limits.max_bytes)[0]
        assert data is not None
        pipe.send(Ask(content_key(hashlib.sha256(data).hexdigest(), task.name)))
        if not pipe.recv():
            return None
        report, photo = screener.screen_with_photo(data, task.name)
        picture = b"" if photo is None or not task.thumbnail else thumbnail(photo.pixels, task.thumbnail)
        return Done(report.to_json(), picture)
    except ModelError as error:
        return error
    except ScreeningError as error:
        return Done(screener.error_report(task.name, error).to_json(), b"")
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except MemoryError:
        failed = Internal(f"{task.name}: needs more memory than a worker may take; make the photo smaller.")
        return Done(screener.error_report(task.name, failed).to_json(), b"")
    except Exception as error:  # a bug met on this photo must not end the run; the report says what happened
        log.exception("screening %s", task.name)
        failed = Internal(f"{task.name}: screening it failed ({type(error).__name__}: {error}).")
        return Done(screener.error_report(task.name, failed).to_json(), b"")


def thumbnail(pixels: Image, size: int) -> bytes:
    """WebP of `pixels` ((h, w, 3) uint8 RGB) with a long side of at most `size` pixels."""
    height, width = pixels.shape[:2]
    scale = min(1.0, size / max(height, width))
    small = cv2.resize(
        pixels, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    file = io.BytesIO()
    PillowImage.fromarray(small).save(file, "WEBP", quality=55, method=2)
    return file.getvalue()
