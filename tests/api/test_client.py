"""The Python client, against a running service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from screening.client import AsyncClient, Client, ServiceError
from screening.report import Report

from .conftest import FAIL, GARBAGE, PASS, PNG, Running, Start, until

T = TypeVar("T")


def run(service: Running, act: Callable[[AsyncClient], Awaitable[T]]) -> T:
    async def inner() -> T:
        async with AsyncClient(service.base) as client:
            return await act(client)

    return asyncio.run(inner())


def test_screen(service: Running, tmp_path: Path) -> None:
    path = tmp_path / "me.jpg"
    path.write_bytes(FAIL)
    with Client(service.base) as client:
        report = client.screen(path, policy="tavus-phoenix-4", rules=["pose", "glasses"])
        assert isinstance(report, Report)
        assert (report.verdict, report.name, report["glasses"].status) == ("fail", "me.jpg", "fail")
        assert client.screen(PASS).passed
    assert run(service, lambda c: c.screen(str(path))).verdict == "fail"
    assert service.engine.seen[0][2:] == ("tavus-phoenix-4", ("pose", "glasses"))


def test_problems_are_typed(service: Running) -> None:
    with Client(service.base) as client, pytest.raises(ServiceError) as caught:
        client.screen(GARBAGE)
    assert (caught.value.status, caught.value.code) == (422, "not_an_image")
    with pytest.raises(ServiceError, match="no policy"):
        run(service, lambda c: c.screen(PASS, policy="none"))


def test_many_in_order(service: Running) -> None:
    photos = [PASS, FAIL, GARBAGE] * 4

    async def gather(client: AsyncClient) -> list[str]:
        return [r.verdict async for r in client.screen_many(photos)]

    with Client(service.base) as client:
        assert [r.verdict for r in client.screen_many(photos)] == ["pass", "fail", "error"] * 4
        with pytest.raises(ServiceError):
            list(client.screen_many(photos, policy="none"))
    assert run(service, gather) == ["pass", "fail", "error"] * 4


def test_pictures_and_catalogue(service: Running) -> None:
    with Client(service.base) as client:
        assert client.annotated(FAIL) == run(service, lambda c: c.annotated(FAIL)) == PNG
        assert client.fix(FAIL) == run(service, lambda c: c.fix(FAIL)) == b"\xff\xd8 mended good"
        assert client.rules() == run(service, lambda c: c.rules())
        assert client.policies() == run(service, lambda c: c.policies())
        assert client.policies()[0] == "tavus-image"


def test_key(start: Start) -> None:
    service = start(api_keys="k")
    with Client(service.base, api_key="k") as client:
        assert client.screen(PASS).passed
    with Client(service.base) as client, pytest.raises(ServiceError) as caught:
        client.screen(PASS)
    assert caught.value.code == "unauthorized"


def test_busy_is_tried_again_and_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    service = start(threads=1, queue=0)
    waits: list[float] = []
    with Client(service.base, retries=2) as client, ThreadPoolExecutor(1) as callers:
        held = callers.submit(client.screen, b"\xff\xd8 slow good")
        until(lambda: service.app.state.service.pool.running == 1)
        monkeypatch.setattr("screening.client.time.sleep", waits.append)
        with pytest.raises(ServiceError) as caught:
            client.screen(PASS)
        assert (caught.value.status, waits) == (503, [1.0, 1.0])

        def let_go(seconds: float) -> None:
            service.engine.go.set()
            until(lambda: service.app.state.service.pool.admitted == 0)

        monkeypatch.setattr("screening.client.time.sleep", let_go)
        assert client.screen(PASS).passed
        assert held.result().passed


def test_something_else_answers(service: Running) -> None:
    with Client(service.base + "/web") as client, pytest.raises(ServiceError) as caught:
        client.rules()
    assert caught.value.status == 404
