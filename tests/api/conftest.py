"""A server on loopback for each test that wants one, over a stand-in engine whose verdicts follow the bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.engine import Mended, Rules
from api.fetch import Fetcher
from api.settings import Settings
from screening.errors import NotAnImage, PolicyInvalid
from screening.report import Report, RuleResult
from screening.types import ImageFacts

PASS, FAIL, UNSURE = b"\xff\xd8 good photo", b"\xff\xd8 bad photo", b"\xff\xd8 unsure photo"
GARBAGE = b"no image at all"
PNG = b"\x89PNG\r\n\x1a\n drawn"
POLICIES = ("tavus-image", "tavus-phoenix-4", "tavus-phoenix-4.5")
RULES = ("format", "pose", "glasses")


@dataclass
class FakeEngine:
    """Verdict by content: "good" passes, "unsure" leaves glasses unassessed, no JPEG marker is an error, else fails.

    "slow" in the bytes waits for `go`.
    """

    go: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[bytes, str, str, Rules]] = field(default_factory=list)
    broken: bool = False

    def check_policy(self, name: str) -> str:
        if name not in POLICIES:
            raise PolicyInvalid(f"There is no policy called {name!r}.")
        return name

    def policies(self) -> list[dict[str, Any]]:
        return [{"name": n, "title": n, "sha256": "00"} for n in POLICIES]

    def policy(self, name: str) -> dict[str, Any]:
        return {"name": name, "title": name, "sha256": "00", "rules": {}}

    def rules(self) -> list[dict[str, Any]]:
        empty: dict[str, Any] = {"summary": "", "sections": [], "measures": [], "needs": []}
        return [{"id": i, "title": f"Rule {i}"} | empty for i in RULES]

    def screen(self, data: bytes, name: str, policy: str, rules: Rules = None) -> Report:
        self.seen.append((data, name, policy, rules))
        if b"slow" in data:
            self.go.wait(20)
        if b"crash" in data:
            raise RuntimeError("a text that only the log's reader should look for")
        if not data.startswith(b"\xff\xd8"):
            error = NotAnImage(f"{name} is not an image.")
            return Report(
                "error", None, name, policy, "00", (), error=(error.code, error.message), software="0"
            )
        worst: Any = "pass" if b"good" in data else "unassessed" if b"unsure" in data else "fail"
        verdict: Any = {"pass": "pass", "unassessed": "unsure", "fail": "fail"}[worst]
        results = tuple(
            RuleResult(
                i,
                f"Rule {i}",
                worst if i == "glasses" else "pass",
                "You wear glasses.",
                "Take them off.",
                margin=0.1,
            )
            for i in RULES
        )
        facts = ImageFacts(name, "00", "JPEG", 600, 800, len(data))
        return Report(verdict, facts, name, policy, "00", results, software="0")

    def annotated(
        self, data: bytes, name: str, policy: str, rules: Rules = None
    ) -> tuple[Report, bytes | None]:
        report = self.screen(data, name, policy, rules)
        return report, None if report.error else PNG

    def fix(self, data: bytes, name: str, policy: str) -> Mended:
        if not data.startswith(b"\xff\xd8"):
            raise NotAnImage(f"{name} is not an image.")
        return Mended(b"\xff\xd8 mended good", "image/jpeg", ("crop",), self.screen(PASS, name, policy))

    def self_test(self) -> None:
        if self.broken:
            raise PolicyInvalid("The self-test failed.")

    def models(self) -> list[dict[str, str]]:
        return [{"name": "face", "sha256": "00"}]


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Base URL of the application on a free loopback port; stopped gracefully at the end."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_config=None, access_log=False, server_header=False)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


def until(true: Callable[[], object], seconds: float = 20) -> None:
    """Wait for a condition that another thread brings about."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        threading.Event().wait(0.005)


@dataclass
class Running:
    """A started service and a client for it."""

    base: str
    client: httpx.Client
    engine: FakeEngine
    app: FastAPI


Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """`start(fetcher=..., setting=value, ...)`: a service with those settings, stopped after the test."""
    with ExitStack() as stack:

        def begin(fetcher: Fetcher | None = None, **settings: Any) -> Running:
            engine = FakeEngine()
            stack.callback(engine.go.set)
            app = create_app(Settings(**settings), engine, fetcher)
            base = stack.enter_context(served(app))
            # The blocked threads are let go before the server is asked to stop.
            stack.callback(engine.go.set)
            return Running(base, stack.enter_context(httpx.Client(base_url=base, timeout=30)), engine, app)

        yield begin


@pytest.fixture
def service(start: Start) -> Running:
    return start()
