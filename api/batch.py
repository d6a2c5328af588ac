"""Several photos in one request: multipart files or a ZIP, answered as JSON lines in their order."""

from __future__ import annotations

import asyncio
import io
import zipfile
import zlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from screening.errors import Internal, NotAnImage, ScreeningError, TooLargeBytes
from screening.report import Report, RuleResult

from . import body
from .body import File
from .engine import Rules, software
from .pool import Slot
from .problems import Problem, bad_request, from_exception
from .service import Service
from .settings import Settings

Entry = File | tuple[str, ScreeningError]
"""A photo, or the name of one that could not be taken and why."""


async def files_of(request: Request, settings: Settings) -> Iterator[Entry]:
    """The photos of a batch request, unpacked one at a time as they are taken."""
    kind = body.media_type(request)
    if kind in ("application/zip", "application/x-zip-compressed"):
        return _unpacked(await body.read(request, settings.batch_bytes, settings.upload_limit), settings)
    if kind != "multipart/form-data":
        raise Problem(
            415, "unsupported_media_type", "Send the photos as multipart/form-data or as application/zip."
        )
    files, _ = await body.read_form(
        request, settings.batch_bytes, settings.upload_limit, settings.batch_files
    )
    if len(files) == 1 and files[0].data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _unpacked(files[0].data, settings)
    if not files:
        raise bad_request("There is no file in the body.")
    return iter([_checked(f, settings) for f in files])


def _checked(file: File, settings: Settings) -> Entry:
    if len(file.data) > settings.max_bytes:
        return file.name, TooLargeBytes(
            f"{file.name} is larger than the {settings.max_bytes:,} bytes allowed."
        )
    return file


def _unpacked(data: bytes, settings: Settings) -> Iterator[Entry]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise bad_request("The ZIP cannot be opened.") from error
    members = [m for m in archive.infolist() if not m.is_dir() and not _hidden(m.filename)]
    if not members:
        raise bad_request("There is no file in the ZIP.")
    if len(members) > settings.batch_files or sum(m.file_size for m in members) > settings.batch_bytes:
        raise TooLargeBytes(
            f"The ZIP holds more than {settings.batch_files:,} files or {settings.batch_bytes:,} bytes; "
            "send less at once."
        )
    return (_member(archive, m, settings) for m in members)


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, settings: Settings) -> Entry:
    name = body.plain_name(member.filename)
    too_large = TooLargeBytes(f"{name} is larger than the {settings.max_bytes:,} bytes allowed.")
    if member.file_size > settings.max_bytes:
        return name, too_large
    try:
        with archive.open(member) as file:
            data = file.read(settings.max_bytes + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error, EOFError, OSError) as error:
        return name, NotAnImage(
            f"{name} cannot be unpacked ({type(error).__name__}); pack it again, without a password."
        )
    return (name, too_large) if len(data) > settings.max_bytes else File(data, name)


async def reports(
    service: Service, slot: Slot, files: Iterator[Entry], policy: str, rules: Rules
) -> AsyncIterator[bytes]:
    """One JSON line per photo. No more photos are unpacked or waiting than the pool has threads, and one."""
    waiting: deque[asyncio.Task[Report]] = deque()
    try:
        while True:
            while len(waiting) <= service.pool.threads:
                entry = await asyncio.to_thread(next, files, None)
                if entry is None:
                    break
                waiting.append(asyncio.create_task(_report(service, slot, entry, policy, rules)))
            if not waiting:
                return
            report = await waiting[0]
            waiting.popleft()
            yield report.to_json().encode() + b"\n"
    finally:
        for task in waiting:
            task.cancel()


async def _report(service: Service, slot: Slot, entry: Entry, policy: str, rules: Rules) -> Report:
    if not isinstance(entry, File):
        return unscreened(service, *entry, policy)
    try:
        return await service.screen(slot, entry.data, entry.name, policy, rules)
    except ScreeningError as error:
        return unscreened(service, entry.name, error, policy)
    except Exception as error:  # noqa: BLE001 (the other photos' answers must not be lost with this one's)
        problem = from_exception(error)
        return unscreened(service, entry.name, Internal(problem.detail), policy)


def unscreened(service: Service, name: str, error: ScreeningError, policy: str) -> Report:
    """The report on a file that the library gave none for."""
    report = Report(
        verdict="error",
        image=None,
        name=name,
        policy=policy,
        policy_sha256=service.engine.policy(policy)["sha256"],
        rules=tuple(
            RuleResult(r["id"], r["title"], "unassessed", "The photo could not be screened.", "")
            for r in service.engine.rules()
        ),
        error=(error.code, error.message),
        software=software(),
    )
    service.metrics.report(report)
    return report


class Streamed(StreamingResponse):
    """JSON lines that give their slot back however the answer ends."""

    def __init__(self, content: AsyncIterator[bytes], slot: Slot) -> None:
        super().__init__(content, media_type="application/x-ndjson", headers={"X-Accel-Buffering": "no"})
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._slot.release()
