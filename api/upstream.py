"""Passing requests on to the vendor and its answers back as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from screening.errors import ScreeningError

from .gate_store import Answer
from .problems import Problem

_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "host", "content-length", "expect",
    # Would let a request be another one upstream than the one that was looked at here.
    "x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url",
}  # fmt: skip
MAX_ANSWER = 4 * 2**20


class NotSent(ScreeningError):
    """The upstream was not reached: the call was not carried out."""

    code = "upstream_unreachable"


class AnswerLost(ScreeningError):
    """The call went out and no whole answer came back: whether it was carried out cannot be known."""

    code = "upstream_answer_lost"

    def __init__(self, message: str, slow: bool) -> None:
        super().__init__(message)
        self.slow = slow


def onward(request: Request) -> list[tuple[str, str]]:
    """The caller's headers, without those of the connection."""
    named = {h.strip().lower() for h in request.headers.get("connection", "").split(",")}
    return [(k, v) for k, v in request.headers.items() if k not in _HOP and k not in named]


def back(answer: httpx.Response) -> tuple[tuple[str, str], ...]:
    return tuple((k, v) for k, v in answer.headers.multi_items() if k.lower() not in _HOP)


class Upstream:
    """The vendor. One instance per process; `close` at the end."""

    def __init__(self, base: str, seconds: float) -> None:
        self._base, self._seconds, self._connect = base, seconds, min(10.0, seconds)
        # No connection is used twice: one that the upstream had just closed would leave a paid call's fate open.
        limits = httpx.Limits(max_keepalive_connections=0)
        timeout = httpx.Timeout(seconds, connect=self._connect)
        self._client = httpx.AsyncClient(
            trust_env=False, follow_redirects=False, limits=limits, timeout=timeout
        )
        self._client.headers.clear()  # its own would reach the upstream where the caller sent none

    async def close(self) -> None:
        await self._client.aclose()

    def _url(self, request: Request) -> str:
        raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
        path = raw.decode("latin-1").removeprefix(request.scope.get("root_path", ""))
        query = request.scope["query_string"].decode("latin-1")
        return self._base + path + (f"?{query}" if query else "")

    async def create(self, request: Request, body: bytes) -> Answer:
        """Send a create call once and wait for its whole answer. Raises NotSent, AnswerLost."""
        try:
            async with (
                asyncio.timeout(self._connect + self._seconds),  # however it trickles
                self._client.stream(
                    "POST", self._url(request), headers=onward(request), content=body
                ) as answer,
            ):
                parts, total = [], 0
                async for chunk in answer.aiter_raw():
                    total += len(chunk)
                    if total > MAX_ANSWER:
                        raise AnswerLost("The upstream's answer is larger than any that is expected.", False)
                    parts.append(chunk)
                return Answer(answer.status_code, back(answer), b"".join(parts))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(
                "The upstream could not be reached; the call was not sent and can be repeated."
            ) from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise AnswerLost(
                f"The upstream did not answer within {self._seconds:g} seconds.", True
            ) from error
        except httpx.HTTPError as error:
            raise AnswerLost(
                "The connection to the upstream broke before its answer was whole.", False
            ) from error

    async def passed_on(self, request: Request, body: bytes | None = None) -> Response:
        """Any other request, streamed both ways. Raises Problem 502, 504."""
        headers = onward(request)
        if body is None and _has_body(request):
            content: bytes | AsyncIterator[bytes] | None = request.stream()
            length = request.headers.get("content-length")
            headers += [("content-length", length)] if length else []
        else:
            content = body
        onward_request = self._client.build_request(
            request.method, self._url(request), headers=headers, content=content
        )
        try:
            answer = await self._client.send(onward_request, stream=True)
        except httpx.TimeoutException as error:
            raise Problem(
                504, "timeout", f"The upstream did not answer within {self._seconds:g} seconds."
            ) from error
        except httpx.HTTPError as error:
            raise Problem(
                502, "upstream_unreachable", "The upstream could not be reached or broke off."
            ) from error
        response = StreamingResponse(
            answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        response.raw_headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in back(answer)]
        return response


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers
