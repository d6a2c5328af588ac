"""Request bodies: bounded before and while they are read, in memory only."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from screening.errors import TooLargeBytes

from .problems import ENDS, Problem, bad_request

_HEADROOM = 64 * 1024
"""What a multipart envelope may add to its files."""


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded photo: its bytes and a short printable name."""

    data: bytes
    name: str


class _InMemory(MultiPartParser):
    spool_max_size = 0  # for the spooled file below it this means: never onto the disk


def plain_name(name: str | None) -> str:
    """The last part of a name that a client gave, printable, at most 120 characters."""
    last = re.split(r"[\\/]", name or "")[-1]
    return "".join(c for c in last if c.isprintable())[:120].strip() or "photo"


def media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def too_large(limit: int) -> TooLargeBytes:
    """What a request with a larger body or photo is answered with (413)."""
    return TooLargeBytes(f"The request is larger than the {limit:,} bytes allowed here; send a smaller file.")


def check_length(request: Request, limit: int) -> None:
    """Refuse by Content-Length, before anything is read."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > limit:
        raise too_large(limit)
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(
            415, "unsupported_media_type", "Compressed request bodies are not taken; send the file as it is."
        )


async def _chunks(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    total = 0
    try:
        async for chunk in request.stream():
            total += len(chunk)
            if total > limit:
                raise too_large(limit)
            yield chunk
    except ClientDisconnect as error:
        raise bad_request("The connection ended before the body did.") from error


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        detail = f"The request's body did not arrive within {seconds:g} seconds."
        raise Problem(408, "timeout", detail, ENDS) from error


async def read(request: Request, limit: int, seconds: float) -> bytes:
    """The whole body. Raises TooLargeBytes (413), Problem 408 and 415."""
    check_length(request, limit)
    async with _deadline(seconds):
        return b"".join([chunk async for chunk in _chunks(request, limit)])


async def read_form(
    request: Request, limit: int, seconds: float, max_files: int
) -> tuple[list[File], dict[str, str]]:
    """Files and text fields of a multipart body, files in the order sent."""
    limit += _HEADROOM
    check_length(request, limit)
    parser = _InMemory(request.headers, _chunks(request, limit), max_files=max_files, max_fields=20)
    try:
        async with _deadline(seconds):
            form = await parser.parse()
    except MultiPartException as error:
        raise bad_request(f"The multipart body cannot be read: {error.message}") from error
    files, fields = [], {}
    for key, value in form.multi_items():
        if isinstance(value, UploadFile):
            files.append(File(await value.read(), plain_name(value.filename)))
        else:
            fields[key] = value
    await form.close()
    return files, fields


def base64_bytes(text: str, what: str) -> bytes:
    """Strictly decoded standard base64 with padding; line breaks are allowed."""
    try:
        if "\n" in text:
            text = text.replace("\r", "").replace("\n", "")
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"{what} is not base64 ({error}).") from error
