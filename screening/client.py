"""A client of the REST service: photos in, typed reports back. Needs httpx (`pip install screening[api]`).

    with Client("http://127.0.0.1:8000") as client:
        report = client.screen("me.jpg")
        print(report.verdict, [r.reason for r in report.rules if r.status == "fail"])

`AsyncClient` has the same methods, to be awaited. Where the service is busy (429, 503) a call waits as long as the
service says and tries again, `retries` times. Bytes that are no image raise `ServiceError` from `screen`, and come
as reports with `error` from `screen_many`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from screening.errors import ScreeningError
from screening.report import Report

Photo = str | Path | bytes
"""A file's path, or the bytes of one."""
_AGAIN = (429, 503)
_LONGEST_WAIT = 30.0


class ServiceError(ScreeningError):
    """The service answered with a problem: its HTTP `status`, stable `code` and sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class _Common:
    """What both clients share: how requests look and answers are read."""

    def __init__(self, base_url: str, api_key: str | None, timeout: float, retries: int) -> None:
        self._options: dict[str, Any] = {
            "base_url": base_url,
            "headers": {"x-api-key": api_key} if api_key else {},
            "timeout": timeout,
        }
        self._retries = retries

    @staticmethod
    def _file(photo: Photo) -> tuple[str, bytes]:
        return ("photo", photo) if isinstance(photo, bytes) else (Path(photo).name, Path(photo).read_bytes())

    @staticmethod
    def _query(policy: str | None, rules: Collection[str] | None, **more: str) -> dict[str, str]:
        chosen = {"policy": policy, "rules": None if rules is None else ",".join(rules)}
        return {k: v for k, v in chosen.items() if v is not None} | more

    def _wait(self, answer: httpx.Response, tried: int) -> float | None:
        """Seconds to wait before trying again; None when the answer stands."""
        if answer.status_code not in _AGAIN or tried >= self._retries:
            return None
        after = answer.headers.get("retry-after", "")
        return min(float(after) if after.isdigit() else 1.0, _LONGEST_WAIT)

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        try:
            problem = answer.json()
            raise ServiceError(answer.status_code, problem["code"], problem["detail"])
        except (ValueError, KeyError, TypeError) as error:
            message = f"The service answered {answer.status_code}, and not as a screening service does."
            raise ServiceError(answer.status_code, "internal", message) from error


class Client(_Common):
    """Blocking client; may be shared by threads."""

    def __init__(
        self, base_url: str, *, api_key: str | None = None, timeout: float = 60, retries: int = 5
    ) -> None:
        super().__init__(base_url, api_key, timeout, retries)
        self._http = httpx.Client(**self._options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def screen(
        self, photo: Photo, *, policy: str | None = None, rules: Collection[str] | None = None
    ) -> Report:
        """The report on one photo. Raises ServiceError, httpx.HTTPError."""
        answer = self._post("/v1/screen", self._query(policy, rules), [("file", self._file(photo))])
        return Report.from_dict(answer.json())

    def annotated(self, photo: Photo, *, policy: str | None = None) -> bytes:
        """A PNG of the photo with the evidence drawn on it."""
        query = self._query(policy, None, annotate="png")
        return self._post("/v1/screen", query, [("file", self._file(photo))]).content

    def fix(self, photo: Photo, *, policy: str | None = None) -> bytes:
        """The mended photo, as a file's bytes."""
        return self._post("/v1/fix", self._query(policy, None), [("file", self._file(photo))]).content

    def screen_many(self, photos: Iterable[Photo], *, policy: str | None = None) -> Iterator[Report]:
        """Reports in the order of the photos, as they come; all photos go in one request."""
        files = [("files", self._file(p)) for p in photos]
        for tried in range(self._retries + 1):
            with self._http.stream(
                "POST", "/v1/screen/batch", params=self._query(policy, None), files=files
            ) as answer:
                wait = self._wait(answer, tried)
                if wait is None:
                    if not answer.is_success:
                        answer.read()
                    for line in self._checked(answer).iter_lines():
                        yield Report.from_dict(json.loads(line))
                    return
            time.sleep(wait)

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its documentation."""
        found: list[dict[str, Any]] = self._checked(self._http.get("/v1/rules")).json()["rules"]
        return found

    def policies(self) -> list[str]:
        """Names of the policies."""
        return [p["name"] for p in self._checked(self._http.get("/v1/policies")).json()["policies"]]

    def _post(
        self, path: str, query: dict[str, str], files: list[tuple[str, tuple[str, bytes]]]
    ) -> httpx.Response:
        tried = 0
        while True:
            answer = self._http.post(path, params=query, files=files)
            wait = self._wait(answer, tried)
            if wait is None:
                return self._checked(answer)
            tried += 1
            time.sleep(wait)


class AsyncClient(_Common):
    """As `Client`, for asyncio."""

    def __init__(
        self, base_url: str, *, api_key: str | None = None, timeout: float = 60, retries: int = 5
    ) -> None:
        super().__init__(base_url, api_key, timeout, retries)
        self._http = httpx.AsyncClient(**self._options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def screen(
        self, photo: Photo, *, policy: str | None = None, rules: Collection[str] | None = None
    ) -> Report:
        """The report on one photo. Raises ServiceError, httpx.HTTPError."""
        answer = await self._post("/v1/screen", self._query(policy, rules), [("file", self._file(photo))])
        return Report.from_dict(answer.json())

    async def annotated(self, photo: Photo, *, policy: str | None = None) -> bytes:
        """A PNG of the photo with the evidence drawn on it."""
        query = self._query(policy, None, annotate="png")
        return (await self._post("/v1/screen", query, [("file", self._file(photo))])).content

    async def fix(self, photo: Photo, *, policy: str | None = None) -> bytes:
        """The mended photo, as a file's bytes."""
        return (await self._post("/v1/fix", self._query(policy, None), [("file", self._file(photo))])).content

    async def screen_many(
        self, photos: Iterable[Photo], *, policy: str | None = None
    ) -> AsyncIterator[Report]:
        """Reports in the order of the photos, as they come; all photos go in one request."""
        files = [("files", self._file(p)) for p in photos]
        for tried in range(self._retries + 1):
            async with self._http.stream(
                "POST", "/v1/screen/batch", params=self._query(policy, None), files=files
            ) as answer:
                wait = self._wait(answer, tried)
                if wait is None:
                    if not answer.is_success:
                        await answer.aread()
                    async for line in self._checked(answer).aiter_lines():
                        yield Report.from_dict(json.loads(line))
                    return
            await asyncio.sleep(wait)

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule with its documentation."""
        found: list[dict[str, Any]] = self._checked(await self._http.get("/v1/rules")).json()["rules"]
        return found

    async def policies(self) -> list[str]:
        """Names of the policies."""
        return [p["name"] for p in self._checked(await self._http.get("/v1/policies")).json()["policies"]]

    async def _post(
        self, path: str, query: dict[str, str], files: list[tuple[str, tuple[str, bytes]]]
    ) -> httpx.Response:
        tried = 0
        while True:
            answer = await self._http.post(path, params=query, files=files)
            wait = self._wait(answer, tried)
            if wait is None:
                return self._checked(answer)
            tried += 1
            await asyncio.sleep(wait)
